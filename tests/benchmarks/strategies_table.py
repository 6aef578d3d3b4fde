"""What `strategies.py` found, as Markdown: means over seeds with their intervals, and the differences to the guide."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scipy import stats
from sections import markdown_table

Key, Each = TypeVar("Key"), TypeVar("Each")
GUIDE, SCRATCH = "guide", "scratch"
GOAL_MEAN, GOAL_WORST = 1.5, -0.5
"""P9, in points of accuracy: over the sets, and of the set where a strategy does worst."""


@dataclass(frozen=True)
class Found:
    """One finished cell: `test` is its accuracy from 0 to 1, `trained` how many numbers learned."""

    pictures: str
    side: str
    backend: str
    seed: int
    test: float
    trained: int
    seconds: float


@dataclass(frozen=True)
class Mean:
    """A mean over seeds, and half the width of its 95 % interval; None for a single seed."""

    value: float
    half: float | None

    def told(self, *, signed: bool = False) -> str:
        """In points, `96.1 ± 0.8`."""
        value = f"{100 * self.value:{'+' if signed else ''}.1f}"
        return value if self.half is None else f"{value} ± {100 * self.half:.1f}"


def mean_of(values: Sequence[float]) -> Mean:
    """Student's t on n - 1 degrees of freedom: mean ± t(0.975) * s / sqrt(n)."""
    if len(values) < 2:
        return Mean(values[0], None)
    spread = statistics.stdev(values) / len(values) ** 0.5
    return Mean(statistics.mean(values), float(stats.t.ppf(0.975, len(values) - 1)) * spread)


def page(found: Sequence[Found], counts: Mapping[str, Mapping[str, int]], settings: Sequence[str]) -> str:
    """The whole section."""
    names = list(dict.fromkeys(each.pictures for each in found))
    parts = ["## Strategies beside plain Keras and training from scratch\n", *(f"{line}\n" for line in settings)]
    for name in names:
        here = [each for each in found if each.pictures == name]
        told = " + ".join(str(counts[name][split]) for split in ("train", "val", "test"))
        parts += [
            f"### {name}: {told} pictures to train, choose and test on\n",
            markdown_table(COLUMNS, set_rows(here)),
        ]
    parts += ["### Over the sets, beside the guide (P9)\n", markdown_table(P9_COLUMNS, p9_rows(found))]
    return "\n".join(parts)


COLUMNS = ("strategy", "backend", "test accuracy, %", "of each seed", "learned numbers", "seconds")


def set_rows(found: Sequence[Found]) -> list[tuple[str, ...]]:
    """One row a side and backend: of one set."""
    rows = []
    for (side, backend), cells in grouped(found, lambda each: (each.side, each.backend)).items():
        tests = [cell.test for cell in cells]
        each = ", ".join(f"{100 * test:.1f}" for test in tests)
        counts = sorted({cell.trained for cell in cells})
        trained = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
        seconds = f"{statistics.mean(cell.seconds for cell in cells):.0f}"
        rows.append((side, backend, mean_of(tests).told(), each, trained, seconds))
    return rows


P9_COLUMNS = (
    *("strategy", "backend", "sets x seeds", "mean accuracy, %", "minus the guide's, points", "worst set"),
    "P9: mean +1.5, worst -0.5",
)


def p9_rows(found: Sequence[Found]) -> list[tuple[str, ...]]:
    """One row a side and backend: means over the sets of what both that side and the guide have finished."""
    guide = {(each.pictures, each.backend, each.seed): each.test for each in found if each.side == GUIDE}
    rows = []
    for (side, backend), cells in grouped(found, lambda each: (each.side, each.backend)).items():
        paired = [(cell, guide.get((cell.pictures, backend, cell.seed))) for cell in cells]
        both = [(cell, theirs) for cell, theirs in paired if theirs is not None]
        rows.append((side, backend, *(_beside(both) if both else ("0", "", "", "", ""))))
    return rows


def _beside(both: Sequence[tuple[Found, float]]) -> tuple[str, ...]:
    """The rest of a row: how many, the mean, the mean and the worst difference, the verdict."""
    seeds = complete_seeds([cell for cell, _ in both])
    used = [(cell, theirs) for cell, theirs in both if cell.seed in seeds]
    sets = grouped(used, lambda pair: pair[0].pictures)
    worst_name = min(sets, key=lambda name: _difference(sets[name]))
    mean = mean_of([statistics.mean(cell.test for cell, _ in used if cell.seed == seed) for seed in seeds])
    gain = mean_of([_difference([pair for pair in used if pair[0].seed == seed]) for seed in seeds])
    worst = 100 * _difference(sets[worst_name])
    is_guide = used[0][0].side == GUIDE
    met = 100 * gain.value >= GOAL_MEAN and worst >= GOAL_WORST
    verdict = "" if is_guide else "met" if met else "missed"
    count = f"{len(sets)} x {len(seeds)}"
    return (count, mean.told(), gain.told(signed=True), f"{worst:+.1f} ({worst_name})", verdict)


def complete_seeds(cells: Sequence[Found]) -> list[int]:
    """The seeds that have every set which any seed has; all of them where there is none."""
    sets = {cell.pictures for cell in cells}
    by_seed = grouped(cells, lambda cell: cell.seed)
    whole = [seed for seed, here in by_seed.items() if {cell.pictures for cell in here} == sets]
    return sorted(whole or by_seed)


def _difference(pairs: Iterable[tuple[Found, float]]) -> float:
    return statistics.mean(cell.test - theirs for cell, theirs in pairs)


def grouped(items: Iterable[Each], key: Callable[[Each], Key]) -> dict[Key, list[Each]]:
    """Items by key, in the order in which they came."""
    found: defaultdict[Key, list[Each]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return dict(found)
