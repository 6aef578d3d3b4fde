"""Scores of a model on samples, kept from run to run: found by the artefact, the samples and what answers.

What is kept is what `headstart.runs.evaluation` came to, with the rows of predictions.csv. No framework is imported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from headstart.cache import Cache
from headstart.data.split_file import SplitRow
from headstart.documents import as_bytes, plain, read_object
from headstart.environment import versions
from headstart.errors import HeadstartError
from headstart.registry import Registry
from headstart.specs import EngineSpec, Evaluation

KIND = "scores"
ROWS, FACTS = "rows.csv", "scores.json"
LARGEST = 2**28


@dataclass(frozen=True)
class Scored:
    """How a split was answered, by which `primary_metric` that is judged, and the lines that predictions.csv has of it,
    as they are written, below the task's `columns`."""

    evaluation: Evaluation
    primary_metric: str
    higher_is_better: bool
    columns: tuple[str, ...]
    rows: bytes


def made_by(registry: Registry, backend: str, threads: int) -> dict[str, Any]:
    """What computes, as plain values: versions of packages and plugins, the backend, and its threads."""
    plugins = sorted([plugin.info.name, str(plugin.info.version)] for plugin in registry.loaded)
    kinds = [[spec.name, spec.version] for spec in registry.specs("targets")]
    return {"versions": versions(), "plugins": plugins, "targets": kinds, "backend": backend, "threads": threads}


def answered_in(engine: EngineSpec | None) -> str:
    """How the key says in which `engine` samples were answered, in float32; None: on stock layers."""
    return "stock" if engine is None else f"{engine.name} float32"


def keys_in(
    files: Mapping[str, Any],
    rows: Mapping[str, Sequence[SplitRow]],
    *,
    by: Mapping[str, Any],
    asked: Mapping[str, Any] = MappingProxyType({}),
) -> Callable[[EngineSpec | None], dict[str, dict[str, Any]]]:
    """By split, what the scores of its `rows` are found by, for an engine: the `files` of the artefact, as its manifest
    has them, all that computes, `by`, and what was `asked` for."""
    contents = {split: _digest(each) for split, each in rows.items()}

    def in_engine(engine: EngineSpec | None) -> dict[str, dict[str, Any]]:
        return {
            split: {
                "artefact": dict(files),
                "rows": contents[split],
                "count": len(each),
                "by": {**by, "engine": answered_in(engine)},
                "asked": dict(asked),
            }
            for split, each in rows.items()
        }

    return in_engine


def _digest(rows: Sequence[SplitRow]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(as_bytes(json.dumps([row.key, row.split, row.target, row.group, row.content_hash]) + "\n"))
    return digest.hexdigest()


def find(cache: Cache, key: Mapping[str, Any]) -> Scored | None:
    """The scores of `key`; None where they are not there."""
    folder = cache.get(KIND, key)
    if folder is None:
        return None
    try:
        facts, rows = read_object(folder / FACTS, LARGEST), (folder / ROWS).read_bytes()
    except (OSError, HeadstartError):  # another process has removed it
        return None
    columns = tuple(facts.pop("columns"))
    return Scored(Evaluation(**facts.pop("evaluation")), columns=columns, rows=rows, **facts)


def found_under(cache: Cache, keys: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, Scored]:
    """The scores of each split by the first of several `keys` by split that they are kept under."""
    kept: dict[str, Scored] = {}
    for by_split in keys:
        for split, key in by_split.items():
            if split not in kept and (found := find(cache, key)) is not None:
                kept[split] = found
    return kept


def keep(cache: Cache, key: Mapping[str, Any], scored: Scored, warn: Callable[[str], None]) -> None:
    """Keep scores; where they cannot be written, that is told and nothing is kept."""
    facts = {
        "evaluation": plain(asdict(scored.evaluation)),
        "primary_metric": scored.primary_metric,
        "higher_is_better": scored.higher_is_better,
        "columns": list(scored.columns),
    }

    def write(folder: Path) -> None:
        (folder / FACTS).write_text(json.dumps(facts, allow_nan=False), encoding="utf-8")
        (folder / ROWS).write_bytes(scored.rows)

    try:
        cache.add(KIND, key, write, {"samples": key["count"]})
    except HeadstartError as exc:
        warn(f"{exc.message}; scores are not kept")
