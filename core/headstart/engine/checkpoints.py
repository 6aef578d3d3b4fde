"""Checkpoints of a run: `step.<n>/` directories, each complete or absent; the best and the last are kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.atomic import write_directory
from headstart.manifest import write_manifest
from headstart.weights.files import write_safetensors

SCHEMA = "checkpoint/1"


@dataclass
class Checkpoints:
    """Writes below `folder`; knows which step was best.

    A phase starts from the best of the phase before, so that one stays the best until an epoch is better.
    """

    folder: Path
    best: int | None = field(default=None, init=False)
    last: int | None = field(default=None, init=False)
    _kept: set[int] = field(default_factory=set, init=False)

    def save(self, step: int, arrays: Mapping[str, np.ndarray], *, best: bool, facts: Mapping[str, Any]) -> Path:
        """Write what learns, by our names, after `step` updates in all; then remove what is neither best nor last."""
        target = self.folder / f"step.{step}"

        def fill(folder: Path) -> None:
            write_safetensors(folder / "weights.safetensors", arrays)
            write_manifest(folder, schema=SCHEMA, facts={"step": step, "best": best, **facts})

        write_directory(target, fill)
        self.last = step
        if best:
            self.best = step
        self._kept.add(step)
        for gone in self._kept - {self.best, self.last}:
            shutil.rmtree(self.folder / f"step.{gone}", ignore_errors=True)
            self._kept.remove(gone)
        return target
