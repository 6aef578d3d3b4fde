"""What is wrong with the records is said before anything is trained, by name."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headstart.data.split_file import SPLITS, SplitRow
from headstart.data.targets import labels_of, number_of
from headstart.errors import DataError
from headstart.specs import Record, Skipped, TargetForm

MAX_LISTED = 5
MAX_UNREADABLE = 0.01
"""Share of records that may be unreadable; they are left out and listed."""
WARNING = "warning: "


@dataclass(frozen=True)
class Finding:
    """Something the user should know about the data: a message that includes its count."""

    level: Literal["note", "warning"]
    message: str
    count: int


def check_records(items: Sequence[Record], form: TargetForm = "class") -> None:
    """Raises DataError for no records, duplicate keys, missing labels, look-alike classes or labels, odd splits.

    Of the form "labels", a record may have none.
    """
    if not items:
        raise DataError("the dataset has no records", hint="check the path and what lies below it")
    _check_keys(items)
    for record in items:
        if record.target is None or (form != "labels" and not record.target.strip()):
            raise DataError(f"{record.key}: no label", hint="give every sample a label, or leave it out")
        if record.split not in (None, *SPLITS):
            raise DataError(f"{record.key}: split is {record.split!r}; expected {', '.join(SPLITS)}")
    check_look_alikes(_names([record.target or "" for record in items], form))


def check_form(given: TargetForm | None, form: TargetForm, hint: str) -> None:
    """Raises DataError with `hint` where the dataset says that samples have several labels each, and another form is
    wanted."""
    if given == "labels" and form != "labels":
        wanted = "a number" if form == "number" else "one class"
        raise DataError(
            f"the data has several labels a sample (the column `labels`); this task learns {wanted} of each",
            hint=hint,
        )


def check_targets(items: Sequence[Record], form: TargetForm) -> None:
    """Raises DataError for targets that are not of this `form`, naming a record, or that nothing can be learned from.

    Those are all the same, or of labels none at all.
    """
    if form == "class":
        check_classes(record.target or "" for record in items)
    elif form == "labels":
        _check_labels(items)
    else:
        _check_numbers(items)


def _names(targets: Sequence[str], form: TargetForm) -> set[str]:
    """What names there are among targets: numbers are none."""
    if form == "number":
        return set()
    return set(targets) if form == "class" else {label for target in targets for label in labels_of(target)}


def _check_labels(items: Sequence[Record]) -> None:
    for record in items:
        labels = labels_of(record.target or "")
        if len(set(labels)) < len(labels):
            raise DataError(f"{record.key}: a label is given twice in {record.target!r}", hint="give each one once")
    names = _names([record.target or "" for record in items], "labels")
    _check_utf8(names)
    if not names:
        raise DataError("no sample has any label", hint="check the column that holds the labels")
    if len({frozenset(labels_of(record.target or "")) for record in items}) < 2:
        raise DataError(f"all samples have the same labels, {items[0].target!r}; there is nothing to tell apart")


def _check_numbers(items: Sequence[Record]) -> None:
    values = set()
    for record in items:
        value = number_of(record.target or "")
        if value is None:
            raise DataError(
                f"{record.key}: the target {record.target!r} is no number",
                hint="write numbers as -3.5 or 1e3, or learn classes with `--task classification`",
            )
        values.add(value)
    if len(values) < 2:
        raise DataError(f"all samples have the target {items[0].target!r}; there is nothing to learn")


def check_classes(targets: Iterable[str]) -> None:
    """Raises DataError where all samples have the same label, or where one is no text that a file can hold."""
    names = set(targets)
    _check_utf8(names)
    if len(names) < 2:
        raise DataError(
            f"all samples have the label {next(iter(names), '')!r}; learning needs at least two classes",
            hint="check that the path is the folder above the class folders",
        )


def _check_utf8(names: Iterable[str]) -> None:
    for name in sorted(names):
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(
                f"the class {name!a} is not valid UTF-8, so no model file could name it",
                hint="rename its folder, or convert the label file to UTF-8",
            )


def check_look_alikes(names: Iterable[str]) -> None:
    """Raises DataError for two classes that differ only by case or Unicode form, naming both."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        if plain in seen:
            raise DataError(
                f"the classes {seen[plain]!r} and {name!r} differ only by case or Unicode form "
                f"({seen[plain]!a}, {name!a})",
                hint="give both the same name, or names that a reader can tell apart",
            )
        seen[plain] = name


