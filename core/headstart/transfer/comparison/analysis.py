"""What the cells of a comparison say: gains with intervals, labels and time saved, classes, and a plain verdict.

Scratch is trained in its own way, a fine-tuned backbone in another: a difference between them may come from that alone.
So an arm that looks worse than scratch, and the one that looks best, are trained once more from random weights: its
twin. That transfer hurts or helps on all labels is said where both say so.

Each claim is one of a family that answers one question, and that Holm's procedure judges together: it is made where the
95 % interval of its paired differences does not hold 0 and its p-value is below 0.05 after that. All other intervals
stand for themselves, and nothing is claimed of them.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.transfer.comparison.cells import Arm, Design, Measured, mean, of_arm
from headstart.transfer.comparison.paired import LEVEL, Paired, holm, labels_for, paired, saving

TRANSFER, LABELS, TWIN, CHEAPER, SOURCE = "transfer", "labels", "twin", "cheaper", "source"
"""Kinds of claims: beside scratch; labels beside scratch; beside the same training from random weights; beside the
frozen backbone; beside another backbone."""
FAMILIES = ((TRANSFER, LABELS), (TWIN,), (CHEAPER, SOURCE))
"""What is judged together: whether there is a gain, whether it is the source's, which way is the better one. That there
is a gain, and the source's, is claimed where both are sure: that is wrong no more often than either alone."""
BETTER, WORSE, NONE, UNKNOWN = "better", "worse", "no difference seen", "unknown"
HELPS, HURTS, BOTH = "helps", "hurts", "helps and hurts"
CLOSE = 0.1
"""A difference that is not sure is called open where its own p is below this, or where chance in the samples of test
would not make it: of few seeds even a large one is not sure, and is not "none" either."""


@dataclass(frozen=True)
class Claim:
    """`arm` beside `other`: the paired differences, positive where `arm` is better, and what they say.

    Of labels `difference` is of the ratio's binary logarithm, and `ratio` its geometric mean, with a `bound`.
    """

    kind: str
    arm: str
    other: str
    difference: Paired
    p: float | None = None
    """After Holm's procedure, None where there is none."""
    says: str = UNKNOWN
    sentence: str = ""
    ratio: float | None = None
    bound: str = ""


def analyse(design: Design, cells: Sequence[Measured]) -> dict[str, Any]:
    """All that is to be said of the finished `cells`, as plain values; `verdict` is what it comes to."""
    reader = _Reader(design, tuple(cells))
    claims = _judged(reader, [*reader.claims()])
    return {
        "unit": reader.unit,
        "higher_is_better": reader.higher_is_better,
        "baseline": reader.baseline(),
        "curves": [*reader.curves()],
        "labels": [*reader.labels(claims)],
        "time": reader.time(),
        "classes": [*reader.classes()],
        "similarity": [*reader.similarity()],
        "claims": [dataclasses.asdict(claim) for claim in claims],
        "verdict": _verdict(reader, claims),
        "failed": [f"{each.cell}: {each.failed}" for each in cells if each.failed],
    }


