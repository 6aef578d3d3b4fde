"""R1 at random moments: one run that saves after every step is killed again and again, and goes on each time.

An undisturbed run says what each checkpoint must hold: its files, byte for byte.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from headstart.engine.train.checkpoints import Checkpoints
from headstart.errors import HeadstartError
from rig.figures import Figure, figure
from rig.runs import Stop, events_of, fit, resume

STEPS = 5
"""Updates in an epoch of the case `long`."""
EPOCHS_PER_KILL = 4
SAVES = 8
"""So many saves of a process come first: in the epoch until then JAX compiles, and a kill there would prove nothing."""
LATEST = 0.15
"""Seconds from then to the kill, at most: several steps and their saves."""

Digests = Mapping[str, Mapping[str, object]]
"""What the manifest of a checkpoint says of its files, by the checkpoint's name."""


def killed_at_random(scratch: Path, backend: str, kills: int, *, seed: int = 0, bug: str = "") -> Figure:
    """Kill a run so many times; `bug` is planted in it."""
    tried = _killed(scratch / f"killed-{bug or 'sound'}", backend, kills, seed=seed, bug=bug)
    return figure("R1", "SIGKILL at random moments of a run that saves each step", tried, backend=backend, planted=bug)


def _killed(scratch: Path, backend: str, kills: int, *, seed: int, bug: str) -> Iterator[str | None]:
    scratch.mkdir(parents=True)
    epochs = ("--epochs", str(EPOCHS_PER_KILL * kills))
    known = _undisturbed(scratch, backend, epochs)
    out, draw = scratch / "run", random.Random(seed)
    plant = {"plant": bug} if bug else {}
    for number in range(kills):
        begun = out.exists()
        stop = Stop("CheckpointSaved", SAVES, delay=draw.uniform(0.001, LATEST))
        wanted = {**stop.wanted, **plant}
        done = resume(out, "long", backend, wanted) if begun else fit(out, "long", backend, wanted, more=epochs)
        if done.code != -9:
            yield f"kill {number} after {stop.delay:.3f} s: it ended with {done.last_words}"
            return
        problem = problem_of(out, known)
        yield f"kill {number} after {stop.delay:.3f} s: {problem}" if problem else None


def problem_of(out: Path, known: Digests) -> str | None:
    """What is wrong with the checkpoints of a run that was killed; damaged ones are set aside."""
    checkpoints = Checkpoints(out / "checkpoints")
    saved = [event["step"] for event in events_of(out) if event["event"] == "CheckpointSaved"]
    warned: list[str] = []
    loaded = checkpoints.load_last(warned.append)
    if warned:
        return f"unreadable: {warned[0]}"
    if (loaded.step if loaded else 0) < max(saved, default=0):
        return f"lost: {max(saved)} was saved, {loaded.step if loaded else 'none'} is there"
    for name in checkpoints.names():
        try:
            checkpoints.load(name)
        except HeadstartError as exc:
            return f"unreadable: {exc.message}"
        files = json.loads((out / "checkpoints" / name / "manifest.json").read_text(encoding="utf-8"))["files"]
        if files != known.get(name):
            return f"torn or other bits: {name} is not what it is in an undisturbed run"
    return None


def _undisturbed(scratch: Path, backend: str, epochs: tuple[str, ...]) -> Digests:
    record = scratch / "record.jsonl"
    done = fit(scratch / "undisturbed", "long", backend, {"record": str(record)}, more=epochs)
    assert done.code == 0, done.last_words
    lines = (json.loads(line) for line in record.read_text(encoding="utf-8").splitlines())
    return {line["path"]: line["files"] for line in lines}
