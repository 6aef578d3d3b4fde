"""R3: a full disk or an I/O error is reported with path and reason; the old state loads."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from headstart.engine.train.checkpoints import Checkpoints
from headstart.errors import HeadstartError
from rig.calls import Calls, failing
from rig.figures import Figure, figure
from rig.saving import SAFE, planted, prepared, problem_of, save

CAUSES = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES)
KINDS = ("write", "fsync", "rename", "create", "mkdir")


def at_every_call(scratch: Path, bug: str = "", causes: Sequence[int] = CAUSES) -> Figure:
    """Let each call of each kind fail for each cause, in one save."""
    named = ", ".join(errno.errorcode[cause] for cause in causes)
    what = f"{{{named}}} x {{{', '.join(KINDS)}}}, each call of one save"
    return figure("R3", what, _failed_at_each(scratch, bug, causes), planted=bug)


def _failed_at_each(scratch: Path, bug: str, causes: Sequence[int]) -> Iterator[str | None]:
    for cause in causes:
        for kind in KINDS:
            number = 0
            while _calls(scratch, kind) > number:
                number += 1
                folder = scratch / "checkpoints"
                problem = _failed(prepared(folder), kind, cause, number, bug)
                yield f"{errno.errorcode[cause]} at {kind} {number}: {problem}" if problem else None
                shutil.rmtree(folder)


def _calls(scratch: Path, kind: str) -> int:
    """How many calls of `kind` one save makes until the new checkpoint is there."""
    folder = scratch / "counted"
    kinds: list[str] = []
    checkpoints = prepared(folder)
    with Calls(folder, lambda call: kinds.append(call.kind)):
        save(checkpoints, SAFE + 1)
    shutil.rmtree(folder)
    until = len(kinds) - kinds[::-1].index("fsync")  # what follows removes old ones, and may fail
    return kinds[:until].count(kind)


def _failed(checkpoints: Checkpoints, kind: str, cause: int, number: int, bug: str) -> str | None:
    before = sorted(path.name for path in checkpoints.folder.iterdir())
    try:
        with planted(bug) if bug else contextlib.nullcontext(), Calls(checkpoints.folder, failing(kind, cause, number)):
            save(checkpoints, SAFE + 1)
    except HeadstartError as exc:
        return _unsaid(exc, checkpoints.folder, cause) or _changed(checkpoints.folder, before)
    return "no error"


def _unsaid(error: HeadstartError, folder: Path, cause: int) -> str | None:
    """What the error does not say."""
    wanted = {"path": f"{folder}/step.{SAFE + 1}", "reason": os.strerror(cause)}
    lacking = [what for what, words in wanted.items() if words not in error.message]
    if error.exit_code != 1:
        lacking.append("exit code 1")
    return f"the error lacks {lacking}: {error.message}" if lacking else None


def _changed(folder: Path, before: list[str]) -> str | None:
    after = sorted(path.name for path in folder.iterdir())
    if after != before:
        return f"left behind: {sorted(set(after) ^ set(before))}"
    return problem_of(folder, done=SAFE)