@dataclass(frozen=True)
class _Reader:
    """The cells of a design, asked for what they say."""

    design: Design
    cells: tuple[Measured, ...]

    @property
    def higher_is_better(self) -> bool:
        return all(each.higher_is_better for each in self.cells)

    @property
    def unit(self) -> str:
        """`points` for a metric whose figures all lie between 0 and 1 and should be high, of which one is 0.01."""
        figures = [each.test for each in self.cells if each.test is not None]
        return "points" if self.higher_is_better and figures and all(0 <= each <= 1 for each in figures) else ""

    def baseline(self) -> dict[str, float]:
        """What answers without a model get on test, having seen the largest share of train: the mean over seeds,
        whose shares are drawn by themselves."""
        found: dict[str, dict[int, float]] = {}
        for each in self.cells:
            if each.fraction == self.design.all_labels:
                for name, value in each.baseline.items():
                    found.setdefault(name, {})[each.seed] = value
        return {name: statistics.fmean(by_seed.values()) for name, by_seed in found.items()}

    def figures(self, arm: str, fraction: float) -> dict[int, float]:
        """On test, by seed, higher for better."""
        sign = 1 if self.higher_is_better else -1
        found = of_arm(self.cells, arm, fraction)
        return {seed: sign * each.test for seed, each in found.items() if each.test is not None}

    def gains(self, arm: str, other: str, fraction: float) -> dict[int, float]:
        """By how much `arm` is better than `other`, by seed."""
        mine, theirs = self.figures(arm, fraction), self.figures(other, fraction)
        return {seed: mine[seed] - theirs[seed] for seed in self.design.seeds if seed in mine and seed in theirs}

    def apart(self, arm: str, other: str) -> bool:
        """Whether the intervals of both over samples of test, on all labels and in the mean over seeds, do not meet."""
        found = []
        for name in (arm, other):
            bounds = [each.bounds for each in of_arm(self.cells, name, self.design.all_labels).values() if each.bounds]
            if not bounds:
                return False
            found.append([statistics.fmean(ends) for ends in zip(*bounds, strict=True)])
        (low, high), (other_low, other_high) = found
        return low > other_high or high < other_low

    def curve(self, arm: str, seed: int) -> dict[int, float]:
        """Figures by samples of train, where the cell is finished."""
        return {
            self.design.trained_on(fraction): found[seed]
            for fraction in self.design.fractions
            if seed in (found := self.figures(arm, fraction))
        }

    def pairs(self) -> Iterator[tuple[Arm, Arm]]:
        """Each arm with its control."""
        for arm in self.design.arms:
            if not arm.control:
                yield arm, self.design.control_of(arm)

    def claims(self) -> Iterator[Claim]:
        """Everything that the verdict may claim, not yet judged."""
        for arm, control in self.pairs():
            yield from self._claim(TRANSFER, arm, control)
        for arm, control in self.pairs():
            yield from self._labels_claim(arm, control)
        for twin in self.design.twins:
            yield from self._claim(TWIN, self.design.arm(twin.twin), twin)
        trained = [arm for arm in self.design.arms if not (arm.control or arm.frozen)]
        for arm in trained:
            frozen = [each for each in self.design.arms if each.frozen and each.backbone == arm.backbone]
            yield from self._claim(CHEAPER, arm, frozen[0]) if frozen else ()
        first: dict[str, Arm] = {}
        for arm, _ in self.pairs():
            other = first.setdefault(arm.strategy, arm)
            yield from self._claim(SOURCE, arm, other) if other.backbone != arm.backbone else ()

    def _claim(self, kind: str, arm: Arm, other: Arm) -> Iterator[Claim]:
        """That one is better than the other on all labels, where there are pairs."""
        if gains := self.gains(arm.name, other.name, self.design.all_labels):
            yield Claim(kind, arm.name, other.name, paired([*gains.values()]))

    def _labels_claim(self, arm: Arm, control: Arm) -> Iterator[Claim]:
        """How many times the labels scratch needs, over the seeds that have both whole curves."""
        found = []
        for seed in self.design.seeds:
            mine, theirs = self.curve(arm.name, seed), self.curve(control.name, seed)
            if len(mine) == len(theirs) == len(self.design.fractions) > 1:
                found.append(saving(mine, theirs))
        if not found:
            return
        logs = [math.log2(each.ratio) for each in found]
        bounds = {each.bound for each in found if each.bound}
        difference = paired(logs)
        if difference.p is None and len(logs) > 1:  # all lie beyond the same end of the curves
            # what was measured there says how sure it is: the figure with fewest labels beside that with all
            low, high = self.design.fractions[0], self.design.all_labels
            few, all_labels = (arm, control) if logs[0] > 0 else (control, arm)
            beyond, whole = self.figures(few.name, low), self.figures(all_labels.name, high)
            seen = paired([beyond[seed] - whole[seed] for seed in beyond if seed in whole])
            if not seen.holds_zero and seen.mean > 0:
                difference = dataclasses.replace(difference, p=seen.p)
        ratio, bound = 2**difference.mean, bounds.pop() if len(bounds) == 1 else ""
        if bound and not any(logs):  # the worse one stays as it is with fewest: bounds alone, which have no interval
            difference = dataclasses.replace(difference, low=None, high=None)
        yield Claim(LABELS, arm.name, control.name, difference, ratio=ratio, bound=bound)

    def curves(self) -> Iterator[dict[str, Any]]:
        """A row for each arm and fraction: figures by seed, mean with its interval, and gain over scratch with its."""
        sign = 1 if self.higher_is_better else -1
        for arm in (*self.design.arms, *self.design.twins):
            for fraction in self.design.fractions:
                figures = self.figures(arm.name, fraction)
                if not figures:
                    continue
                measured = of_arm(self.cells, arm.name, fraction)
                spread = paired([sign * each for each in figures.values()])
                control = None if arm.is_random else self.design.control_of(arm).name
                gains = {} if control is None else self.gains(arm.name, control, fraction)
                own = [measured[seed].bounds for seed in figures if measured[seed].bounds is not None]
                yield {
                    "arm": arm.name,
                    "fraction": fraction,
                    "train": self.design.trained_on(fraction),
                    "seeds": [*figures],
                    "test": [sign * each for each in figures.values()],
                    "val": [measured[seed].val for seed in figures],
                    "mean": spread.mean,
                    "ci95": None if spread.low is None else [spread.low, spread.high],
                    "over_samples": [sum(ends) / len(own) for ends in zip(*own, strict=True)] if own else None,
                    "gain": dataclasses.asdict(paired([*gains.values()])) if gains else None,
                    "seconds": mean([measured[seed].seconds.get("total", 0.0) for seed in figures]),
                }

    def labels(self, claims: Sequence[Claim]) -> Iterator[dict[str, Any]]:
        """A row for each arm that is no control: its claim, and by fraction the labels that scratch would need, read
        off both mean curves."""
        by_arm = {claim.arm: claim for claim in claims if claim.kind == LABELS}
        for arm, control in self.pairs():
            mine, theirs = (self._mean_curve(each.name) for each in (arm, control))
            if len(theirs) < 2 or not mine or arm.name not in by_arm:
                continue
            claim = by_arm[arm.name]
            ends = claim.difference.low, claim.difference.high
            needed = {count: labels_for(theirs, figure) for count, figure in sorted(mine.items())}
            yield {
                "arm": arm.name,
                "control": control.name,
                "ratio": claim.ratio,
                "bound": claim.bound,
                "ci95": None if None in ends else [2**end for end in ends if end is not None],
                "p": claim.p,
                "says": claim.says,
                "scratch_needs": [
                    {"labels": count, "scratch": each.count, "bound": each.bound} for count, each in needed.items()
                ],
            }

    def _mean_curve(self, arm: str) -> dict[int, float]:
        found = {fraction: self.figures(arm, fraction) for fraction in self.design.fractions}
        return {
            self.design.trained_on(fraction): statistics.fmean(figures.values())
            for fraction, figures in found.items()
            if figures
        }

    def time(self) -> list[dict[str, Any]]:
        """For each arm the seconds of training, on all labels, until val reached what every run from scratch reaches.

        Where stored features came from another cell, the seconds that these took are added.
        """
        sign, whole = 1 if self.higher_is_better else -1, self.design.all_labels
        rows = []
        for network in dict.fromkeys(arm.network for arm in self.design.arms):
            arms = [arm for arm in self.design.arms if arm.network == network]
            control = next(arm for arm in arms if arm.control)
            best = [
                max(sign * figure for _, figure in each.curve)
                for each in of_arm(self.cells, control.name, whole).values()
                if each.curve
            ]
            if not best:
                continue
            for arm in arms:
                mine = [each for each in of_arm(self.cells, arm.name, whole).values() if each.curve]
                reached = [
                    next(
                        (at + self._features_of_others(each) for at, value in each.curve if sign * value >= min(best)),
                        None,
                    )
                    for each in mine
                ]
                known = [each for each in reached if each is not None]
                rows.append(
                    {
                        "arm": arm.name,
                        "val": sign * min(best),
                        "seconds": statistics.median(known) if known else None,
                        "reached": len(known),
                        "of": len(mine),
                        "curve": [list(point) for point in mine[0].curve] if mine else [],
                    }
                )
        return rows

    def _features_of_others(self, measured: Measured) -> float:
        """Seconds that the frozen features of a cell took another one of its backbone."""
        own = measured.seconds.get("features", 0.0)
        backbone = self.design.arm(measured.arm).backbone
        if self.design.arm(measured.arm).control or not own:
            return 0.0
        names = [arm.name for arm in self.design.arms if arm.backbone == backbone and not arm.control]
        alike = [each for name in names for each in of_arm(self.cells, name, measured.fraction).values()]
        return max(each.seconds.get("features", 0.0) for each in alike) - own

    def classes(self) -> Iterator[dict[str, Any]]:
        """Beside scratch on all labels, a row for each arm: the classes by their gain, and which are sure after Holm's
        procedure over the classes."""
        whole = self.design.all_labels
        for arm, control in self.pairs():
            mine, theirs = (of_arm(self.cells, each.name, whole) for each in (arm, control))
            both = [seed for seed in mine if seed in theirs and mine[seed].classes and theirs[seed].classes]
            gains: dict[str, list[float]] = {}
            for seed in both:
                for name, figure in mine[seed].classes.items():
                    other = theirs[seed].classes.get(name)
                    if figure is not None and other is not None:
                        gains.setdefault(name, []).append(figure - other)
            found = {name: paired(each) for name, each in gains.items()}
            sure = _sure({name: each for name, each in found.items() if each.count == len(both)})
            if found:
                ranked = sorted(found, key=lambda name: -found[name].mean)
                yield {
                    "arm": arm.name,
                    "figure": mine[both[0]].class_figure,
                    "gains": [{"class": name, **dataclasses.asdict(found[name])} for name in ranked],
                    "gained": [name for name in ranked if name in sure and found[name].mean > 0],
                    "lost": [name for name in reversed(ranked) if name in sure and found[name].mean < 0],
                }

    def similarity(self) -> Iterator[dict[str, Any]]:
        """A row for each arm: CKA by stage, the mean over seeds."""
        for arm in self.design.arms:
            found = [each.similarity for each in of_arm(self.cells, arm.name, self.design.all_labels).values()]
            found = [each for each in found if each]
            if found:
                stages = {
                    name: mean([each[name] for each in found if each.get(name) is not None])  # type: ignore[misc]
                    for name in found[0]
                }
                yield {"arm": arm.name, "stages": stages, "seeds": len(found)}


