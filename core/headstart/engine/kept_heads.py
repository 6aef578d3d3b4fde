"""Heads that were solved for, kept from run to run: found by the samples, features, targets and task they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.cache import Cache
from headstart.documents import read_object
from headstart.engine.linear.rows import Rows
from headstart.engine.train.state import with_nan, without_nan
from headstart.errors import HeadstartError
from headstart.specs import Solved
from headstart.weights.files import read_safetensors, write_safetensors

KIND = "heads"
WEIGHTS, FACTS = "head.safetensors", "head.json"
LARGEST = 2**24


@dataclass(frozen=True)
class Tried:
    """A head that was solved for: its metrics on train and val, `best` so far or not."""

    train: Mapping[str, float]
    val: Mapping[str, float]
    best: bool
    strength: float
    solver: str


@dataclass(frozen=True)
class Learned:
    """The head `solved` in the end, refitted where the phase does, and what led to it: all that were `tried`, the place
    from 1 on of the one that val chose, and its metrics `val`; see `PhaseResult` for the others."""

    solved: Solved
    tried: tuple[Tried, ...]
    chosen: int
    val: Mapping[str, float]
    found: Mapping[str, Any] = field(default_factory=dict)
    before_refit: Mapping[str, Any] = field(default_factory=dict)


def key_of(rows: Iterable[Rows], others: Mapping[str, Any]) -> dict[str, Any]:
    """What a head is found by: features and targets to the bit, and `others`, plain values."""
    digest = hashlib.sha256()
    for each in rows:
        for part in each.parts:
            for array in (*part.views, *(part.targets[name] for name in sorted(part.targets))):
                digest.update(f"{array.dtype.str} {array.shape}\n".encode())
                digest.update(np.ascontiguousarray(array).data)
    return {"rows": digest.hexdigest(), **others}


def find(cache: Cache, key: Mapping[str, Any]) -> Learned | None:
    """The head of `key`; None where it is not there."""
    folder = cache.get(KIND, key)
    if folder is None:
        return None
    try:
        facts = read_object(folder / FACTS, LARGEST)
        weights = read_safetensors(folder / WEIGHTS)
    except (FileNotFoundError, HeadstartError):  # another process has removed it
        return None
    tried = tuple(Tried(**each) for each in facts.pop("tried"))
    solved, val = Solved(weights=weights, **facts.pop("solved")), with_nan(facts.pop("val"))
    return Learned(solved, tried, val=val, **facts)


def keep(cache: Cache, key: Mapping[str, Any], learned: Learned, warn: Callable[[str], None]) -> None:
    """Keep a head; where it cannot be written, that is told and nothing is kept."""
    facts = {**asdict(learned), "val": without_nan(learned.val)}
    del facts["solved"]["weights"]

    def write(folder: Path) -> None:
        write_safetensors(folder / WEIGHTS, learned.solved.weights)
        (folder / FACTS).write_text(json.dumps(facts, allow_nan=False), encoding="utf-8")

    try:
        cache.add(KIND, key, write, {"solver": learned.solved.solver, "strength": learned.solved.strength})
    except HeadstartError as exc:
        warn(f"{exc.message}; the head is not kept")
