"""Checkpoints of a run: `step.<n>/` directories, each complete or absent, from which training goes on.

Kept are the last two, so that one that was damaged has another before it; the best of those saved; and for the same
reason the last two at an epoch's end, to which training goes back when a loss spikes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.atomic import explained, remove_directory, remove_leftovers, write_directory
from headstart.errors import DataError, HeadstartError, PluginError
from headstart.manifest import CHECKPOINT, read_manifest, write_manifest
from headstart.weights.files import SUFFIX, read_safetensors, write_safetensors

DAMAGED = "damaged"
OTHER_VERSION = "go on with the headstart that environment.json of the run names, or start a new run in another folder"
NAME = re.compile(r"step\.(\d+)(?:\.(\d+))?")
Groups = Mapping[str, Mapping[str, np.ndarray]]
"""Arrays by name, in groups: `weights`, `first`, `best`, ...; each group is one file."""
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Loaded:
    """A checkpoint as read: what was saved after `step` updates in all."""

    step: int
    facts: Mapping[str, Any]
    groups: Groups

    def group(self, name: str) -> Mapping[str, np.ndarray]:
        """The arrays of a group; empty where there is none."""
        return self.groups.get(name, {})


@dataclass
class Checkpoints:
    """Writes and reads below `folder`.

    `best`, `last` and the one `before`, `anchor` and `anchor_before` are names, None where there is none.

    A name is `step.<n>`; another state after as many steps, such as that with a phase's outcome set, is `step.<n>.<m>`.
    A phase starts from the best of the phase before, so that one stays the best until an epoch is better.
    """

    folder: Path
    best: str | None = field(default=None, init=False)
    last: str | None = field(default=None, init=False)
    before: str | None = field(default=None, init=False)
    anchor: str | None = field(default=None, init=False)
    anchor_before: str | None = field(default=None, init=False)

    def save(
        self, step: int, groups: Groups, *, facts: Mapping[str, Any], best: bool = False, anchor: bool = True
    ) -> Path:
        """Write the state after `step` updates; then remove what need not be kept. `anchor`: an epoch ended here."""
        target = self._free(f"step.{step}", (f"step.{step}.{number}" for number in itertools.count(1)))
        kept = {
            "best": target.name if best else self.best,
            "anchor": target.name if anchor else self.anchor,
            "before": self.last,
            "anchor_before": self.anchor if anchor else self.anchor_before,
        }

        def fill(folder: Path) -> None:
            for name, arrays in groups.items():
                if arrays:
                    write_safetensors(folder / f"{name}{SUFFIX}", arrays)
            write_manifest(folder, schema=CHECKPOINT, facts={"step": step, "kept": kept, "state": dict(facts)})

        write_directory(target, fill)
        self._know(target.name, kept)
        self._remove([name for name in self.names() if name not in (*kept.values(), target.name)])
        return target

    def names(self) -> list[str]:
        """The checkpoints that are there, oldest first."""
        found = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted((name for name in found if NAME.fullmatch(name)), key=_place)

    @property
    def last_step(self) -> int | None:
        """The updates after which the last one was saved."""
        return None if self.last is None else _place(self.last)[0]

    def load(self, name: str) -> Loaded:
        """Read one. Raises DataError naming the file that is absent or altered."""
        path = self.folder / name
        manifest = read_manifest(path, schema=CHECKPOINT)
        files = [file for file in manifest["files"] if file.endswith(SUFFIX)]
        groups = {file.removesuffix(SUFFIX): read_safetensors(path / file) for file in files}
        self._know(name, manifest["kept"])
        return Loaded(manifest["step"], manifest["state"], groups)

    def load_last(self, warn: Warn) -> Loaded | None:
        """Read the last one that is whole, None where there is none; those that are damaged are reported and set aside.

        One that cannot be read may be whole: it stays where it is, and nothing is read in its place. Raises
        HeadstartError with the system's reason, and PluginError for one of another version.
        """
        try:
            remove_leftovers(self.folder)
            found = self.names()
        except OSError as exc:
            raise HeadstartError(
                f"the checkpoints in {self.folder} cannot be read: {exc.strerror or exc}",
                hint="resume when they can be read",
            ) from exc
        for name in reversed(found):
            if (loaded := self._read(name, warn)) is not None:
                return loaded
        return None

    def go_back(self, warn: Warn, fits: Callable[[Loaded], bool] = lambda loaded: True) -> Loaded:
        """Read the last one at an epoch's end that `fits`, and remove those after it: their steps will be taken again.

        One that is damaged is reported and set aside, as in `load_last`. Raises HeadstartError where none is left, or
        where one cannot be read.
        """
        if self.anchor is None:
            raise ValueError("there is no checkpoint to go back to")
        last = _place(self.anchor)
        for name in [name for name in reversed(self.names()) if _place(name) <= last]:
            loaded = self._read(name, warn)
            if loaded is not None and self.anchor == name and fits(loaded):
                self._remove([other for other in self.names() if _place(other) > _place(name)])
                return loaded
        raise HeadstartError(
            f"no checkpoint in {self.folder} is left that training could go back to",
            hint="start a new run in another folder",
        )

    def _read(self, name: str, warn: Warn) -> Loaded | None:
        """One that is there; None where it was damaged and is set aside."""
        try:
            return self.load(name)
        except DataError as exc:
            numbered = (f"{DAMAGED}.{number}.{name}" for number in itertools.count(2))
            aside = self._free(f"{DAMAGED}.{name}", numbered)
            with explained(aside):
                (self.folder / name).rename(aside)
            warn(f"{exc}; it was renamed to {aside.name}, and training goes on without it")
            return None
        except PluginError as exc:
            raise PluginError(exc.message, hint=OTHER_VERSION) from exc
        except OSError as exc:
            path = self.folder / name
            raise HeadstartError(
                f"the checkpoint {path} cannot be read: {exc.filename or path}: {exc.strerror or exc}",
                hint=f"resume when it can be read, or move {name} away to go on from the checkpoint before it",
            ) from exc

    def _know(self, name: str, kept: Mapping[str, str | None]) -> None:
        self.best, self.before, self.last = kept["best"], kept["before"], name
        self.anchor, self.anchor_before = kept["anchor"], kept["anchor_before"]

    def _free(self, name: str, numbered: Iterable[str]) -> Path:
        """The path of `name`, or else of the first of its `numbered` forms, that is not taken."""
        paths = (self.folder / each for each in itertools.chain([name], numbered))
        return next(path for path in paths if not path.exists())

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            with suppress(OSError):  # one too many harms nothing
                remove_directory(self.folder / name)


def _place(name: str) -> tuple[int, int]:
    """The updates that a checkpoint was saved after, and its number among those of as many."""
    match = NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"no name of a checkpoint: {name}")
    return int(match[1]), int(match[2] or 0)
