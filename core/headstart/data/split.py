"""The split: who trains, who chooses, who judges; a function of the seed and the keys alone.

Stratified by class, by label (in the manner of iterative stratification, Sechidis et al. 2011) or by quantiles of
numbers. What belongs together (a group, or exact copies) stays on one side. Sides that the dataset fixes are kept; a
missing one is cut from train.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headstart.data.checks import check_given_splits
from headstart.data.ranking import rank
from headstart.data.split_file import SPLITS, Split, SplitRow
from headstart.data.strata import strata_of
from headstart.data.targets import labels_of, odd_among_numbers
from headstart.errors import DataError
from headstart.specs import TargetForm

TEST_SHARE = 0.2
VAL_SHARE = 0.2
"""Of what is left after test: 64/16/20 in all."""


@dataclass(frozen=True)
class Unit:
    """Samples that stay together: `name` is their smallest key, `counts` says how many of each stratum."""

    name: str
    keys: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def size(self) -> int:
        """How many samples."""
        return len(self.keys)


def make_split(rows: Iterable[SplitRow], seed: int, form: TargetForm = "class") -> Split:
    """Fill in the sides: `rows` have "" as `split` where the dataset gives none.

    Raises DataError where some rows have a side and others none, where nothing is given for training, where
    given sides share contents or groups, where a class has too few samples to be on every side or a label is not in
    train (naming it), and where a side would have no sample.
    """
    ordered = sorted(rows, key=lambda row: row.key)
    given = {row.split for row in ordered}
    if given == {""}:
        ordered = _cut(ordered, {"test": TEST_SHARE, "val": VAL_SHARE}, seed, form)
    else:
        _check_given(ordered, given)
        check_given_splits(ordered)
        missing = {"test": TEST_SHARE, "val": VAL_SHARE}
        missing = {name: share for name, share in missing.items() if name not in given}
        train = _cut([row for row in ordered if row.split == "train"], missing, seed, form)
        ordered = sorted([*train, *(r for r in ordered if r.split != "train")], key=lambda row: row.key)
    _check_train_has_all(ordered, form)
    _check_sides(ordered)
    return Split(tuple(ordered))


def apply_split(rows: Iterable[SplitRow], split: Split) -> Split:
    """The stored `split` again, after checking that the samples are still what they were.

    Raises DataError naming the first sample that is gone or whose content or label changed.
    """
    now = {row.key: row for row in rows}
    for row in split.rows:
        found = now.get(row.key)
        if found is None:
            raise DataError(f"{row.key}: in the run's split but no longer in the data", hint="put it back")
        if (found.content_hash, found.target) != (row.content_hash, row.target):
            raise DataError(f"{row.key}: changed since the run's split was written", hint="put the old one back")
    return split


def _check_given(rows: Sequence[SplitRow], given: set[str]) -> None:
    if "" in given:
        without = next(row.key for row in rows if row.split == "")
        raise DataError(f"{without}: no split given, while others have one", hint="give a split to all or to none")
    if "train" not in given:
        raise DataError(f"the data gives {', '.join(sorted(given))} but nothing to train on")


def _check_train_has_all(rows: Sequence[SplitRow], form: TargetForm) -> None:
    if form == "number":
        return
    trained = {name for row in rows if row.split == "train" for name in _names(row, form)}
    for row in rows:
        for name in _names(row, form):
            if name not in trained:
                what = "label" if form == "labels" else "class"
                raise DataError(
                    f"{what} {name!r} is in {row.split} ({row.key}) but not in train",
                    hint=f"move a sample with that {what} to train, or leave the {what} out",
                )


def _names(row: SplitRow, form: TargetForm) -> tuple[str, ...]:
    return labels_of(row.target) if form == "labels" else (row.target,)


def _check_sides(rows: Sequence[SplitRow]) -> None:
    there = {row.split for row in rows}
    for side in SPLITS:
        if side not in there:
            raise DataError(
                f"no sample is left for {side}, of {len(rows)} in all",
                hint="add samples, or give the splits yourself",
            )


def _cut(rows: Sequence[SplitRow], shares: Mapping[str, float], seed: int, form: TargetForm) -> list[SplitRow]:
    """Cut each side of `shares` in turn: its share of what is still left; the rest is train."""
    if not shares:
        return list(rows)
    units = _units(rows, form)
    quotas = _quotas(units, shares, has_least=form == "class")
    sides: dict[str, str] = {}
    left = {name: dict(quota) for name, quota in quotas.items()}
    for unit in _in_order(units, seed, form):
        side = _neediest(unit, left, quotas)
        for label, count in unit.counts.items():
            left[side][label] -= count
        sides.update(dict.fromkeys(unit.keys, side))
    return [replace(row, split=sides[row.key]) for row in rows]


def _in_order(units: Sequence[Unit], seed: int, form: TargetForm) -> list[Unit]:
    """Large units first, which are hardest to place; where strata overlap, those with the rarest stratum before."""
    if form == "class":
        return sorted(units, key=lambda unit: (-unit.size, rank(seed, "split", unit.name)))
    totals: Counter[str] = Counter()
    for unit in units:
        totals.update(unit.counts)

    def place(unit: Unit) -> tuple[int, int, bytes]:
        return min(totals[name] for name in unit.counts), -unit.size, rank(seed, "split", unit.name)

    return sorted(units, key=place)


def _neediest(unit: Unit, left: Mapping[str, Mapping[str, int]], quotas: Mapping[str, Mapping[str, int]]) -> str:
    """The side that still lacks the largest share of what it should get of the unit's strata; train wins
    ties."""

    def need(side: str) -> float:
        return sum(count * left[side][label] / max(1, quotas[side][label]) for label, count in unit.counts.items())

    return max((side for side in SPLITS if side in left), key=need)


def _quotas(units: Sequence[Unit], shares: Mapping[str, float], *, has_least: bool) -> dict[str, dict[str, int]]:
    """How many samples of each stratum each side should get, in proportion; with `has_least` at least one, and sums
    right to a sample."""
    samples: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for unit in units:
        samples.update(unit.counts)
        pieces.update(unit.counts.keys())
    if has_least:
        _check_tiny(pieces, samples, len(shares) + 1)
    labels = sorted(samples)
    left = {label: samples[label] for label in labels}
    quotas: dict[str, dict[str, int]] = {}
    for later, (side, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        quotas[side] = _proportional(left, share, keep=later) if has_least else _rounded(left, share)
        left = {label: left[label] - quotas[side][label] for label in labels}
    return {**quotas, "train": left}


def _rounded(left: Mapping[str, int], share: float) -> dict[str, int]:
    """`share` of each count, each rounded by itself: strata overlap, and a single sample is for train."""
    return {label: int(share * count + 0.5) for label, count in left.items()}


def _proportional(left: Mapping[str, int], share: float, *, keep: int) -> dict[str, int]:
    """`share` of each count, rounded so that running sums are right; at least 1, and at least `keep` stay."""
    taken: dict[str, int] = {}
    wanted = done = 0.0
    for label, count in left.items():
        wanted += share * count
        taken[label] = min(max(1, int(wanted - done + 0.5)), count - keep)
        done += taken[label]
    return taken


def _check_tiny(pieces: Mapping[str, int], samples: Mapping[str, int], sides: int) -> None:
    for label, count in sorted(pieces.items()):
        if count < sides:
            apart = (
                "" if count == samples[label] else f" in {count} group{'s' if count > 1 else ''} that cannot be divided"
            )
            plural = "sample" if samples[label] == 1 else "samples"
            raise DataError(
                f"class {label!r} has {samples[label]} {plural}{apart}; {sides} sides need at least {sides}",
                hint=_of_too_few(samples),
            )


def _of_too_few(samples: Mapping[str, int]) -> str:
    """What to do about a class of too few samples."""
    odd = odd_among_numbers([label for label, count in samples.items() for _ in range(count)])
    if odd is not None:
        return f"{odd}: mend it and learn numbers, which --task regression does"
    return "add samples, leave the class out, or give the splits yourself"


def _units(rows: Sequence[SplitRow], form: TargetForm) -> list[Unit]:
    """Connect rows that share a group or a content hash."""
    strata = {row.key: names for row, names in zip(rows, strata_of([row.target for row in rows], form), strict=True)}
    parent = {row.key: row.key for row in rows}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    _connect(rows, parent, root)
    members: defaultdict[str, list[SplitRow]] = defaultdict(list)
    for row in rows:
        members[root(row.key)].append(row)
    return [
        Unit(
            min(row.key for row in same),
            tuple(row.key for row in same),
            Counter(name for row in same for name in strata[row.key]),
        )
        for same in members.values()
    ]


def _connect(rows: Sequence[SplitRow], parent: dict[str, str], root: Callable[[str], str]) -> None:
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        marks = [("content", row.content_hash)]
        if row.group is not None:
            marks.append(("group", row.group))
        for mark in marks:
            parent[root(row.key)] = root(first.setdefault(mark, row.key))