def _sure(found: Mapping[str, Paired]) -> set[str]:
    known = [name for name, each in found.items() if each.p is not None]
    adjusted = holm([p for name in known if (p := found[name].p) is not None])
    return {name for name, p in zip(known, adjusted, strict=True) if p < LEVEL and not found[name].holds_zero}


def _judged(reader: _Reader, claims: Sequence[Claim]) -> list[Claim]:
    """The claims with their p-values beside those of their family, what they say, and that in words."""
    judged: dict[int, Claim] = {}
    for kinds in FAMILIES:
        family = [place for place, claim in enumerate(claims) if claim.kind in kinds]
        known = [place for place in family if claims[place].difference.p is not None]
        adjusted = holm([p for place in known if (p := claims[place].difference.p) is not None])
        after = dict(zip(known, adjusted, strict=True))
        for place in family:
            difference, p = claims[place].difference, after.get(place)
            says = UNKNOWN
            if p is not None:
                is_sure = p < LEVEL and (not difference.holds_zero or difference.low is None)
                says = NONE if not is_sure else BETTER if difference.mean > 0 else WORSE
            decided = dataclasses.replace(claims[place], p=p, says=says)
            judged[place] = dataclasses.replace(decided, sentence=_sentence(reader, decided, len(known)))
    twins = {claim.arm: claim for claim in judged.values() if claim.kind == TWIN}
    for place, claim in judged.items():
        twin = twins.get(claim.arm)
        if claim.kind == TRANSFER and claim.says in (BETTER, WORSE) and twin is not None and twin.says != claim.says:
            told = claim.sentence.replace("transfer helps, ", "").replace("transfer hurts here: ", "")
            told += "; it may come of how it is trained, not of its source"
            judged[place] = dataclasses.replace(claim, sentence=told)
    return [judged[place] for place in range(len(claims))]


