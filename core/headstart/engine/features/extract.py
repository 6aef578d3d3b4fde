"""What a frozen prefix gives, computed once: arrays at a cut, streamed batch by batch at one static shape.

Whatever asks for features takes this one way, a run and a backbone by itself, with no task, head, strategy or phases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from headstart.data.array_store import Append, ArrayStore
from headstart.data.lengths import Lengths, cut_to
from headstart.data.prepared import PreparedData
from headstart.documents import as_bytes
from headstart.engine.batch import bytes_a_row, take
from headstart.engine.features.export import Exporters
from headstart.engine.features.extractor import FeatureExtractor, Opened, Place, samples_a_call
from headstart.engine.in_flight import Window, computed
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.assemble import (
    backbone_inputs,
    build_backbone,
    first_batch,
    load_weights,
    without_head,
)
from headstart.engine.network.blueprint import BackboneUse
from headstart.engine.network.network import TAP
from headstart.spans import span
from headstart.specs import FeatureSpec, InputKind

OnProgress = Callable[[int, int], None]

PLAIN = {"view": "plain"}
"""How samples vary that are as they were prepared."""
BLOCK = 256
"""Rows that are copied at once."""
WINDOW = 16
"""Batches among whose rows those of like length are computed together."""


@dataclass(frozen=True)
class Among:
    """Samples that are the `places` (row,) int64 among others that `key` says as plain values."""

    key: Mapping[str, Any]
    places: np.ndarray


@dataclass(frozen=True)
class Passing:
    """Samples that pass a prefix: `take` gives those of some of `count` rows, `key` says as plain values what they are,
    `view` the same to a person, `lengths` how long they are where they differ; `among` of which others they are part,
    whose features may be there already."""

    take: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    count: int
    key: Mapping[str, Any]
    view: str | int = "plain"
    lengths: Lengths | None = None
    among: Among | None = None


@span("features")
def features_of(
    opened: Opened, passing: Passing, store: ArrayStore, on_progress: OnProgress = lambda done, total: None
) -> dict[str, np.ndarray]:
    """What a prefix gives for these samples, (row, ...) by name, from the store or computed now and kept there.

    Above a whole backbone, `extractor.open(len(extractor.stock.stages) - 1)`, these are its features by `@name`, those
    that a run on the same backbone, weights and samples trains its head on.
    """
    facts = {**opened.facts, "rows": passing.count, "view": passing.view}
    key = {**opened.key, **passing.key}
    if passing.among is not None and (whole := store.find("features", {**opened.key, **passing.among.key})) is not None:
        return store.keep(partial(_picked, whole, passing.among.places))
    return store.fetch("features", key, facts, lambda append: extract(opened, passing, append, on_progress))


def plain_rows(data: PreparedData, rows: np.ndarray) -> Passing:
    """The samples of `rows` as they were prepared."""
    key, among = rows_key(data, rows, PLAIN), None
    if (whole := data.whole) is not None and np.array_equal(rows, data.indices("train")):
        among = Among(_key_of([f"{each} " for each in whole.hashes], PLAIN), whole.places)
    lengths = lengths_of(data, rows)
    return Passing(lambda picked: take(data.tensors, rows[picked]), len(rows), key, lengths=lengths, among=among)


def _picked(arrays: Mapping[str, np.ndarray], places: np.ndarray, append: Append) -> None:
    """Append the rows at `places` of `arrays`, a block after the other."""
    for start in range(0, max(1, len(places)), BLOCK):
        append(take(arrays, places[start : start + BLOCK]))


def lengths_of(data: PreparedData, rows: np.ndarray) -> Lengths | None:
    """How long `rows` are, None where rows are of one length."""
    return None if data.lengths is None else data.lengths.only(rows)


def rows_key(data: PreparedData, rows: np.ndarray, varied: Mapping[str, Any], *, named: bool = False) -> dict[str, Any]:
    """What samples are: their contents in order, how they vary, and, where they are drawn by their keys, these."""
    hashes = (f"{data.row_hashes[row]} {data.row_keys[row] if named else ''}" for row in rows)
    return _key_of(tuple(hashes), varied)


def _key_of(lines: Sequence[str], varied: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(as_bytes(f"{line}\n"))
    return {"rows": digest.hexdigest(), "count": len(lines), "varied": dict(varied)}


def extract(opened: Opened, passing: Passing, append: Append, on_progress: OnProgress) -> None:
    """Run `opened` over rows 0 to `passing.count` - 1, and `append` what it gives, (row, ...) arrays by name.

    The last batch is padded to `batch_size`, so that a compiled prefix sees one shape. Memory beside the arrays does
    not grow with `count`. Rows that vary in length are computed with others of theirs, see `computed`.
    """
    count, lengths, done = passing.count, passing.lengths, 0
    step = opened.batch_size if lengths is None else WINDOW * opened.batch_size

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        on_progress(done, count)

    def windows() -> Iterator[Window[None]]:
        for start in range(0, count, step):
            rows = np.arange(start, min(start + step, count))
            own = None if lengths is None else lengths.only(rows)
            yield Window(None, len(rows), partial(_taken, passing, start), opened.batch_size, own)

    for _, outputs in computed(
        opened.compiled, windows(), axes=opened.axes, any_length=opened.any_length, on_rows=told
    ):
        append(outputs)
        del outputs


def _taken(passing: Passing, start: int, rows: np.ndarray) -> Mapping[str, np.ndarray]:
    """The samples that are `rows` behind `start`."""
    return passing.take(start + rows)


def flattened(arrays: Mapping[str, np.ndarray], features: Sequence[FeatureSpec]) -> np.ndarray:
    """Stored features, as `@name` (row, ...), as one array (row, channel): flattened and joined in the order of
    `features`, without masks. Of one feature nothing is copied."""
    flat = [arrays[TAP + feature.name].reshape(len(arrays[TAP + feature.name]), -1) for feature in features]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def open_backbone(
    use: BackboneUse, data: PreparedData, exporters: Exporters, place: Place, *, kind: InputKind | None = None
) -> FeatureExtractor:
    """The extractor of a backbone for prepared `data`, read by `kind`; no engine is decided on yet.

    Raises as `build_backbone` and `load_weights` do. Needs the backend to be set.
    """
    registry = exporters.registry
    blueprint = use.blueprint(registry)
    kind = kind or blueprint.kind(registry)
    stages = build_backbone(use.spec, registry, options=blueprint.backbone_options, inputs=backbone_inputs(kind))
    network = without_head(kind, stages, use.spec.features, blueprint.features)
    first = first_batch(data.tensors, np.arange(len(data.owners)))
    load_weights(network, first, kind, spec=use.spec, source=use.weights, registry=registry, seed=use.seed)
    return FeatureExtractor(
        stock=network,
        fast=lowered(network, registry, place.warn),
        blueprint=blueprint,
        registry=registry,
        exporters=exporters,
        place=place,
        batch=trial_batch(data, np.arange(len(data.owners)), network.length_axes(0)),
    )


def trial_batch(data: PreparedData, rows: np.ndarray, axes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """As many of the samples `rows` as each call brings (batch, ...), on which engines are tried; where rows differ in
    length, those of middling ones, at the static length that holds them."""
    lengths, size = lengths_of(data, rows), samples_a_call(bytes_a_row(data.tensors))
    if lengths is None:
        return take(data.tensors, np.resize(rows, size))
    picked = np.resize(lengths.middling(size), size)
    return cut_to(take(data.tensors, rows[picked]), axes, lengths.of_batch(picked), lengths.static[-1])
