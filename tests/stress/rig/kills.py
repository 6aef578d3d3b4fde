"""R1: a killed save never harms the last good checkpoint."""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from headstart.engine.train.checkpoints import Checkpoints
from rig.calls import Call, Calls, killer
from rig.figures import Figure, figure
from rig.saving import SAFE, planted, prepared, problem_of, save


def at_every_call(scratch: Path, bug: str = "") -> Figure:
    """Kill one save before each of its calls, and in the middle of each write."""
    what = "a kill at every file-system call of one save"
    return figure("R1", what, _killed_at_each(scratch, bug), planted=bug)


def _killed_at_each(scratch: Path, bug: str) -> Iterator[str | None]:
    number = 0
    while True:
        number += 1
        folder = scratch / f"checkpoints-{number}"
        prepared(folder)
        if not _killed(folder, number, bug):
            assert problem_of(folder, done=SAFE + 1) is None or bug
            return
        problem = problem_of(folder, done=SAFE)
        yield f"killed at call {number}: {problem}" if problem else None
        shutil.rmtree(folder)


def _killed(folder: Path, number: int, bug: str) -> bool:
    """Whether a child of ours that saves was killed before the `number`th call: or it made fewer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads of libraries are no trouble to a child that only writes files
        child = os.fork()
    if child == 0:
        try:
            checkpoints = prepared_again(folder)
            with planted(bug) if bug else contextlib.nullcontext(), Calls(folder, killer(folder, number)):
                save(checkpoints, SAFE + 1)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def prepared_again(folder: Path) -> Checkpoints:
    """The checkpoints that `prepared` has left in `folder`."""
    checkpoints = Checkpoints(folder)
    checkpoints.load_last(lambda message: None)
    return checkpoints


def calls_of_one_save(folder: Path) -> list[Call]:
    """What one save into `folder` calls, in order."""
    heard: list[Call] = []
    checkpoints = prepared(folder)
    with Calls(folder, heard.append):
        save(checkpoints, SAFE + 1)
    return heard