def _sentence(reader: _Reader, claim: Claim, family: int) -> str:
    """A claim in words, with its interval."""
    if claim.kind == LABELS:
        return _labels_sentence(claim, family)
    told, why = amount(claim.difference.mean, reader.unit), _why(claim, family, reader.unit)
    arm, other = claim.arm, claim.other
    words = {
        (TRANSFER, BETTER): f"{arm}: transfer helps, {told} over {other}",
        (TRANSFER, WORSE): f"{arm}: transfer hurts here: {told} beside {other}",
        (TRANSFER, NONE): f"{arm}: no sure difference from {other}: {told}",
        (TWIN, BETTER): f"{arm}: the source itself is worth {told} over the same training from random weights",
        (TWIN, WORSE): f"{arm}: the source itself hurts: {told} beside the same training from random weights",
        (TWIN, NONE): f"{arm}: no sure difference from the same training from random weights: {told}",
        (CHEAPER, BETTER): f"{arm} is better than {other}, which trains the head alone: {told}",
        (CHEAPER, WORSE): f"{arm} is worse than {other}, which trains the head alone: {told}",
        (CHEAPER, NONE): f"{arm} is no better than {other}, as far as is seen: {told}",
        (SOURCE, BETTER): f"{arm} is better than {other}: {told}",
        (SOURCE, WORSE): f"{arm} is worse than {other}: {told}",
        (SOURCE, NONE): f"no sure difference between {arm} and {other}: {told}",
    }
    return f"{words.get((claim.kind, claim.says), f'{arm} beside {other}: {told}')} ({why})"


