"""R4: a run that was stopped and goes on ends at the same bits as one that was not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rig.figures import Figure, figure, seen
from rig.runs import Stop, differences, events_of, fit, outcome_of, resume

CODES = {"SIGKILL": -9, "SIGTERM": 130, "SIGINT": 130}


@dataclass(frozen=True)
class Point:
    """A case, and where it is stopped; `again` is where it is stopped once more after it was resumed."""

    case: str
    stop: Stop
    again: Stop | None = None

    def __str__(self) -> str:
        return f"{self.case}, {self.stop}" + (f", then {self.again}" if self.again else "")


POINTS = (
    Point("lp_ft", Stop("Progress.read")),
    Point("lp_ft", Stop("Progress.features", 2)),
    Point("lp_ft", Stop("EpochDone", 3)),
    Point("lp_ft", Stop("PhaseDone", 1, "SIGTERM")),
    Point("lp_ft", Stop("PhaseDone", 1)),
    Point("lp_ft", Stop("CheckpointSaved", 1)),
    Point("lp_ft", Stop("Progress.train", 3)),
    Point("lp_ft", Stop("EpochDone", 7), Stop("Progress.train", 4)),
    Point("lp_ft", Stop("PhaseDone", 2)),
    Point("lp_ft", Stop("Progress.evaluate", 1)),
    Point("lp_ft", Stop("Progress.evaluate", 2, "SIGINT")),
    Point("dropout", Stop("Progress.train", 3, "SIGINT")),
    Point("dropout", Stop("CheckpointSaved", 2, delay=0.01)),
    Point("dropout", Stop("EpochDone", 2, "SIGTERM"), Stop("Progress.train", 2, "SIGTERM")),
    Point("dropout", Stop("Progress.train", 12)),
    Point("soup", Stop("Progress.train", 14)),
    Point("soup", Stop("EpochDone", 5, "SIGTERM")),
    Point("soup", Stop("PhaseDone", 2)),
    Point("wise_ft", Stop("EpochDone", 8, "SIGTERM")),
    Point("wise_ft", Stop("WeightsAveraged", 1)),
    Point("gradual", Stop("PhaseStarted", 3)),
    Point("gradual", Stop("Progress.train", 9, "SIGTERM")),
    Point("lora", Stop("Progress.train", 3)),
    Point("lora", Stop("Progress.train", 8, "SIGINT")),
    Point("surgical", Stop("EpochDone", 7)),
)
"""In the middle of an epoch, at a phase change, after evaluation, and everywhere else."""

PLANTED = {
    "moments": Point("dropout", Stop("EpochDone", 2)),
    "steps": Point("dropout", Stop("Progress.train", 8, "SIGTERM")),
    "seeds": Point("dropout", Stop("EpochDone", 2)),
    "averages": Point("dropout", Stop("EpochDone", 2)),
    "begun_seeds": Point("soup", Stop("Progress.train", 8)),
}
"""A bug each, and a point at which it must show."""


def resumed_everywhere(scratch: Path, backend: str, points: Sequence[Point] = POINTS, workers: int = 1) -> Figure:
    """Stop a run at each point and go on with it; compare with the same one undisturbed."""
    undisturbed = _undisturbed(scratch, backend, {point.case for point in points})

    def tried(numbered: tuple[int, Point]) -> str | None:
        number, point = numbered
        problem = problem_of(scratch / f"stopped-{number}", backend, point, undisturbed[point.case])
        return f"{point}: {problem}" if problem else None

    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(tried, enumerate(points)))
    return figure("R4", "resume equals uninterrupted, to the bit: stop points", outcomes, backend=backend)


def planted_bugs(scratch: Path, backend: str) -> Iterator[Figure]:
    """A figure for each planted bug: what is read from a checkpoint lacks something."""
    undisturbed = _undisturbed(scratch, backend, {point.case for point in PLANTED.values()})
    for bug, point in PLANTED.items():
        problem = problem_of(scratch / f"planted-{bug}", backend, point, undisturbed[point.case], bug=bug)
        yield figure(
            "R4",
            f"{point}",
            [seen(problem, "differs: ", "history")],
            backend=backend,
            planted=f"the {bug} are forgotten",
        )


def problem_of(
    out: Path, backend: str, point: Point, undisturbed: Mapping[str, str], *, bug: str | None = None
) -> str | None:
    """What is wrong with a run that is stopped at `point` and goes on."""
    first = fit(out, point.case, backend, point.stop.wanted)
    if first.code != CODES[point.stop.signal]:
        return f"stopped with {first.last_words}"
    if point.again is not None:
        second = resume(out, point.case, backend, {**point.again.wanted, "resumed": True})
        if second.code != CODES[point.again.signal]:
            return f"stopped again with {second.last_words}"
    last = resume(out, point.case, backend, {"plant": bug} if bug else None)
    if last.code != 0:
        return f"resumed with {last.last_words}"
    return differences(undisturbed, outcome_of(out)) or _untold(out)


def _untold(out: Path) -> str | None:
    """Whether the result lacks a resumption that its events tell of."""
    told = json.loads((out / "result.json").read_text(encoding="utf-8"))["resumed"]
    happened = [event for event in events_of(out) if event["event"] == "RunResumed"]
    if [(each["phase"], each["step"]) for each in told] != [(each["phase"], each["step"]) for each in happened]:
        return f"its result tells of {told}, its events of {happened}"
    return None


def _undisturbed(scratch: Path, backend: str, cases: set[str]) -> dict[str, dict[str, str]]:
    found = {}
    for case in sorted(cases):
        out = scratch / f"undisturbed-{case}"
        if not out.exists():
            done = fit(out, case, backend)
            assert done.code == 0, done.last_words
        found[case] = outcome_of(out)
    return found
