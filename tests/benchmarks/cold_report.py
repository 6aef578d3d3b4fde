"""From the measured sides of a case to ratios, with accuracies and what was extrapolated beside them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from cold_cases import Prepared
from kept import Measured
from ratios import Ratio, middle

ENOUGH = 1200
"""Pictures that are trained on and validated, from which on a case counts for P1: performance.md."""

ROUNDED = 1e-4
"""The controls' accuracies are told to four digits."""


@dataclass
class Sides:
    """What was measured, one entry a round."""

    cold: list[Measured]
    second: list[Measured]
    by_hand: list[Measured]
    tutorial: list[Measured]


def ratios_of(ready: Prepared, backend: str, sides: Sides, *, epochs: int, run_epochs: int) -> list[Ratio]:
    """P1 or P1j, P2, and P1c where there is a control by hand. `epochs` are told, `run_epochs` were run."""
    cold = _walls(sides.cold)
    what = f"{ready.told}, {backend}, float32, E = {epochs}"
    full = ready.counts["train"] + ready.counts["val"] >= ENOUGH
    found: list[Ratio] = []
    if sides.tutorial:
        against = "the tutorial, ten frozen epochs of plain Keras"
        full_time = statistics.median(_extrapolated(each, epochs) for each in sides.tutorial)
        note, reached = _told(sides, epochs, run_epochs)
        row = "P1" if backend == "torch" else "P1j"
        for name, own in ((row, sides.cold), ("P2", sides.second)):
            walls = _walls(own)
            told = f"{middle(walls, 1, ' s')} against {full_time:.0f} s. Ours ran {_parts(own)}. {note}"
            values = tuple(full_time / wall for wall in walls)
            found.append(Ratio(name, what, against, values, told, counts=full and run_epochs == epochs, holds=reached))
    if sides.by_hand:
        hand = _walls(sides.by_hand)
        values = tuple(theirs / own for theirs, own in zip(hand, cold, strict=True))
        note = (
            f"{middle(cold, 1, ' s')} against {middle(hand, 1, ' s')}. A{_accuracies(sides.cold, sides.by_hand)[1:]}."
        )
        against = "PyTorch by hand that caches, L-BFGS"
        found.append(Ratio("P1c", f"{ready.told}, torch, float32", against, values, note, counts=full))
    return found


def _walls(measured: Sequence[Measured]) -> list[float]:
    return [each["wall"] for each in measured]


def _extrapolated(tutorial: Measured, epochs: int) -> float:
    """Seconds of the whole process; epochs that were not run cost what the last one did."""
    ends = tutorial["epoch_ends"]
    return float(tutorial["wall"] + (epochs - len(ends)) * (ends[-1] - ends[-2]))


def _told(sides: Sides, epochs: int, run_epochs: int) -> tuple[str, bool]:
    """The note, and whether every run of ours reached the tutorial's accuracy on val."""
    each = [end - start for one in sides.tutorial for start, end in _pairs(one["epoch_ends"])]
    parts = [f"An epoch of the tutorial: {middle(each, 1, ' s')}"]
    wanted = max(one["val"] for one in sides.tutorial)
    reached = min(one["val"] for one in sides.cold) >= wanted - ROUNDED
    if run_epochs < epochs:
        parts.append(f"EXTRAPOLATED from {run_epochs} epochs, and so accuracies are not compared")
        return "; ".join(parts) + ".", True
    parts.append(_accuracies(sides.cold, sides.tutorial))
    parts.append("reached" if reached else "ours did NOT reach its val accuracy")
    early = [_first_reaching(one, wanted) for one in sides.tutorial]
    parts.append(f"the tutorial first had that accuracy after {middle(early, 0, ' s')}")
    return "; ".join(parts) + ".", reached


def _parts(own: Sequence[Measured]) -> str:
    """The engine of ours, and where the time went, as its results say it."""
    engines = " or ".join(sorted({one["engine"] for one in own}))
    names = [name for name in own[0]["parts"] if name != "total"]
    seconds = [f"{name} {statistics.median(one['parts'][name] for one in own):.1f} s" for name in names]
    return f"in {engines}, with {', '.join(seconds)}"


def _pairs(ends: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def _first_reaching(tutorial: Measured, wanted: float) -> float:
    """Seconds of the process at the end of the first epoch as good as the last, the test at the end included."""
    ends = tutorial["epoch_ends"]
    first = next((number for number, val in enumerate(tutorial["val_of_epochs"]) if val >= wanted), len(ends) - 1)
    return float(tutorial["wall"] - (ends[-1] - ends[first]))


def _accuracies(ours: Sequence[Measured], theirs: Sequence[Measured]) -> str:
    sides = [
        " and ".join(f"{statistics.median(one[split] for one in side):.3f} {split}" for split in ("val", "test"))
        for side in (ours, theirs)
    ]
    return f"accuracy {sides[0]}, theirs {sides[1]}"
