"""R2: durable after power loss, in a simulation that keeps what was fsynced, and of the rest what it likes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from headstart.atomic import write_file
from headstart.engine.train.checkpoints import Checkpoints
from rig.calls import Call, Calls
from rig.figures import Figure, figure
from rig.power import Survives, by_dice, disk_after, names_first, only_what_must, write_survivors
from rig.saving import problem_of, save, without_fsync_of

SAVES = 3
PARTS = ("files", "manifest", "folder", "parent")
"""Each one's fsync is left out once, to see the figure red."""

FILE_PARTS = ("files", "parent")
"""The same for a file that is written by itself."""

Save = Callable[[Path, int], object]
"""Saves the state after a step below a folder."""
Recorded = list[tuple[int, Call]]
"""Calls, each with the step whose save had returned before it."""


def after_every_call(scratch: Path, *, left_out: str = "", dice: int = 4) -> Figure:
    """Let the power fail after each call of SAVES saves of a checkpoint, on disks of several kinds; `dice` of them at
    random."""
    folders: dict[Path, Checkpoints] = {}

    def save_below(folder: Path, step: int) -> None:
        save(folders.setdefault(folder, Checkpoints(folder / "checkpoints")), step)

    def problem(survivors: Path, done: int) -> str | None:
        return problem_of(survivors / "checkpoints", done=done)

    recorded = _recorded(scratch / "recorded", save_below, left_out)
    return _figure("saves", recorded, scratch, problem, left_out=left_out, dice=dice)


def files_after_every_call(scratch: Path, *, left_out: str = "", dice: int = 4) -> Figure:
    """The same of a file that is replaced SAVES times, as `recipe.toml` and `result.json` are written."""

    def save_below(folder: Path, step: int) -> None:
        write_file(folder / FILE, _content(step))

    recorded = _recorded(scratch / "recorded", save_below, left_out)
    return _figure("writes of a file", recorded, scratch, _file_problem, left_out=left_out, dice=dice)


FILE = "recipe.toml"


def _content(step: int) -> bytes:
    return f"step = {step}\n".encode() * 200


def _file_problem(survivors: Path, done: int) -> str | None:
    path = survivors / FILE
    if not path.exists():
        return f"lost: what was written {done} times is not there" if done else None
    content = path.read_bytes()
    if content not in [_content(step) for step in range(done, SAVES + 1)]:
        return f"torn or old: {len(content)} bytes, {content[:12]!r}, after {done} writes had returned"
    return None


def _figure(
    what: str,
    recorded: Recorded,
    scratch: Path,
    problem: Callable[[Path, int], str | None],
    *,
    left_out: str,
    dice: int,
) -> Figure:
    kinds: list[Callable[[], Survives]] = [lambda: only_what_must, lambda: names_first]
    kinds += [lambda seed=seed: by_dice(seed) for seed in range(dice)]
    return figure(
        "R2",
        f"power loss after each call of {SAVES} {what}, on {len(kinds)} kinds of disks",
        (found for kind in kinds for found in _lost(recorded, scratch, kind, problem)),
        planted=f"no fsync of the {left_out}" if left_out else "",
    )


def _recorded(folder: Path, save_below: Save, left_out: str) -> Recorded:
    """The calls of SAVES saves below `folder`, which is made."""
    folder.mkdir()
    recorded: Recorded = []
    done = 0
    with Calls(folder, lambda call: recorded.append((done, call))):
        for step in range(1, SAVES + 1):
            with without_fsync_of(left_out) if left_out else contextlib.nullcontext():
                save_below(folder, step)
            done = step
    recorded.append((done, Call("fsync", ".")))  # nothing: the moment after the last save
    return recorded


def _lost(
    recorded: Sequence[tuple[int, Call]],
    scratch: Path,
    kind: Callable[[], Survives],
    problem: Callable[[Path, int], str | None],
) -> Iterator[str | None]:
    for length, (done, call) in enumerate(recorded):
        survivors = scratch / "survivors"
        write_survivors(disk_after([call for _, call in recorded[:length]]).root, kind(), survivors)
        found = problem(survivors, done)
        yield f"power lost before {call.kind} {call.path}: {found}" if found else None
        shutil.rmtree(survivors)
