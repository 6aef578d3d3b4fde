"""What a network is built from again, as plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.registry import Registry
    from headstart.specs import BackboneSpec, InputKind, InputSpec, TaskSpec, WeightsSpec


@dataclass(frozen=True)
class Blueprint:
    """Specs with their options, the weights' preprocessing, and the task's labels: a network but for its weights.

    Without a task the head gives the `features` as they are; with one they are the task's.
    """

    backbone: BackboneSpec
    backbone_options: Any
    input: InputSpec
    input_options: Any
    preprocess: Mapping[str, Any]
    task: TaskSpec | None = None
    task_options: Any = None
    head: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackboneUse:
    """A backbone by itself, with no task, head, strategy or phases: `spec` with its `options` (None: its own), its
    `weights` (None: random ones of `seed`), and how samples are read (None: by the input kind's defaults).

    Of its features those are taken that `features` names, all of them where that is empty.
    """

    spec: BackboneSpec
    weights: WeightsSpec | Path | None = None
    options: Any = None
    input_options: Any = None
    features: tuple[str, ...] = ()
    seed: int = 0

    @property
    def preprocess(self) -> Mapping[str, Any]:
        """That of the weights, where they are published."""
        return getattr(self.weights, "preprocess", self.spec.preprocess)

    def blueprint(self, registry: Registry) -> Blueprint:
        """What the network is built from again."""
        reading = registry.input_of(self.spec)
        return Blueprint(
            backbone=registry.builder_of(self.spec),
            backbone_options=self.spec.default_options() if self.options is None else self.options,
            input=reading,
            input_options=reading.options() if self.input_options is None else self.input_options,
            preprocess=self.preprocess,
            features=self.features or tuple(feature.name for feature in self.spec.features),
        )

    def kind(self, registry: Registry) -> InputKind:
        """The input kind with the weights' preprocessing; imports no framework."""
        blueprint = self.blueprint(registry)
        from headstart.specs import InputRequest

        request = InputRequest(blueprint.preprocess, blueprint.input_options)
        kind: InputKind = registry.load_target(blueprint.input, blueprint.input.build)(request)
        return kind


def describe(blueprint: Blueprint) -> dict[str, Any]:
    """The documents that a blueprint is written as, by file name: plain values."""
    return {
        "model.json": {
            "backbone": _builder(blueprint.backbone, blueprint.backbone_options),
            "head": _head(blueprint),
        },
        "preprocess.json": {
            **_builder(blueprint.input, blueprint.input_options),
            "preprocess": dict(blueprint.preprocess),
        },
        "labels.json": dict(blueprint.labels),
    }


def _head(blueprint: Blueprint) -> dict[str, Any]:
    if blueprint.task is None:
        return {"features": list(blueprint.features)}
    return {**_builder(blueprint.task, blueprint.task_options), "head": blueprint.head}


def _builder(spec: BackboneSpec | InputSpec | TaskSpec, options: Any) -> dict[str, Any]:
    return {"builder": spec.name, "builder_version": spec.version, "options": dataclasses.asdict(options)}
