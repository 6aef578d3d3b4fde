"""What is wrong with the data, and what else its user should know: told by name before anything is trained."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from headstart.data.split_file import SPLITS, SplitRow
from headstart.errors import DataError
from headstart.specs import Finding, Record, Skipped, TargetKind

MAX_LISTED = 5
MAX_ERRORS = 20
"""Errors that one message lists; `headstart check` prints them all."""
MAX_UNREADABLE = 0.01
"""Share of records that may be unreadable; they are left out and listed."""
WARNING = "warning: "


def errors_among(findings: Iterable[Finding]) -> list[Finding]:
    """Those that stop `fit`."""
    return [finding for finding in findings if finding.level == "error"]


def raise_errors(findings: Iterable[Finding]) -> None:
    """Raises one DataError with every error among `findings`; nothing where there is none."""
    errors = errors_among(findings)
    if not errors:
        return
    if len(errors) == 1:
        raise DataError(errors[0].message, hint=errors[0].hint)
    listed = "".join(
        f"\n  - {error.message}" + (f" ({error.hint})" if error.hint else "") for error in errors[:MAX_ERRORS]
    )
    more = len(errors) - MAX_ERRORS
    raise DataError(
        f"{len(errors)} things are wrong with the data:{listed}" + (f"\n  - and {more} more" if more > 0 else ""),
        hint="`headstart check DATA` lists everything that is to be said of data",
    )


def record_findings(items: Sequence[Record], check: Callable[[Sequence[Record]], Iterable[Finding]]) -> list[Finding]:
    """Errors for no records, repeated keys, absent targets and odd splits, and what `check` says of those records that
    have a target."""
    if not items:
        return [Finding("error", "the dataset has no records", 1, "check the path and what lies below it")]
    findings = []
    twice = [key for key, count in Counter(record.key for record in items).items() if count > 1]
    if twice:
        message = f"{len(twice)} keys are not unique, such as {twice[0]!r}"
        findings.append(Finding("error", message, len(twice), "give each sample its own key"))
    without = [record for record in items if record.target is None]
    if without:
        hint = "give every sample a label, or leave it out"
        findings.append(Finding("error", f"{without[0].key}: no label", len(without), hint))
    odd = [record for record in items if record.split not in (None, *SPLITS)]
    if odd:
        message = f"{odd[0].key}: split is {odd[0].split!r}; expected {', '.join(SPLITS)}"
        findings.append(Finding("error", message, len(odd)))
    if len(without) < len(items):
        findings += check([record for record in items if record.target is not None])
    return findings


def target_findings(items: Sequence[Record], targets: TargetKind) -> list[Finding]:
    """An error for each way in which some targets cannot be read, naming the first record."""
    failed: defaultdict[str, list[DataError]] = defaultdict(list)
    for record in items:
        try:
            targets.read(record.target, record.key)
        except DataError as error:
            failed[error.message.removeprefix(record.key)].append(error)
    return [Finding("error", same[0].message, len(same), same[0].hint) for same in failed.values()]


def unreadable_findings(failed: Sequence[Skipped], total: int) -> list[Finding]:
    """An error listing the first few where more than 1 % of `total` records could not be read; else a warning with the
    count of those that are left out, whose list is `PreparedData.skipped`."""
    if not failed:
        return []
    hints = "; ".join(dict.fromkeys(one.hint for one in failed if one.hint))
    if len(failed) <= MAX_UNREADABLE * total:
        listed = "; ".join(one.reason for one in failed[:MAX_LISTED])  # which names the file
        return [Finding("warning", f"{len(failed)} left out: {listed}", len(failed), hints or None)]
    listed = "".join(f"\n  - {one.reason}" for one in failed[:MAX_LISTED])
    more = len(failed) - MAX_LISTED
    return [
        Finding(
            "error",
            f"{len(failed)} of {total} samples cannot be read (up to 1 % would be left out):{listed}"
            + (f"\n  - and {more} more" if more > 0 else ""),
            len(failed),
            "; ".join(filter(None, (hints, "repair or remove them; nothing was changed"))),
        )
    ]


def skipped_findings(skipped: Sequence[Skipped]) -> list[Finding]:
    """A note with the count and the first few of what the dataset itself left out."""
    if not skipped:
        return []
    listed = "; ".join(f"{each.where}: {each.reason}" for each in skipped[:MAX_LISTED])
    hints = "; ".join(dict.fromkeys(each.hint for each in skipped if each.hint))
    return [Finding("note", f"the dataset left out {len(skipped)}: {listed}", len(skipped), hints or None)]


def given_split_findings(rows: Sequence[SplitRow]) -> list[Finding]:
    """Errors where equal contents or one group stand on two sides that the dataset itself fixed."""
    contents = _grouped(rows, [row.content_hash for row in rows])
    in_groups = [row for row in rows if row.group is not None]
    groups = _grouped(in_groups, [row.group for row in in_groups])
    found = _on_two_sides(contents, "have the same content", "remove one of them")
    return found + _on_two_sides(groups, "belong to the group {!r}", "put each group on one side")


def note_findings(notes: Mapping[str, int]) -> list[Finding]:
    """The counts of what reading took, such as "12 samples converted from CMYK"."""
    return [
        Finding(
            "warning" if phrase.startswith(WARNING) else "note",
            f"{_samples(count)} {phrase.removeprefix(WARNING)}",
            count,
        )
        for phrase, count in sorted(notes.items())
    ]


def duplicate_findings(rows: Sequence[SplitRow]) -> list[Finding]:
    """Equal contents: a note, and a warning where their targets contradict each other."""
    same = [group for group in _grouped(rows, [row.content_hash for row in rows]).values() if len(group) > 1]
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


def _grouped(rows: Sequence[SplitRow], marks: Sequence[Hashable]) -> dict[Hashable, list[SplitRow]]:
    grouped: defaultdict[Hashable, list[SplitRow]] = defaultdict(list)
    for row, mark in zip(rows, marks, strict=True):
        grouped[mark].append(row)
    return grouped


def _on_two_sides(groups: Mapping[Hashable, Sequence[SplitRow]], why: str, hint: str) -> list[Finding]:
    """One error about all groups of rows that stand on two sides; it names two rows of the first."""
    torn = {mark: same for mark, same in groups.items() if len({row.split for row in same}) > 1}
    if not torn:
        return []
    mark, (first, *others) = next(iter(torn.items()))
    other = next(row for row in others if row.split != first.split)
    message = f"{first.key} ({first.split}) and {other.key} ({other.split}) {why.format(mark)}; no test would be honest"
    return [Finding("error", message, len(torn), hint)]


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count} samples"