def _labels_sentence(claim: Claim, family: int) -> str:
    ratio = claim.ratio or 1.0
    if claim.bound and ratio == 1 and claim.difference.low is None and claim.difference.count > 1:
        flat = claim.other if claim.bound == "at least" else claim.arm
        return (
            f"{claim.arm}: how many labels it saves cannot be read off: {flat} is no better with more labels than with "
            f"the fewest, in each of {claim.difference.count} seeds"
        )
    bound = f"{claim.bound} " if claim.bound else ""
    ends = "" if claim.difference.low is None else f"{_times(2**claim.difference.low)} to "
    ends += "" if claim.difference.high is None else _times(2**claim.difference.high)
    why = _why(claim, family, "", ends=ends)
    if claim.says == BETTER:
        return f"{claim.arm}: transfer saves {bound}{_times(ratio)} the labels of {claim.other} ({why})"
    if claim.says == WORSE:
        bound = f"{ {'at most': 'at least'}.get(claim.bound, claim.bound) } " if claim.bound else ""
        return f"{claim.arm}: transfer costs labels: {bound}{_times(1 / ratio)} those of {claim.other} ({why})"
    if claim.says == NONE:
        return f"{claim.arm}: no labels saved, as far as is seen: {bound}{_times(ratio)} ({why})"
    return f"{claim.arm}: its labels are worth {bound}{_times(ratio)} those of {claim.other} ({why})"


def _why(claim: Claim, family: int, unit: str, *, ends: str = "") -> str:
    """The interval, over how many seeds, and where the claim fails beside the others, how."""
    difference = claim.difference
    seeds = f"{difference.count} seed{'s' if difference.count > 1 else ''}"
    if difference.count == 1:
        return "one seed: no interval, so this is no finding"
    if difference.low is None or difference.high is None:
        if claim.says in (BETTER, WORSE):
            return f"beyond what was measured in each of {seeds}"
        if claim.bound:
            return f"beyond what was measured in each of {seeds}; too few to be sure"
        return f"the same in each of {seeds}, which does not tell how sure it is"
    ends = ends or f"{amount(difference.low, unit).removesuffix(' points')} to {amount(difference.high, unit)}"
    told = f"95 % interval {ends}, {seeds}"
    if claim.says == NONE and not difference.holds_zero:
        told += f"; p = {claim.p:.2g} beside {family - 1} other comparison{'s' if family > 2 else ''}"
    return told


def amount(value: float, unit: str) -> str:
    """A difference with its sign: `+12.3 points`, `-0.041`."""
    if unit == "points":
        return f"{100 * value:+.1f} points"
    return f"{value:+.3g}"


def _times(ratio: float) -> str:
    return f"{ratio:.3g}x" if ratio < 10 else f"{ratio:.0f}x"


def suspects(design: Design, cells: Sequence[Measured]) -> list[Arm]:
    """The arms whose twins tell how much of their difference from scratch is due to the source: those that look worse
    on all labels, and the one that looks best; none that is not trained. None for a single seed, of which nothing is
    claimed."""
    reader = _Reader(design, tuple(cells))
    gains = {
        arm.name: mean([*reader.gains(arm.name, control.name, design.all_labels).values()])
        for arm, control in reader.pairs()
        if arm.trained
    }
    known = {name: gain for name, gain in gains.items() if gain is not None}
    if len(design.seeds) < 2 or not known:
        return []
    best = max(known, key=lambda name: known[name])
    return [design.arm(name) for name, gain in known.items() if gain < 0 or (name == best and gain > 0)]


