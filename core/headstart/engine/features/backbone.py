"""A backbone by itself, with no task, head, strategy or phases: built, filled and ready to give its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headstart.cache import Cache
from headstart.data.prepared import PreparedData
from headstart.engine.features.export import Exporters
from headstart.engine.features.extractor import FeatureExtractor, samples_a_call
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.assemble import backbone_inputs, build_backbone, without_head
from headstart.engine.network.blueprint import BackboneUse
from headstart.engine.network.loading import CALIBRATION_SAMPLES, load_weights
from headstart.specs import InputKind


@dataclass(frozen=True)
class Place:
    """Where an extractor keeps what it makes, and to whom it tells what is odd."""

    cache: Cache
    scratch: Path
    threads: int
    warn: Callable[[str], None] = field(default=lambda message: None)


def open_backbone(
    use: BackboneUse, data: PreparedData, exporters: Exporters, place: Place, *, kind: InputKind | None = None
) -> FeatureExtractor:
    """The extractor of a backbone for prepared `data`, read by `kind`; no engine is decided on yet.

    Raises as `build_backbone` and `load_weights` do. Needs the backend to be set.
    """
    registry = exporters.registry
    kind = kind or use.kind(registry)
    blueprint = use.blueprint(registry)
    stages = build_backbone(use.spec, registry, options=blueprint.backbone_options, inputs=backbone_inputs(kind))
    network = without_head(kind, stages, use.spec.features, blueprint.features)
    first = {name: array[:CALIBRATION_SAMPLES] for name, array in data.tensors.items()}
    load_weights(network, first, kind, spec=use.spec, source=use.weights, registry=registry, seed=use.seed)
    rows = np.resize(np.arange(len(data.owners)), samples_a_call())
    return FeatureExtractor(
        stock=network,
        fast=lowered(network, registry, place.warn),
        blueprint=blueprint,
        registry=registry,
        exporters=exporters,
        cache=place.cache,
        scratch=place.scratch,
        threads=place.threads,
        batch={name: array[rows] for name, array in data.tensors.items()},
        warn=place.warn,
    )