def check_unreadable(failed: Sequence[Skipped], total: int) -> None:
    """Raises DataError listing the first few where more than 1 % of `total` records could not be read."""
    if len(failed) <= MAX_UNREADABLE * total:
        return
    listed = "".join(f"\n  - {one.reason}" for one in failed[:MAX_LISTED])
    more = len(failed) - MAX_LISTED
    raise DataError(
        f"{len(failed)} of {total} samples cannot be read (up to 1 % would be left out):{listed}"
        + (f"\n  - and {more} more" if more > 0 else ""),
        hint="repair or remove them; nothing was changed",
    )


def check_given_splits(rows: Sequence[SplitRow]) -> None:
    """Raises DataError where equal contents or one group stand on two sides that the dataset itself fixed."""
    contents = _by(rows, {row.key: row.content_hash for row in rows})
    for same in contents.values():
        _refuse_two_sides(same, "have the same content", "remove one of them")
    groups = _by(rows, {row.key: row.group for row in rows if row.group is not None})
    for group, same in groups.items():
        _refuse_two_sides(same, f"belong to the group {group!r}", "put each group on one side")


def note_findings(notes: Mapping[str, int]) -> list[Finding]:
    """The counts of what reading took, such as "12 samples converted from CMYK"."""
    found = []
    for phrase, count in sorted(notes.items()):
        level: Literal["note", "warning"] = "warning" if phrase.startswith(WARNING) else "note"
        found.append(Finding(level, f"{_samples(count)} {phrase.removeprefix(WARNING)}", count))
    return found


def duplicate_findings(rows: Sequence[SplitRow]) -> list[Finding]:
    """Equal contents: a note, and a warning where their labels contradict each other."""
    same = [group for group in _by(rows, {r.key: r.content_hash for r in rows}).values() if len(group) > 1]
    extra = sum(len(group) - 1 for group in same)
    torn = [group for group in same if len({row.target for row in group}) > 1]
    found = []
    if extra:
        found.append(Finding("note", f"{_samples(extra)} repeated exactly; copies stay on one side", extra))
    if torn:
        first = " and ".join(f"{row.key} ({row.target})" for row in torn[0][:2])
        count = len(torn)
        found.append(Finding("warning", f"{count} contents under contradicting labels, such as {first}", count))
    return found


def near_duplicate_findings(rows: Sequence[SplitRow], fingerprints: Mapping[str, int]) -> list[Finding]:
    """A warning with the count of val and test samples that share a fingerprint with a training sample."""
    train = {fingerprints[row.key]: row.key for row in rows if row.split == "train" and row.key in fingerprints}
    near = [row for row in rows if row.split != "train" and fingerprints.get(row.key) in train]
    if not near:
        return []
    pair = f"{near[0].key} and {train[fingerprints[near[0].key]]}"
    message = f"{_samples(len(near))} of val and test nearly equal to one in train, such as {pair}"
    return [Finding("warning", message, len(near))]


def skipped_findings(skipped: Sequence[Skipped]) -> list[Finding]:
    """A warning with the count of what was left out; the list itself is `PreparedData.skipped`."""
    if not skipped:
        return []
    listed = "; ".join(one.reason for one in skipped[:MAX_LISTED])  # which names the file
    return [Finding("warning", f"{len(skipped)} left out: {listed}", len(skipped))]


def _check_keys(items: Sequence[Record]) -> None:
    twice = [key for key, count in Counter(record.key for record in items).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} keys are not unique, such as {twice[0]!r}", hint="give each sample its own key")


def _by(rows: Sequence[SplitRow], value_of: Mapping[str, str | None]) -> dict[str, list[SplitRow]]:
    grouped: defaultdict[str, list[SplitRow]] = defaultdict(list)
    for row in rows:
        value = value_of.get(row.key)
        if value is not None:
            grouped[value].append(row)
    return dict(grouped)


def _refuse_two_sides(same: Sequence[SplitRow], why: str, hint: str) -> None:
    first = same[0]
    other = next((row for row in same if row.split != first.split), None)
    if other is not None:
        raise DataError(
            f"{first.key} ({first.split}) and {other.key} ({other.split}) {why}; no test would be honest",
            hint=hint,
        )


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count} samples"
