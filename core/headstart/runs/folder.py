"""A run's folder: where each file of the contract lies, and how a new one is claimed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.atomic import explained, is_leftover, make_folder, make_folders, write_file
from headstart.documents import escaped, plain
from headstart.errors import UsageError
from headstart.eventlog import EVENTS, tells_of_no_run
from headstart.manifest import is_artefact
from headstart.runs.lock import LOCK

RUNS = Path("runs")
LARGEST_RESULT = 2**30
"""Bytes of a result.json that are read."""


class RunFolder:
    """The files of a run below `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.toml"
        """The recipe as resolved."""
        self.split = path / "split.csv"
        """Which sample is in which split."""
        self.events = path / EVENTS
        """What the run said."""
        self.checkpoints = path / "checkpoints"
        """Complete states of what learns."""
        self.artefact = path / "artefact"
        """The trained model."""
        self.predictions = path / "predictions.csv"
        """Answers for every evaluated sample."""
        self.result = path / "result.json"
        """The numbers."""
        self.report = path / "report"
        """What reporters wrote."""
        self.environment = path / "environment.json"
        """Versions and hardware."""
        self.scratch = path / ".scratch"
        """Large arrays while the run lasts; removed at its end."""


def trained_by(path: Path) -> Path | None:
    """The run folder whose artefact, or artefact's weights, `path` names, or else that artefact; None where `path`
    is nothing of that kind. A run folder names its own artefact."""
    for artefact in (path, RunFolder(path).artefact, *([path.parent] if path.is_file() else [])):
        if artefact.is_dir() and is_artefact(artefact):
            run = RunFolder(artefact.parent)
            return run.path if run.artefact == artefact and run.recipe.is_file() else artefact
    return None


def finished_run(named: str | Path) -> RunFolder:
    """The folder of a run that came to its end, as it is `named`. Raises UsageError, with the way on, where it is
    nothing of that kind."""
    path = Path(named)
    folder = RunFolder(path.expanduser())
    if not folder.path.exists():
        hint = (
            "name the folder of a finished run, as `headstart fit DATA` makes one below runs/; restore it if it moved"
        )
        raise UsageError(f"no such run: {named}", hint=hint)
    if not (folder.artefact.is_dir() and folder.recipe.is_file() and folder.result.is_file()):
        hint = how_to_go_on(path) if folder.recipe.is_file() else "name a folder that `headstart fit` made"
        raise UsageError(f"{named} is not a finished run", hint=hint)
    return folder


def how_to_go_on(path: Path) -> str:
    """The command that goes on with a run."""
    return f"go on with `headstart fit --resume --out {path}`"


def claim(out: str | None, *, stem: str, resume: bool = False) -> RunFolder:
    """Create a run's folder: `out`, or the first free `runs/STEM-N`; with `resume` it may be there.

    Raises UsageError where `out` holds something already, HeadstartError where it cannot be created.
    """
    if out is not None:
        path = Path(out)
        if path.exists() and not path.is_dir():
            raise UsageError(f"--out {path} is a file", hint="choose a folder that does not exist yet")
        with explained(path):
            if path.is_dir() and not resume:
                verify_empty(RunFolder(path))
            make_folders(path)
        return RunFolder(path)
    with explained(RUNS):
        make_folders(RUNS)
        number = 1
        while True:
            path = RUNS / f"{stem}-{number}"
            try:
                make_folder(path)
            except FileExistsError:
                number += 1
                continue
            return RunFolder(path)


def verify_empty(folder: RunFolder) -> None:
    """Raise UsageError where a folder for a new run holds anything that counts, see `holds_no_run`."""
    if holds_no_run(folder):
        return
    begun = folder.recipe.is_file() and not folder.result.is_file()
    other = "choose another folder, or remove this one if it is no longer needed"
    hint = f"it holds a run that did not finish: {how_to_go_on(folder.path)}" if begun else other
    raise UsageError(f"--out {folder.path} is not empty", hint=hint)


def holds_no_run(folder: RunFolder) -> bool:
    """Whether a folder is empty but for a lock and what a run leaves that is killed before it has written its recipe:
    events of reading the data, arrays below `.scratch`, a recipe half written."""
    others = [path for path in folder.path.iterdir() if path.name != LOCK]
    if folder.events not in others:
        return not others
    ours = {folder.events, folder.scratch}
    return all(path in ours or is_leftover(path, folder.recipe) for path in others) and tells_of_no_run(folder.events)


def write_document(path: Path, document: Any) -> None:
    """Write plain values as JSON, in one step."""
    text = json.dumps(plain(document), indent=2, allow_nan=False, ensure_ascii=False)
    write_file(path, escaped(text + "\n").encode())
