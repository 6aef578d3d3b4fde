"""Our side of `text.py`: tokens of real texts, a sentence encoder with its published weights, and steps on it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.cache import Cache
from headstart.data.lengths import Lengths
from headstart.data.made import made_folder
from headstart.engine.device import train_step
from headstart.engine.features.export import Exporters
from headstart.engine.features.extract import Passing, extract, open_backbone
from headstart.engine.features.extractor import FeatureExtractor, Place
from headstart.engine.features.selection import Workload, decide
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.assemble import graft, load_weights
from headstart.engine.network.blueprint import BackboneUse
from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.stages import trainable_variables
from headstart.engine.step import Step, TrainStep
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.registry import Registry, load_registry
from headstart.specs import DatasetRequest, InputKind, TaskRequest

ENCODERS = {"minilm": "hf_text/all_minilm_l6", "e5": "hf_text/multilingual_e5_small"}
MANY = 1_000_000
"""Rows that `auto` is told of: enough to try every engine."""
CACHE_LIMIT = 8 << 30
RATE = 1e-6
"""Of every update: small, so that all rounds see about the same numbers."""
DECAY = 0.01
CLASSES = ("negative", "positive")


@dataclass(frozen=True)
class Encoder:
    """A sentence encoder and its reader; `weights` is the file that both sides read."""

    name: str
    registry: Registry
    use: BackboneUse
    kind: InputKind
    weights: Path


@dataclass(frozen=True)
class Tokens:
    """Texts as `fit` has them: tensors (row, time) padded to the longest static length, and how long each row is."""

    tensors: dict[str, np.ndarray]
    lengths: Lengths

    def __len__(self) -> int:
        return len(self.lengths.used)


def open_encoder(name: str) -> Encoder:
    """The encoder called `name` in ENCODERS. Raises MissingWeightsError where its weights are not on this machine."""
    from headstart.weights.source import locate

    registry = load_registry()
    spec = registry.get("backbones", ENCODERS[name])
    use = BackboneUse(spec, spec.weights[0], features=("pooled",))
    return Encoder(name, registry, use, use.blueprint(registry).kind(registry), locate(spec, spec.weights[0], registry))


def read_texts(registry: Registry, dataset: str, count: int, **options: Any) -> list[str]:
    """`count` texts of a set that was made on this machine, evenly spread over it."""
    spec = registry.get("datasets", dataset)
    request = DatasetRequest(None, spec.options(**options), made=made_folder(spec, None))
    items = registry.load_target(spec, spec.build)(request).items
    return [str(items[place].payload) for place in np.linspace(0, len(items) - 1, count).astype(int)]


def tokenised(encoder: Encoder, texts: list[str]) -> Tokens:
    """Texts as the input kind reads and prepares them."""
    prepared = [encoder.kind.prepare(encoder.kind.read(text, "a text")) for text in texts]
    tensors = {name: np.stack([each.tensors[name] for each in prepared]) for name in prepared[0].tensors}
    used = np.array([each.length for each in prepared], np.int64)
    return Tokens(tensors, Lengths(used, tuple(encoder.kind.lengths)))


class Extraction:
    """The frozen prefix as `fit` runs it over rows of different lengths: `run()` gives features (row, channel)."""

    def __init__(self, encoder: Encoder, tokens: Tokens, *, engine: str, scratch: Path) -> None:
        registry = encoder.registry
        place = Place(
            Cache(scratch / "cache", CACHE_LIMIT),
            scratch / "scratch",
            int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
            lambda message: print(message, file=sys.stderr),
        )
        data: Any = _Prepared(tokens)
        extractor: FeatureExtractor = open_backbone(encoder.use, data, Exporters(registry), place, kind=encoder.kind)
        stop = len(extractor.stock.stages) - 1
        spec = None if engine == "auto" else registry.get("engines", engine)
        extractor = decide(extractor, spec, "float32", Workload(stop, MANY))
        self.decided = extractor.decided
        self._opened, self._tokens = extractor.open(stop), tokens

    def run(self) -> np.ndarray:
        """Features (row, channel) float32."""
        found: list[np.ndarray] = []
        tensors = self._tokens.tensors
        passing = Passing(
            lambda rows: {name: array[rows] for name, array in tensors.items()},
            len(self._tokens),
            {},
            lengths=self._tokens.lengths,
        )
        extract(self._opened, passing, lambda arrays: found.append(arrays["@pooled"]), lambda done, total: None)
        return np.concatenate(found)


@dataclass(frozen=True)
class _Prepared:
    """As much of `PreparedData` as an extractor reads."""

    tokens: Tokens

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        return self.tokens.tensors

    @property
    def owners(self) -> np.ndarray:
        return np.arange(len(self.tokens))

    @property
    def lengths(self) -> Lengths:
        return self.tokens.lengths


def headed(encoder: Encoder, tokens: Tokens) -> tuple[Network, Any]:
    """The encoder below a linear head of two classes, with its weights, and the task."""
    from headstart.engine.network.assemble import backbone_inputs, build_backbone

    registry, spec = encoder.registry, encoder.use.spec
    task_spec = registry.get("tasks", "classification/classification")
    task = registry.load_target(task_spec, task_spec.build)(TaskRequest(task_spec.options(), targets=CLASSES))
    stages = build_backbone(
        spec, registry, options=encoder.use.blueprint(registry).backbone_options, inputs=backbone_inputs(encoder.kind)
    )
    network = graft(encoder.kind, stages, choose_features(spec.features, ("pooled",)), task=task, head="linear", seed=0)
    first = {name: array[:4] for name, array in tokens.tensors.items()}
    load_weights(network, first, encoder.kind, spec=spec, source=encoder.use.weights, registry=registry)
    return network, task


def our_step(network: Network, task: Any, registry: Registry) -> TrainStep:
    """The engine's update of every weight, in lowered layers."""
    trainable = trainable_variables(network, network.names[1:])
    optimizer = GroupedOptimizer(
        trainable, dict.fromkeys(network.names, RATE), Schedule(100_000), rules=Rules(weight_decay=DECAY)
    )
    return train_step(Step(lowered(network, registry), 0, trainable, optimizer, task))
