"""What is wrong with the data, and what else its user should know: told by name before anything is trained."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from headstart.data.split_file import HASHED, SPLITS, SplitRow
from headstart.errors import DataError
from headstart.lists import MAX_LISTED, below, in_line
from headstart.specs import AllowsOthers, Finding, Record, Skipped, TargetKind, Tolerances

MAX_ERRORS = 20
"""Errors that one message lists; `headstart check` prints them all."""
LISTS_ALL = "`headstart check DATA` lists them all"
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
    hints = {error.hint for error in errors}
    shared = hints.pop() if len(hints) == 1 else None  # told once
    told = [error.message + (f" ({error.hint})" if error.hint and not shared else "") for error in errors]
    hint = "`headstart check DATA` lists everything that is to be said of data"
    raise DataError(
        f"{len(errors)} things are wrong with the data:{below(told, MAX_ERRORS)}",
        hint=f"{shared}; {hint}" if shared else hint,
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


def unreadable_findings(
    failed: Sequence[Skipped], total: int, tolerances: Tolerances | None, *, can_set: bool = True
) -> list[Finding]:
    """An error listing the first few where more of `total` records could not be read than the data may lack, or none
    could; else a warning with the count of those that are left out, whose list is `PreparedData.skipped`.

    Only where the user `can_set` tolerances, the setting is named.
    """
    if not failed:
        return []
    share = (tolerances or Tolerances()).unreadable
    reasons = tuple(one.reason for one in failed)  # which name the file
    hints = tuple(dict.fromkeys(one.hint for one in failed if one.hint))
    if len(failed) <= share * total and len(failed) < total:
        message = f"{len(failed)} left out: {in_line(reasons, between='; ')}"
        return [Finding("warning", message, len(failed), "; ".join(hints) or None, cases=reasons)]
    hint = "repair or remove them; nothing was changed"
    if can_set and tolerances is not None and len(failed) < total:
        enough = math.ceil(100 * len(failed) / total) / 100
        hint = f"repair or remove them, or leave them out with --set dataset.unreadable={enough:g}; nothing was changed"
    message = f"{len(failed)} of {total} samples cannot be read (up to {100 * share:g} % would be left out)"
    hint = _with_all("; ".join((*hints, hint)), reasons)
    return [Finding("error", f"{message}:{below(reasons)}", len(failed), hint, reasons)]


def skipped_findings(skipped: Sequence[Skipped]) -> list[Finding]:
    """A note with the count and the first few of what the dataset itself left out."""
    if not skipped:
        return []
    cases = tuple(f"{each.where}: {each.reason}" for each in skipped)
    hints = "; ".join(dict.fromkeys(each.hint for each in skipped if each.hint))
    message = f"the dataset left out {len(skipped)}: {in_line(cases, between='; ')}"
    return [Finding("note", message, len(skipped), hints or None, cases=cases)]


def given_split_findings(rows: Sequence[SplitRow], tolerances: Tolerances | None = None) -> list[Finding]:
    """An error about all equal contents, and one about all groups, that stand on two sides which the dataset fixed."""
    in_groups = [row for row in rows if row.group is not None]
    contents = _on_two_sides(_grouped(rows, [row.content_hash for row in rows]))
    groups = _on_two_sides(_grouped(in_groups, [row.group for row in in_groups]))
    found = []
    if contents:
        hint = "keep each content on one side"
        if tolerances is not None:
            hint += "; --set dataset.copies=drop leaves out the copies in train and val"
        first = [f"{_one_a_side(same)} have the same content" for same in contents.values()]
        cases = [f"{_all_with_sides(same)} have the same content" for same in contents.values()]
        found.append(_leak("contents", first, cases, hint))
    if groups:
        first = [f"{_one_a_side(same)} belong to the group {name!r}" for name, same in groups.items()]
        found.append(_leak("groups", first, first, "put each group on one side"))
    return found


def _leak(what: str, first: Sequence[str], cases: Sequence[str], hint: str) -> Finding:
    why = "no test would be honest"
    message = f"{first[0]}; {why}"
    if len(first) > 1:
        message = f"{len(first)} {what} are on two sides; {why}:{below(first)}"
    return Finding("error", message, len(first), _with_all(hint, cases), tuple(cases))


def note_findings(notes: Mapping[str, int], warned: Mapping[str, Sequence[str]], read: int) -> list[Finding]:
    """The counts of what reading so many samples took, such as "12 samples converted from CMYK".

    A warning names its samples, whose keys are `warned`, but where it is of all of them.
    """
    found = []
    for phrase, count in sorted(notes.items()):
        message, keys = f"{counted(count)} {phrase.removeprefix(WARNING)}", tuple(warned.get(phrase, ()))
        if not keys:
            found.append(Finding("note", message, count))
        elif len(keys) == read:
            found.append(Finding("warning", message, count))
        else:
            found.append(Finding("warning", f"{message}: {in_line(keys)}", count, cases=keys))
    return found


def duplicate_findings(rows: Sequence[SplitRow], kind: TargetKind) -> list[Finding]:
    """Equal contents on one side: a note; and a warning where targets of equal contents contradict each other, or a
    note where these may differ, as AllowsOthers says."""
    same = [group for group in _grouped(rows, [row.content_hash for row in rows]).values() if len(group) > 1]
    extra = sum(len(group) - len({row.split for row in group}) for group in same)
    torn = [group for group in same if len({row.target for row in group}) > 1]
    found = []
    if extra:
        found.append(Finding("note", f"{counted(extra)} repeated exactly; copies stay on one side", extra))
    if torn:
        cases = tuple(" and ".join(map(_with_target, group)) for group in torn)
        first = " and ".join(map(_with_target, torn[0][:2]))
        if isinstance(kind, AllowsOthers) and kind.others_are_right:
            message = f"{len(torn)} contents have several targets, such as {first}; each is learned"
            found.append(Finding("note", message, len(torn), cases=cases))
        else:
            message = f"{len(torn)} contents under contradicting labels, such as {first}"
            found.append(Finding("warning", message, len(torn), cases=cases))
    return found


def _with_target(row: SplitRow) -> str:
    """A key with its target, where that is a text; the hash of any other says nothing to a reader."""
    return row.key if row.target.startswith(HASHED) else f"{row.key} ({row.target})"


def near_duplicate_findings(rows: Sequence[SplitRow], fingerprints: Mapping[str, int]) -> list[Finding]:
    """A warning with the count of val and test samples that share a fingerprint with a training sample."""
    train = {fingerprints[row.key]: row.key for row in rows if row.split == "train" and row.key in fingerprints}
    near = [row for row in rows if row.split != "train" and fingerprints.get(row.key) in train]
    if not near:
        return []
    pairs = tuple(f"{row.key} and {train[fingerprints[row.key]]}" for row in near)
    message = f"{counted(len(near))} of val and test nearly equal to one in train, such as {pairs[0]}"
    return [Finding("warning", message, len(near), cases=pairs)]


def _grouped(rows: Sequence[SplitRow], marks: Sequence[Hashable]) -> dict[Hashable, list[SplitRow]]:
    grouped: defaultdict[Hashable, list[SplitRow]] = defaultdict(list)
    for row, mark in zip(rows, marks, strict=True):
        grouped[mark].append(row)
    return grouped


def _on_two_sides(groups: Mapping[Hashable, Sequence[SplitRow]]) -> dict[Hashable, Sequence[SplitRow]]:
    return {mark: same for mark, same in groups.items() if len({row.split for row in same}) > 1}


def _one_a_side(rows: Sequence[SplitRow]) -> str:
    """The first of `rows` on each side: "a.png (train) and c.png (test)"."""
    firsts = {row.split: row for row in reversed(rows)}
    return _all_with_sides(list(firsts.values()))


def _all_with_sides(rows: Sequence[SplitRow]) -> str:
    *most, last = [f"{row.key} ({row.split})" for row in sorted(rows, key=lambda row: SPLITS.index(row.split))]
    return f"{', '.join(most)} and {last}"


def _with_all(hint: str, cases: Sequence[str]) -> str:
    return f"{hint}; {LISTS_ALL}" if len(cases) > MAX_LISTED else hint


def counted(count: int) -> str:
    """So many samples, in words."""
    return "1 sample" if count == 1 else f"{count} samples"
