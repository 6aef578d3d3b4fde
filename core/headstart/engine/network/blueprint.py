"""What a network is built from again, as plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.specs import BackboneSpec, InputSpec, TaskSpec


@dataclass(frozen=True)
class Blueprint:
    """Specs with their options, the weights' preprocessing, and the task's labels: a network but for its weights."""

    backbone: BackboneSpec
    backbone_options: Any
    input: InputSpec
    input_options: Any
    preprocess: Mapping[str, Any]
    task: TaskSpec
    task_options: Any
    head: str
    labels: Mapping[str, Any]


def describe(blueprint: Blueprint) -> dict[str, Any]:
    """The documents that a blueprint is written as, by file name: plain values."""
    return {
        "model.json": {
            "backbone": _builder(blueprint.backbone, blueprint.backbone_options),
            "head": {**_builder(blueprint.task, blueprint.task_options), "head": blueprint.head},
        },
        "preprocess.json": {
            **_builder(blueprint.input, blueprint.input_options),
            "preprocess": dict(blueprint.preprocess),
        },
        "labels.json": dict(blueprint.labels),
    }


def _builder(spec: BackboneSpec | InputSpec | TaskSpec, options: Any) -> dict[str, Any]:
    return {"builder": spec.name, "builder_version": spec.version, "options": dataclasses.asdict(options)}
