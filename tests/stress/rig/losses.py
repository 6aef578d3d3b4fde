"""R2: durable after power loss, in a simulation that keeps what was fsynced, and of the rest what it likes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from headstart.engine.checkpoints import Checkpoints
from rig.calls import Call, Calls
from rig.figures import Figure, figure
from rig.power import Survives, by_dice, disk_after, names_first, only_what_must, write_survivors
from rig.saving import problem_of, save, without_fsync_of

SAVES = 3
PARTS = ("files", "manifest", "folder", "parent")
"""Each one's fsync is left out once, to see the figure red."""

Recorded = list[tuple[int, Call]]
"""Calls, each with the step whose save had returned before it."""


def after_every_call(scratch: Path, *, left_out: str = "", dice: int = 4) -> Figure:
    """Let the power fail after each call of SAVES saves, on disks of several kinds; `dice` of them at random."""
    kinds: list[Callable[[], Survives]] = [lambda: only_what_must, lambda: names_first]
    kinds += [lambda seed=seed: by_dice(seed) for seed in range(dice)]
    recorded = _recorded(scratch / "recorded", left_out)
    return figure(
        "R2",
        f"power loss after each call of {SAVES} saves, on {len(kinds)} kinds of disks",
        (problem for kind in kinds for problem in _lost(recorded, scratch, kind)),
        planted=f"no fsync of the {left_out}" if left_out else "",
    )


def _recorded(folder: Path, left_out: str) -> Recorded:
    """The calls of SAVES saves into the folder `checkpoints` below `folder`, which makes it, too."""
    folder.mkdir()
    recorded: Recorded = []
    done = 0
    with Calls(folder, lambda call: recorded.append((done, call))):
        checkpoints = Checkpoints(folder / "checkpoints")
        for step in range(1, SAVES + 1):
            with without_fsync_of(left_out) if left_out else contextlib.nullcontext():
                save(checkpoints, step)
            done = step
    recorded.append((done, Call("fsync", ".")))  # nothing: the moment after the last save
    return recorded


def _lost(recorded: Sequence[tuple[int, Call]], scratch: Path, kind: Callable[[], Survives]) -> Iterator[str | None]:
    for length, (done, call) in enumerate(recorded):
        survivors = scratch / "survivors"
        write_survivors(disk_after([call for _, call in recorded[:length]]).root, kind(), survivors)
        problem = problem_of(survivors / "checkpoints", done=done)
        yield f"power lost before {call.kind} {call.path}: {problem}" if problem else None
        shutil.rmtree(survivors)
