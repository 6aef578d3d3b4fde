"""Our side of `extraction.py`: the frozen prefix of a network in an engine, through the library."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stock_backbone import load_stages
from torch_vit import Vit, write_folder

from headstart.cache import Cache
from headstart.engine.features.decision import EngineDecision
from headstart.engine.features.export import Exporters
from headstart.engine.features.extractor import FeatureExtractor, Place
from headstart.engine.features.selection import Workload, decide
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.assemble import graft
from headstart.engine.network.blueprint import Blueprint
from headstart.engine.network.network import Network, choose_features
from headstart.registry import Registry, load_registry
from headstart.specs import InputRequest, TaskRequest

BACKBONES = {
    "lite0": "efficientnet_lite/lite0",
    "mobilenetv2": "keras_applications/mobilenetv2",
    "resnet50": "keras_applications/resnet50",
    "vit": "",
}
"""Backbones by the name of the same network in `torch_networks`; the ViT is a Hugging Face folder that is written."""
MANY = 1_000_000
"""Rows that `auto` is told of: enough to try every engine."""
CACHE_LIMIT = 8 << 30


@dataclass(frozen=True)
class Side:
    """`extract`: pictures (batch, size, size, 3) uint8 to features (batch, channels); `engine`: what it runs in."""

    extract: Callable[[np.ndarray], np.ndarray]
    engine: str
    scale: float
    offset: float


def open_ours(name: str, precision: str, engine: str, *, batch: np.ndarray, scratch: Path) -> Side:
    """The prefix up to the head. Raises EngineRefusal where no engine can run it."""
    registry = load_registry()
    reference = BACKBONES[name] or str(write_folder(Vit(224), scratch / name))
    network, blueprint = build(reference, registry)
    extractor = FeatureExtractor(
        stock=network,
        fast=lowered(network, registry),
        blueprint=blueprint,
        registry=registry,
        exporters=Exporters(registry),
        place=Place(
            Cache(scratch / "cache", CACHE_LIMIT),
            scratch / "scratch",
            os.cpu_count() or 1,
            lambda message: print(message, file=sys.stderr),
        ),
        batch={"image": batch},
    )
    stop = len(network.stages) - 1
    spec = None if engine == "auto" else registry.get("engines", engine)
    extractor = decide(extractor, spec, precision, Workload(stop, MANY))
    compiled, chosen = extractor.open(stop).compiled, extractor.decided
    return Side(
        extract=lambda pictures: compiled({"image": pictures})["@pooled"],
        engine="; ".join([f"{chosen.engine.rpartition('/')[2]} {chosen.precision}", *_refusals(chosen)]),
        scale=blueprint.preprocess["scale"][0],
        offset=blueprint.preprocess["offset"][0],
    )


def _refusals(chosen: EngineDecision) -> list[str]:
    return [f"{engine} was refused: {reason}" for engine, reason in chosen.refused.items()]


def build(reference: str, registry: Registry) -> tuple[Network, Blueprint]:
    """A ten-class network on the backbone, with its weights, and what another process builds it from."""
    spec = registry.resolve_backbone(reference)
    reading, task = registry.get("inputs", "image/image"), registry.get("tasks", "classification/classification")
    given = spec.default_options()
    stages, preprocess, _ = load_stages(spec, given, registry)
    preprocess = {"scale": [1.0] * 3, "offset": [0.0] * 3, **preprocess}
    size = preprocess["size"][0]
    kind = registry.load_target(reading, reading.build)(InputRequest(preprocess, reading.options(size=size)))
    request = TaskRequest(task.options(), targets=tuple("0123456789"))
    built: Any = registry.load_target(task, task.build)(request)
    network = graft(kind, stages, choose_features(spec.features, task.features), task=built, head="linear", seed=0)
    blueprint = Blueprint(
        backbone=registry.builder_of(spec),
        backbone_options=given,
        input=reading,
        input_options=reading.options(size=size),
        preprocess=preprocess,
        task=task,
        task_options=task.options(),
        head="linear",
        labels=built.labels(),
    )
    return network, blueprint
