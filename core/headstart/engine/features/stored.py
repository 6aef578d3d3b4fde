"""Features that are computed once and kept: by what the samples are, how they vary, and what the prefix is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.data.array_store import Append, ArrayStore
from headstart.data.lengths import Lengths
from headstart.data.prepared import PreparedData
from headstart.engine.features.extract import OnProgress, Take, extract
from headstart.engine.features.extractor import FeatureExtractor, Opened

KIND = "features"
"""Of cache entries."""
PLAIN: Mapping[str, Any] = {"view": "plain"}
"""How samples vary that do not."""


@dataclass(frozen=True)
class Passing:
    """Samples that pass a prefix: `take` gives those of some of `count` rows, `key` says as plain values what they are,
    `view` the same to a person, `lengths` how long they are where they differ."""

    take: Take
    count: int
    key: Mapping[str, Any]
    view: str | int = "plain"
    lengths: Lengths | None = None


def features_of(
    data: PreparedData,
    extractor: FeatureExtractor,
    store: ArrayStore,
    *,
    rows: np.ndarray | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """Features (row, ...) by `@name`, of all samples or of `rows` (row,), in the engine that was decided on.

    They are those that a run on the same backbone, weights and samples trains its head on, and are kept for it.
    """
    opened = extractor.open(len(extractor.stock.stages) - 1)
    return fetch_features(
        store, opened, plain_rows(data, np.arange(len(data.owners)) if rows is None else rows), on_progress
    )


def fetch_features(
    store: ArrayStore, opened: Opened, passing: Passing, on_progress: OnProgress
) -> dict[str, np.ndarray]:
    """What the prefix gives for these samples, from the store or computed now."""

    def compute(append: Append) -> None:
        extract(
            opened.compiled,
            passing.take,
            passing.count,
            batch_size=opened.batch_size,
            append=append,
            on_progress=on_progress,
            varying=None if passing.lengths is None else opened.varying(passing.lengths),
        )

    facts = {**opened.facts, "rows": passing.count, "view": passing.view}
    return store.fetch(KIND, {**opened.key, **passing.key}, facts, compute)


def plain_rows(data: PreparedData, rows: np.ndarray) -> Passing:
    """The samples of `rows` as they were prepared."""
    return Passing(
        lambda picked: {name: array[rows[picked]] for name, array in data.tensors.items()},
        len(rows),
        rows_key(data, rows, PLAIN),
        lengths=lengths_of(data, rows),
    )


def lengths_of(data: PreparedData, rows: np.ndarray) -> Lengths | None:
    """How long `rows` are, None where rows are of one length."""
    return None if data.lengths is None else data.lengths.only(rows)


def rows_key(data: PreparedData, rows: np.ndarray, varied: Mapping[str, Any], *, named: bool = False) -> dict[str, Any]:
    """What samples are: their contents in order, how they vary, and, where they are drawn by their keys, these."""
    digest = hashlib.sha256()
    for row in rows:
        name = data.row_keys[row] if named else ""
        digest.update(f"{data.row_hashes[row]} {name}\n".encode("utf-8", "surrogateescape"))
    return {"rows": digest.hexdigest(), "count": len(rows), "varied": dict(varied)}
