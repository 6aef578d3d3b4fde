"""What takes the time of whole processes: a probe with an empty cache, the same with what that left, and an answer."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.backend import choose_backend
from headstart.data.made import made_folder
from headstart.errors import HeadstartError
from headstart.registry import Registry
from headstart.run import Run
from headstart.runs.bench import data_for, use_of
from headstart.spans import VARIABLE, Span, Taken, exclusive, read_spans
from headstart.specs import DatasetRequest, WeightsSpec

LIMIT = 500
"""Records of the data unless the user says otherwise: from as many on an engine is exported for them."""
WATCHED = "from headstart.spans import watch_imports; watch_imports(); "
MAIN = "MainThread"
STARTING, LEAVING, OTHER = "the interpreter", "leaving", "all else"


@dataclass(frozen=True)
class Measured:
    """A process: its command, what it took from start to end with all that it started, and what its main thread took by
    what for; `beside` is that of its other threads and of the processes that it started."""

    name: str
    command: Sequence[str]
    whole: Taken
    parts: Mapping[str, Taken]
    beside: Mapping[str, Taken]


def measure_processes(
    ref: str,
    registry: Registry,
    *,
    command: str,
    backend: str | None,
    data: str | None = None,
    limit: int = LIMIT,
    flags: Sequence[str] = (),
) -> dict[str, Any]:
    """Run `fit --strategy probe` twice, the first time with an empty cache, and have its run answer one input.

    `command` is Python that runs a command line given as arguments; `data` is what `fit` takes, without it a built-in
    one of the backbone's input kind; `flags` go to `fit`. Weights are the published ones where they are at hand. Raises
    UsageError where there is no data, HeadstartError where a process fails.
    """
    spec = registry.resolve_backbone(ref)
    use = use_of(spec, registry, {})
    choice = choose_backend(backend)
    if data is None:
        data = data_for(registry, spec).name
    own = ["--backbone", ref, "--strategy", "probe", "--limit", str(limit), "--backend", choice.name, *flags]
    if not isinstance(use.weights, WeightsSpec) and "--weights" not in flags:
        own += ["--weights", "none"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = [
            _measured(name, ["fit", data, *own, "--out", str(place / name), "--json"], command, place)
            for name in ("cold", "second")
        ]
        found.append(_measured(*_question(place / "second", data, choice.name, registry), command, place))
    return {
        "backbone": spec.name,
        "weights": use.weights.name if isinstance(use.weights, WeightsSpec) else "none",
        "backend": choice.name,
        "data": data,
        "limit": limit,
        "processes": [dataclasses.asdict(each) for each in found],
    }


def _question(run: Path, data: str, backend: str, registry: Registry) -> tuple[str, list[str]]:
    """The command that asks a run for one answer, to the first input that a command line can hold; where it can hold
    none, for its scores on test, which the run has kept."""
    opened = registry.resolve_dataset(data)
    request = DatasetRequest(
        opened.reference, opened.spec.options(), labelled=False, made=made_folder(opened.spec, opened.reference)
    )
    records = registry.load_target(opened.spec, opened.spec.build)(request)
    payload = next((record.payload for record in records.items), None)
    if isinstance(payload, os.PathLike):
        return "prediction", ["predict", str(run), os.fspath(payload), "--backend", backend, "--csv"]
    if isinstance(payload, str):
        kind = Run.load(run, registry=registry).artefact.blueprint.input
        written = ["--text", payload] if "text" in kind.reads else [payload]
        return "prediction", ["predict", str(run), *written, "--backend", backend, "--csv"]
    return "evaluation", ["evaluate", str(run), "--backend", backend, "--json"]


def _measured(name: str, arguments: Sequence[str], command: str, place: Path) -> Measured:
    """Run one command as a process of its own, and take its time apart."""
    told = place / f"{name}.spans"
    variables = {**os.environ, VARIABLE: str(told), "HEADSTART_CACHE": str(place / "cache")}
    started, before = time.monotonic(), _of_children()
    done = subprocess.Popen(
        [sys.executable, "-P", "-c", WATCHED + command, *arguments],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, error = done.communicate()
    whole = Taken(time.monotonic() - started, _of_children() - before)
    if done.returncode != 0:
        said = (error.strip().splitlines() or ["it said nothing"])[-1]
        raise HeadstartError(f"`headstart {' '.join(arguments)}` ended with {done.returncode}: {said}")
    spans = read_spans(told)
    own = [each for each in spans if each.process == done.pid and each.thread == MAIN]
    if not own:
        raise HeadstartError(f"`headstart {' '.join(arguments)}` told nothing of its time")
    first, last = min(each.started for each in own), max(each.ended for each in own)
    parts = exclusive(own)
    beside = _beside(spans, done.pid)
    told_of = sum(each.wall for each in parts.values())
    parts = {STARTING: Taken(first - started, 0.0), **parts, OTHER: Taken(last - first - told_of, 0.0)}
    parts[LEAVING] = Taken(started + whole.wall - last, 0.0)
    return Measured(name, tuple(arguments), whole, parts, beside)


def _of_children() -> float:
    """Processor seconds of all processes that this one, and they, started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _beside(spans: Sequence[Span], process: int) -> dict[str, Taken]:
    """What all threads but the main one of `process` took, by what for."""
    sums: dict[str, Taken] = {}
    for thread in dict.fromkeys((each.process, each.thread) for each in spans):
        if thread == (process, MAIN):
            continue
        for name, taken in exclusive(each for each in spans if (each.process, each.thread) == thread).items():
            before = sums.get(name, Taken(0.0, 0.0))
            sums[name] = Taken(before.wall + taken.wall, before.busy + taken.busy)
    return sums
