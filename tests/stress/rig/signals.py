"""R5: after SIGINT or SIGTERM a run is out within ten seconds, with exit code 130 and at most one step lost."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from headstart.engine.train.checkpoints import Checkpoints
from headstart.runs.lock import LOCK
from rig.figures import Figure, figure, seen
from rig.resumes import Point
from rig.runs import BASE, CASES, Stop, cache_of, ended, events_of, run, start
from rig.warm import Ended

OUT_WITHIN = 10.0
BATCH = 16
FROM_OUTSIDE = "interrupted within a long computation"
"""What a run says whose main thread did not come to hear a signal. It leaves LOCK, which the next one takes over."""
PLACES = (
    ("lp_ft", "Progress.train", (1, 4, 6, 9)),  # training
    ("dropout", "Progress.train", (8,)),
    ("dropout", "EpochDone", (1, 2)),  # evaluation
    ("lp_ft", "Progress.evaluate", (1, 2)),
    ("lp_ft", "Progress.read", (1,)),  # extraction
    ("lp_ft", "Progress.features", (1, 2)),
    ("lp_ft", "fsync", (1, 12, 30)),  # save
)
POINTS = tuple(
    Point(case, Stop(event, count, name))
    for case, event, counts in PLACES
    for count in counts
    for name in ("SIGINT", "SIGTERM")
)
"""30 deliveries."""


def delivered(scratch: Path, backend: str, points: Sequence[Point] = POINTS) -> Figure:
    """Send each signal at its moment."""
    what = f"SIGINT and SIGTERM in training, evaluation, extraction, save: out within {OUT_WITHIN:.0f} s with 130"
    return figure("R5", what, _tried(scratch, backend, points), backend=backend)


def unheard(scratch: Path, backend: str) -> Figure:
    """The bug of not saving where a signal came: more than a step is lost."""
    point = Point("unsaved", Stop("Progress.train", 4, "SIGTERM"))
    problem = problem_of(scratch / "unheard", backend, point, "unsaved")
    found = seen(problem, "is kept, ", "were heard of; []")
    return figure("R5", f"{point}", [found], backend=backend, planted="nothing is saved at a signal")


def _tried(scratch: Path, backend: str, points: Sequence[Point]) -> Iterator[str | None]:
    for number, point in enumerate(points):
        problem = problem_of(scratch / f"signalled-{number}", backend, point)
        yield f"{point}: {problem}" if problem else None


def problem_of(out: Path, backend: str, point: Point, plant: str | None = None) -> str | None:
    """What is wrong with a run that is sent a signal at `point`."""
    told = out.with_name(f"{out.name}-told")
    wanted = {**point.stop.wanted, "told": str(told), **({"plant": plant} if plant else {})}
    done = run(["fit", *BASE, *CASES[point.case], "--out", str(out)], backend, wanted, cache=cache_of(out))
    took = time.time() - float(told.read_text()) if told.exists() else math.inf
    if done.code != 130 or took > OUT_WITHIN:
        return f"out after {took:.1f} s with {done.last_words}"
    if (out / "recipe.toml").exists() and f"--resume --out {out}" not in done.err.replace("\n", ""):
        return f"not told how to go on: {done.last_words}"
    return left_wrong(out, done)


def left_wrong(out: Path, done: Ended) -> str | None:
    """What is wrong with a run that was interrupted: hidden files left, a checkpoint that is damaged or too old."""
    if not out.exists():
        return None
    may_stay = [LOCK] if FROM_OUTSIDE in done.err else []
    hidden = [name for path in out.rglob(".*") if (name := str(path.relative_to(out))) not in may_stay]
    if hidden:
        return f"left behind: {hidden}"
    warned: list[str] = []
    loaded = Checkpoints(out / "checkpoints").load_last(warned.append)
    kept, heard = loaded.step if loaded else 0, steps_heard(out)
    if warned or heard - kept > 1:
        return f"step {kept} is kept, {heard} were heard of; {warned}"
    return None


def steps_heard(out: Path) -> int:
    """The updates that a run's events tell of."""
    first = saved = heard = 0
    for event in events_of(out):
        if event["event"] == "CheckpointSaved":
            saved = event["step"]
        elif event["event"] == "PhaseStarted":
            first = saved
        elif event["event"] == "Progress" and event["activity"] == "train":
            each = math.ceil(event["total"] / BATCH)
            heard = first + (event["epoch"] - 1) * each + math.ceil(event["done"] / BATCH)
    return heard


def at_random_moments(scratch: Path, backend: str, seconds: Sequence[float]) -> Figure:
    """A larger network, whose programs are compiled for long, so many seconds after its start."""
    what = "SIGTERM at any moment of a run of EfficientNet-Lite0, nothing compiled before"
    return figure("R5", what, _at_random(scratch, backend, seconds), backend=backend)


def _at_random(scratch: Path, backend: str, seconds: Sequence[float]) -> Iterator[str | None]:
    for number, wait in enumerate(seconds):
        out = scratch / f"random-{number}"
        programs = {"JAX_COMPILATION_CACHE_DIR": str(scratch / f"programs-{number}")}
        process = start(
            ["fit", "digits", "--backbone", "efficientnet_lite/lite0", "--weights", "none", "--image-size", "64",
             "--limit", "120", "--batch-size", "16", "--engine", "native", "--epochs", "200", "--out", str(out)],
            backend,
            cache=cache_of(out),
            environment=programs,
        )  # fmt: skip
        time.sleep(wait)
        if process.poll() is not None:
            yield f"{wait} s after its start: it had ended before, with {ended(process).last_words}"
            continue
        started = time.time()
        os.kill(process.pid, 15)
        done = ended(process)
        took = time.time() - started
        problem = f"out after {took:.1f} s with {done.last_words}" if done.code != 130 or took > OUT_WITHIN else None
        problem = problem or left_wrong(out, done)
        yield f"{wait} s after its start: {problem}" if problem else None
