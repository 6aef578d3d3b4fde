"""The split: who trains, who chooses, who judges; a function of the seed and the keys alone.

Stratified as the kind of targets says: each record in one stratum, such as its class, or in several that overlap, such
as its labels (in the manner of iterative stratification, Sechidis et al. 2011). What belongs together (a group, or
exact copies) stays on one side. Sides that the dataset fixes are kept; a missing one is cut from train. What the data's
Tolerances say is left out, or kept in train alone: `lacking.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headstart.data.checks import counted, errors_among, given_split_findings, raise_errors
from headstart.data.lacking import copies_left_out, rare_in_train, rare_left_out, unknown_left_out
from headstart.data.shares import SplitShares
from headstart.data.split_file import SPLITS, Split, SplitRow
from headstart.data.targets import plural, rarest
from headstart.data.units import Unit, samples_of, too_small, units_of
from headstart.documents import as_bytes
from headstart.errors import DataError
from headstart.specs import AdvisesOnFew, Finding, Skipped, TargetKind, Tolerances


def rank(seed: int, purpose: str, key: str) -> bytes:
    """32 bytes to sort by: SHA-256 of seed, purpose and key. Different purposes give unrelated orders."""
    return hashlib.sha256(as_bytes(f"{seed}\0{purpose}\0{key}")).digest()


@dataclass(frozen=True)
class Cut:
    """How sides are cut: `seed` fixes which samples, `shares` how many. `draw` fixes which of train learn, where only a
    share of them does."""

    seed: int
    shares: SplitShares = field(default_factory=SplitShares)
    draw: int = 0


@dataclass(frozen=True)
class Tried:
    """What came of a split: it, or None where `findings` has errors; and what was left out, as the data may lack it.

    `aside` are the rows of train that do not learn, where only a share of that side does.
    """

    split: Split | None
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...] = ()
    aside: tuple[SplitRow, ...] = ()


def make_split(
    rows: Iterable[SplitRow], seed: int, kind: TargetKind, targets: Mapping[str, Any] | None = None
) -> Split:
    """Fill in the sides: `rows` have "" as `split` where the dataset gives none. `targets` are those by key; without
    them the texts of the rows.

    Raises DataError with every error that `try_split` finds.
    """
    tried = try_split(rows, Cut(seed), kind, targets)
    raise_errors(tried.findings)
    if tried.split is None:
        raise AssertionError("without an error there is a split")
    return tried.split


def try_split(
    rows: Iterable[SplitRow],
    cut: Cut,
    kind: TargetKind,
    targets: Mapping[str, Any] | None = None,
    *,
    tolerances: Tolerances | None = None,
) -> Tried:
    """As `make_split`, in the shares of `cut`, where some of the data may be left out or kept in train, as `tolerances`
    say: told as warnings. What is cut of a given train side, and that there is no test side, are notes.

    Errors: some rows have a side and others none; nothing is given for training; given sides share contents or groups;
    an exclusive stratum has too few samples to be on every side; something that train must have is on another side
    only; a side would have no sample.
    """
    may_lack = tolerances or Tolerances()
    ordered = sorted(rows, key=lambda row: row.key)
    by_key = {row.key: row.target for row in ordered} if targets is None else targets
    given = {row.split for row in ordered}
    shares = cut.shares.cut(given)
    found: list[Finding] = []
    skipped: dict[str, Skipped] = {}
    if given != {""}:
        if errors := _given_findings(ordered, given):
            return Tried(None, tuple(errors))
        if may_lack.copies == "drop":
            skipped, told = copies_left_out(ordered)
            ordered = [row for row in ordered if row.key not in skipped]
            found += told
        found += given_split_findings(ordered, tolerances)
    if kind.exclusive and may_lack.rare == "drop":
        rare, told = rare_left_out(ordered, by_key, len(shares) + 1, kind)
        ordered = [row for row in ordered if row.key not in rare]
        skipped |= rare
        found += told
    to_cut = [row for row in ordered if row.split in ("", "train")]
    targets_to_cut = [by_key[row.key] for row in to_cut]
    units = units_of(to_cut, kind.strata(targets_to_cut))
    tiny = too_small(units, len(shares) + 1, kind) if shares and kind.exclusive else {}
    in_train: frozenset[str] = frozenset()
    if tiny and may_lack.rare == "train":
        in_train, why_there = rare_in_train(units, tiny, shares, kind)
        found.append(why_there)
    elif tiny:
        hint = _hint_on_few(targets_to_cut, kind, tolerances)
        samples = samples_of(units)
        found += [Finding("error", why, samples[name], hint) for name, why in tiny.items()]
        return Tried(None, tuple(found), tuple(skipped.values()))
    sides = _cut(units, shares, cut.seed, kind, in_train) if shares else {row.key: "train" for row in to_cut}
    split = Split(tuple(replace(row, split=sides.get(row.key, row.split)) for row in ordered))
    if may_lack.rare == "drop":
        unknown, told = unknown_left_out(split.rows, by_key, kind)
        split = Split(tuple(row for row in split.rows if row.key not in unknown))
        skipped |= unknown
        found += told
    there = {row.split for row in split.rows}
    hint = "add samples, give the splits yourself, or set other shares; --set split.test=0 cuts no test side"
    before = f", after {counted(len(skipped))} left out" if skipped else ""
    found += [
        *_lacking_in_train(split.rows, by_key, kind, tolerances),
        *[
            Finding(
                "error", f"no sample is left for {side}, of {len(split.rows)} in all{before}", len(split.rows), hint
            )
            for side in SPLITS
            if side not in there and side in ("train", *given, *shares)
        ],
    ]
    if errors_among(found):
        return Tried(None, tuple(found), tuple(skipped.values()))
    found += _cut_findings(split, given, cut.shares, len(to_cut))
    if cut.shares.train == 1:
        return Tried(split, tuple(found), tuple(skipped.values()))
    trained = split.only("train").rows
    strata = rarest(kind.strata([by_key[row.key] for row in trained]))
    learn, drawn = _drawn(trained, strata, cut, kind)
    split = Split(tuple(row for row in split.rows if row.split != "train" or row.key in learn))
    return Tried(
        split if learn else None,
        (*found, drawn),
        tuple(skipped.values()),
        aside=tuple(row for row in trained if row.key not in learn),
    )


def _drawn(
    trained: Sequence[SplitRow], strata: Sequence[str], cut: Cut, kind: TargetKind
) -> tuple[frozenset[str], Finding]:
    """The keys of train that learn, and a note; none and an error where they are too few for one of each stratum.

    Samples stand in one order, of which every beginning has each stratum in proportion, to within one sample; where
    strata are exclusive, the first of each come before all others. So a smaller share is a part of a larger one.
    """
    share, sizes = cut.shares.train, Counter(strata)
    count = max(1, int(share * len(trained) + 0.5))
    of_all = f"{100 * share:.6g} % of train is {counted(count)} of {len(trained)}"
    if kind.exclusive and count < len(sizes):
        least = next(each / 1e4 for each in range(1, 10**4 + 1) if int(each / 1e4 * len(trained) + 0.5) >= len(sizes))
        message = f"{of_all}, too few to have one of each of {len(sizes)} {plural(kind.noun)}"
        return frozenset(), Finding("error", message, count, f"split.train={least:g} is the least that has")
    ranked = sorted(range(len(trained)), key=lambda place: rank(cut.draw, "share", trained[place].key))
    seen: Counter[str] = Counter()
    order: list[tuple[float, int, str]] = []
    for place in ranked:
        name, is_first = strata[place], not seen[strata[place]]
        position = 0.0 if kind.exclusive and is_first else (seen[name] + 0.5) / sizes[name]
        seen[name] += 1
        order.append((position, len(order), trained[place].key))
    learn = frozenset(key for _, _, key in sorted(order)[:count])
    message = f"{of_all}, drawn by the seed; the rest of train is left aside"
    return learn, Finding("note", message, len(trained) - count)


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


def _given_findings(rows: Sequence[SplitRow], given: set[str]) -> list[Finding]:
    without = [row.key for row in rows if row.split == ""]
    if without:
        message = f"{without[0]}: no split given, while others have one"
        return [Finding("error", message, len(without), "give a split to all or to none")]
    if "train" not in given:
        return [Finding("error", f"the data gives {', '.join(sorted(given))} but nothing to train on", len(rows))]
    return []


def _cut_findings(split: Split, given: Collection[str], shares: SplitShares, cut: int) -> list[Finding]:
    """Notes: that there is no test side, which sides are cut from the `cut` samples of a given train side, and which
    shares say nothing."""
    found, counts = [], split.counts
    if not counts["test"]:
        message = "no sample is held out as test: split.test is 0; val chooses, so that its figures flatter"
        found.append(Finding("note", message, hint="score other labelled data by `headstart evaluate RUN DATA`"))
    left = cut
    for side, share in shares.cut(given).items() if "train" in given else ():
        of = "train" if left == cut else "the rest"
        use, hint = "val, which chooses", "--set split.val=SHARE"
        if side == "test":
            use, hint = "held out as test", "--set split.test=0 keeps them for training"
        message = f"no {side} side was given: {100 * share:g} % of {of} ({counts[side]} of {counted(left)}) is {use}"
        found.append(Finding("note", message, counts[side], hint))
        left -= counts[side]
    for side, share in shares.unused(given).items():
        message = f"split.{side}={share:g} has nothing to act on: the data gives its own {side} side, which is kept"
        found.append(Finding("note", message, counts[side], "leave it out"))
    return found


def _lacking_in_train(
    rows: Sequence[SplitRow], by_key: Mapping[str, Any], kind: TargetKind, tolerances: Tolerances | None
) -> list[Finding]:
    named = [(row, name) for row in rows for name in kind.names(by_key[row.key])]
    trained = {name for row, name in named if row.split == "train"}
    lacking: defaultdict[str, list[SplitRow]] = defaultdict(list)
    for row, name in named:
        if name not in trained:
            lacking[name].append(row)
    hint = f"move a sample with that {kind.noun} to train, or leave the {kind.noun} out"
    if tolerances is not None:
        hint += ": --set dataset.rare=drop leaves out the samples with it"
    return [
        Finding(
            "error",
            f"{kind.noun} {name!r} is in {same[0].split} ({same[0].key}) but not in train",
            len(same),
            hint,
        )
        for name, same in lacking.items()
    ]


def _cut(
    units: Sequence[Unit], shares: Mapping[str, float], seed: int, kind: TargetKind, in_train: frozenset[str]
) -> dict[str, str]:
    """The side of each key: each side of `shares` in turn gets its share of what is still left; the rest is train, and
    so is each unit that has any of the strata `in_train`."""
    quotas = _quotas(units, shares, in_train, has_least=kind.exclusive)
    sides: dict[str, str] = {}
    left = {name: dict(quota) for name, quota in quotas.items()}
    ordered = _in_order(units, seed, overlap=not kind.exclusive)
    for unit in sorted(ordered, key=lambda unit: in_train.isdisjoint(unit.counts)):  # those of `in_train` first
        # The side that still lacks the largest share of what it should get of the unit's strata; train wins ties.
        needs = {
            side: sum(count * left[side][label] / max(1, quotas[side][label]) for label, count in unit.counts.items())
            for side in SPLITS
            if side in left
        }
        side = max(needs, key=needs.__getitem__) if in_train.isdisjoint(unit.counts) else "train"
        for label, count in unit.counts.items():
            left[side][label] -= count
        sides.update(dict.fromkeys(unit.keys, side))
    return sides


def _in_order(units: Sequence[Unit], seed: int, *, overlap: bool) -> list[Unit]:
    """Large units first, which are hardest to place; where strata overlap, those with the rarest stratum before."""
    samples = samples_of(units)

    def place(unit: Unit) -> tuple[int, int, bytes]:
        rarest = min(samples[name] for name in unit.counts) if overlap else 0
        return rarest, -len(unit.keys), rank(seed, "split", unit.keys[0])

    return sorted(units, key=place)


def _quotas(
    units: Sequence[Unit], shares: Mapping[str, float], in_train: frozenset[str], *, has_least: bool
) -> dict[str, dict[str, int]]:
    """How many samples of each stratum each side should get, in proportion; with `has_least` at least one, and sums
    right to a sample; none of those `in_train`."""
    samples = samples_of(units)
    labels = sorted(samples)
    left = {label: samples[label] for label in labels}
    quotas: dict[str, dict[str, int]] = {}
    for later, (side, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        spread = {label: count for label, count in left.items() if label not in in_train}
        quotas[side] = dict.fromkeys(in_train, 0) | (
            _proportional(spread, share, keep=later)
            if has_least
            # Each rounded by itself: strata overlap, and a single sample is for train.
            else {label: int(share * count + 0.5) for label, count in spread.items()}
        )
        left = {label: left[label] - quotas[side][label] for label in labels}
    return {**quotas, "train": left}


def _proportional(left: Mapping[str, int], share: float, *, keep: int) -> dict[str, int]:
    """`share` of each count, rounded so that running sums are right; at least 1, and at least `keep` stay."""
    taken: dict[str, int] = {}
    wanted = done = 0.0
    for label, count in left.items():
        wanted += share * count
        taken[label] = min(max(1, int(wanted - done + 0.5)), count - keep)
        done += taken[label]
    return taken


def _hint_on_few(targets: Sequence[Any], kind: TargetKind, tolerances: Tolerances | None) -> str:
    if isinstance(kind, AdvisesOnFew) and (advice := kind.advice(targets)):
        return advice
    if tolerances is None:
        return f"add samples, leave the {kind.noun} out, or give the splits yourself"
    return (
        f"add samples, or give the splits yourself; --set dataset.rare=drop leaves the {kind.noun} out, "
        "and dataset.rare=train leaves it in train alone"
    )
