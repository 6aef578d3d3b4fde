"""Checkpoints whose every number says after which step they were saved, so that a torn one shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import numpy as np

from headstart.engine.train import checkpoints as module
from headstart.engine.train.checkpoints import Checkpoints
from headstart.errors import HeadstartError

SAFE = 4
"""Steps that are saved before anything happens; the save of the next one suffers, which also removes that of step 3."""


def save(checkpoints: Checkpoints, step: int) -> Path:
    """The state after `step` steps: weights, moments and facts, all of them `step`."""
    groups = {
        "weights": {"head/0/kernel": np.full((40, 8), step, np.float32), "head/0/bias": np.full(8, step, np.float32)},
        "first": {"head/0/kernel": np.full((40, 8), step, np.float32)},
    }
    return checkpoints.save(step, groups, facts={"mark": step}, best=step == 1, anchor=step % 2 == 0)


def prepared(folder: Path) -> Checkpoints:
    """Those of SAFE steps, in `folder`, which is made."""
    checkpoints = Checkpoints(folder)
    for step in range(1, SAFE + 1):
        save(checkpoints, step)
    return checkpoints


def problem_of(folder: Path, *, done: int) -> str | None:
    """What is wrong with the checkpoints of `folder`, where the save of step `done` was the last that had returned."""
    warned: list[str] = []
    checkpoints = Checkpoints(folder)
    loaded = checkpoints.load_last(warned.append)
    if warned:
        return f"unreadable: {warned[0]}"
    found_step = loaded.step if loaded else 0
    if found_step < done:
        return f"lost: step {done} was saved, and {found_step or 'nothing'} was found"
    for name in checkpoints.names():
        try:
            found = checkpoints.load(name)
        except HeadstartError as exc:
            return f"unreadable: {exc.message}"
        numbers = {
            float(value) for arrays in found.groups.values() for array in arrays.values() for value in array.flat
        }
        if numbers != {found.step} or found.facts["mark"] != found.step:
            return f"torn: {name} holds {sorted(numbers)}"
    checkpoints.load_last(warned.append)
    save(checkpoints, found_step + 1)
    left = [path.name for path in folder.iterdir() if path.name not in checkpoints.names()]
    return f"left behind: {left}" if left else None


# --- planted bugs: each must turn a figure red ------------------------------------------------------------------------


def _in_place(target: Path, fill: Callable[[Path], None]) -> None:
    target.mkdir(parents=True)
    fill(target)


def _old_ones_first(target: Path, fill: Callable[[Path], None]) -> None:
    for path in target.parent.glob("step.*"):
        shutil.rmtree(path)
    _write(target, fill)


def _silently(target: Path, fill: Callable[[Path], None]) -> None:
    with suppress(Exception):
        _write(target, fill)


_write = module.write_directory
WRITERS = {"in place": _in_place, "old ones first": _old_ones_first, "silently": _silently}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Save in another way inside the block."""
    with patch.object(module, "write_directory", WRITERS[name]):
        yield


@contextmanager
def without_fsync_of(part: str) -> Iterator[None]:
    """Leave an fsync out inside the block: of `files`, of the `manifest`, of the `folder` or of its `parent`."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if part_of(os.readlink(f"/proc/self/fd/{descriptor}")) != part:
            real(descriptor)

    with patch.object(os, "fsync", fsync):
        yield


def part_of(path: str) -> str:
    """Which part of a checkpoint `path` is."""
    if path.endswith("manifest.json"):
        return "manifest"
    if not os.path.isdir(path):
        return "files"
    return "folder" if ".step." in os.path.basename(path) else "parent"