def _verdict(reader: _Reader, claims: Sequence[Claim]) -> dict[str, Any]:
    """What it comes to: whether transfer `helps`, `hurts`, both in different arms, or neither is seen; in a line, and
    the sentences of all claims."""
    twins = {claim.arm: claim.says for claim in claims if claim.kind == TWIN}
    beside_scratch = [claim for claim in claims if claim.kind in (TRANSFER, LABELS)]
    better = [claim for claim in beside_scratch if claim.says == BETTER and twins.get(claim.arm, BETTER) == BETTER]
    worse = [claim for claim in beside_scratch if claim.says == WORSE and twins.get(claim.arm, WORSE) == WORSE]
    # on all labels a twin may be no worse, where few labels are what the source saves
    seen = {claim.arm for claim in beside_scratch if claim.kind == TRANSFER and claim.says == BETTER}
    better += [
        claim
        for claim in beside_scratch
        if claim.kind == LABELS and claim.says == BETTER and claim.arm not in seen and claim not in better
    ]
    trained = [each for each in beside_scratch if each.says in (BETTER, WORSE) and each not in (*better, *worse)]
    unknown = all(claim.says == UNKNOWN for claim in beside_scratch)
    verdict = UNKNOWN if unknown else NONE
    if better or worse:
        verdict = BOTH if better and worse else HELPS if better else HURTS
    lines = [_headline(reader, better), *_hurts(reader, worse)]
    line = "; ".join(each for each in lines if each) or {
        UNKNOWN: "not enough is measured to say what transfer is worth here",
        NONE: "no difference between transfer and training from scratch seen",
    }.get(verdict, "")
    unsure = [each for each in beside_scratch if each.kind == TRANSFER and each.says == NONE]
    is_open = [
        each
        for each in unsure
        if each.difference.p is not None and (each.difference.p < CLOSE or reader.apart(each.arm, each.other))
    ]
    by_training = [each for each in trained if each.kind == TRANSFER]
    if verdict == NONE and by_training:
        best = max(by_training, key=lambda claim: abs(claim.difference.mean))
        twin = next(claim for claim in claims if claim.kind == TWIN and claim.arm == best.arm)
        line = (
            f"no effect of the source itself seen: {best.arm} is {amount(best.difference.mean, reader.unit)} beside "
            f"scratch, and {_with_ends(twin.difference, reader.unit)} beside the same training from random weights, so "
            "the difference may come of how it is trained"
        )
    elif verdict == NONE and is_open and not trained:
        best = max(is_open, key=lambda claim: abs(claim.difference.mean))
        line = (
            f"not sure whether transfer makes a difference: {best.arm} is "
            f"{_with_ends(best.difference, reader.unit)} beside scratch in the mean of {best.difference.count} seeds; "
            "more seeds may tell"
        )
    elif verdict == NONE and unsure and not trained:
        best = max(unsure, key=lambda claim: abs(claim.difference.mean))
        line += f": {best.arm} is {_with_ends(best.difference, reader.unit)} beside scratch"
    elif trained:
        arms = ", ".join(dict.fromkeys(each.arm for each in trained))
        line += f"; {arms}: other than scratch by how it is trained, as far as is seen, not by its source"
    return {"transfer": verdict, "line": line, "sentences": [claim.sentence for claim in claims]}


def _with_ends(difference: Paired, unit: str) -> str:
    """A mean with its interval: `+4.9 points (-13.3 to +23.0)`."""
    told = amount(difference.mean, unit)
    if difference.low is None or difference.high is None:
        return told
    low, high = (amount(end, unit).removesuffix(" points") for end in (difference.low, difference.high))
    return f"{told} ({low} to {high})"


def _hurts(reader: _Reader, worse: Sequence[Claim]) -> Iterator[str]:
    """Where it hurts, an arm after the other."""
    for name in dict.fromkeys(claim.arm for claim in worse):
        told = [claim for claim in worse if claim.arm == name]
        metric = next((claim for claim in told if claim.kind == TRANSFER), None)
        if metric is not None:
            yield f"transfer hurts here: {amount(metric.difference.mean, reader.unit)} ({name})"
        else:
            yield f"transfer costs labels here: {_times(1 / (told[0].ratio or 1.0))} those of scratch ({name})"


def _headline(reader: _Reader, better: Sequence[Claim]) -> str:
    """The best that is claimed of labels and of the metric."""
    labels = max((each for each in better if each.kind == LABELS), key=lambda each: each.ratio or 0, default=None)
    metric = max(
        (each for each in better if each.kind == TRANSFER), key=lambda each: each.difference.mean, default=None
    )
    parts = []
    if labels is not None and labels.ratio is not None:
        bound = f"{labels.bound} " if labels.bound else ""
        parts.append(f"saves {bound}{_times(labels.ratio)} the labels ({labels.arm})")
    if metric is not None:
        parts.append(f"is worth {amount(metric.difference.mean, reader.unit)} on {reader.design.whole} ({metric.arm})")
    return f"transfer {' and '.join(parts)}" if parts else ""
