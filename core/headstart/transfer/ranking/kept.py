"""What scores said of a source before, found in the cache by all that they depend on, without a framework."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart.cache import open_cache
from headstart.documents import as_bytes
from headstart.engine.network.blueprint import describe
from headstart.environment import processor
from headstart.host.discovery import installed_release, installed_version
from headstart.lineage import UNKNOWN
from headstart.recipes.resolve import Ready
from headstart.runs.planning import Groundwork
from headstart.specs import Baseline, features_of_head
from headstart.threads import available_threads
from headstart.transfer.ranking.candidates import Candidate
from headstart.transfer.ranking.rows import Found, Row
from headstart.transfer.ranking.scoring import RESAMPLES
from headstart.weights.source import find

KIND, FACTS = "scores", "scores.json"


def key_of(
    source: Candidate, ground: Groundwork, ready: Ready, forms: Mapping[str, np.ndarray], owners: np.ndarray
) -> dict[str, Any]:
    """What scores depend on, known before anything is built: the source, the records, and who computes."""
    weights, resolved = source.weights, ground.resolved
    documents = describe(dataclasses.replace(ground.backbone, features=features_of_head(resolved.task, resolved.head)))
    rows = hashlib.sha256()
    for owner in owners:
        row = ground.data.split.rows[owner]
        rows.update(as_bytes(f"{row.content_hash} {row.group}\n"))
    for form, values in sorted(forms.items()):
        rows.update(f"{form} {values.dtype.str} {values.shape}\n".encode())
        rows.update(np.ascontiguousarray(values).data)
    recipe = resolved.recipe
    return {
        "network": documents["model.json"],
        "input": documents["preprocess.json"],
        "weights": None if weights is None else [weights.algorithm, weights.digest, weights.size, weights.load],
        "file": _file_of(source),
        "records": rows.hexdigest(),
        "count": len(owners),
        "computed": {
            "backend": ready.choice.name,
            "engine": recipe.engine,
            "precision": recipe.precision,
            "strategy": recipe.strategy,
            "threads": recipe.threads or available_threads(),
            "machine": processor(),
            "seed": recipe.seed if weights is None else 0,
        },
        "versions": {name: installed_release(name) for name in ("keras", ready.choice.name)}
        | {"headstart": installed_version()},
        "scores": sorted([spec.name, spec.version] for spec in ready.registry.specs("scores")),
        "resamples": RESAMPLES,
    }


def _file_of(source: Candidate) -> list[Any] | None:
    """The file of weights whose digest nobody states, by its path, size and time of change."""
    weights = source.weights
    if weights is None or weights.digest != UNKNOWN:
        return None
    path = find(source.spec, weights)
    if path is None:
        return None
    facts = path.stat()
    return [str(path), facts.st_size, facts.st_mtime_ns]


def known_facts(key: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a source that was scored before."""
    place = open_cache().get(KIND, key)
    if place is None:
        return None
    try:
        document: dict[str, Any] = json.loads((place / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # another process may have cleared it
        return None
    return document


def writing(row: Row) -> Callable[[Path], None]:
    """Writes what depends on the source and the records alone into a folder."""
    document = {
        "channels": row.channels,
        "rate": row.rate,
        "engine": row.engine,
        "refused": dict(row.refused),
        "scores": {name: dataclasses.asdict(each) for name, each in row.scores.items()},
    }

    def write(folder: Path) -> None:
        (folder / FACTS).write_text(json.dumps(document), encoding="utf-8")

    return write


def row_of(source: Candidate, document: Mapping[str, Any]) -> Row:
    """The row that `writing` wrote down, of this source."""
    scores = {
        name: Found(
            each["value"],
            (each["interval"][0], each["interval"][1]),
            tuple(each["resampled"]),
            None if each["baseline"] is None else Baseline(**each["baseline"]),
        )
        for name, each in document["scores"].items()
    }
    return Row(source, document["channels"], document["rate"], document["engine"], scores, document["refused"])
