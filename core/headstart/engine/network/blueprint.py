"""What a network is built from again: specs with their options, plain values and files; no weights."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.errors import DataError, MissingWeightsError
from headstart.manifest import sha256
from headstart.registry import Registry
from headstart.specs import (
    BackboneSpec,
    HasAssets,
    InputKind,
    InputRequest,
    InputSpec,
    Task,
    TaskSpec,
    WeightsSpec,
)

_ASSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Blueprint:
    """Specs with their options, the weights' preprocessing, and the task's labels: a network but for its weights.

    Without a task the head gives the `features` as they are; with one they are its head's. `input_assets` and
    `task_assets` are the files that go with it, by name. `forms` are those of the payloads that it learned from, where
    the input kind tells some apart.
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
    input_assets: Mapping[str, Path] = field(default_factory=dict)
    task_assets: Mapping[str, Path] = field(default_factory=dict)
    forms: tuple[str, ...] = ()

    def kind(self, registry: Registry) -> InputKind:
        """The input kind with the weights' preprocessing; imports no framework."""
        request = InputRequest(self.preprocess, self.input_options, self.input_assets, self.forms)
        kind: InputKind = registry.load_target(self.input, self.input.build)(request)
        return kind


@dataclass(frozen=True)
class BackboneUse:
    """A backbone by itself, with no task, head, strategy or phases: `spec` with its `options` (None: its own), its
    `weights` (None: random ones of `seed`), and how samples are read: the `input` kind (None: the spec's own, or
    the one that there is), and its options (None: the spec's own, or its defaults).

    Of its features those are taken that `features` names, all of them where that is empty.
    """

    spec: BackboneSpec
    weights: WeightsSpec | Path | None = None
    options: Any = None
    input: InputSpec | None = None
    input_options: Any = None
    features: tuple[str, ...] = ()
    seed: int = 0

    def blueprint(self, registry: Registry) -> Blueprint:
        """What the network is built from again; the preprocessing and the files beside it are those of the weights,
        where they are published. Raises MissingWeightsError where such a file is not here.

        Random weights and those of a bare file have the files of the first published ones, as far as they are here:
        a network from scratch reads the same tokens.
        """
        from headstart.weights.source import locate_assets

        kind = self.input or registry.input_for(self.spec)
        published = self.weights if isinstance(self.weights, WeightsSpec) else None
        return Blueprint(
            backbone=registry.builder_of(self.spec),
            backbone_options=self.spec.default_options() if self.options is None else self.options,
            input=kind,
            input_options=kind.options(**self.spec.input_options(kind))
            if self.input_options is None
            else self.input_options,
            preprocess=published.preprocess if published else self.spec.preprocess,
            features=self.features or tuple(feature.name for feature in self.spec.features),
            input_assets=locate_assets(self.spec, published, registry) if published else self._assets_at_hand(registry),
        )

    def _assets_at_hand(self, registry: Registry) -> Mapping[str, Path]:
        from headstart.weights.source import locate_assets

        try:
            return locate_assets(self.spec, self.spec.weights[0], registry) if self.spec.weights else {}
        except MissingWeightsError:
            return {}  # the input kind knows whether it can do without, and says so


def assets_of(built: InputKind | Task) -> Mapping[str, Path]:
    """The files that an input kind or a task needs to be built again. Raises DataError for a name that is no file's."""
    found = dict(built.assets()) if isinstance(built, HasAssets) else {}
    for name in found:
        verify_asset_name(name)
    return found


def verify_asset_name(name: str) -> None:
    """Raises DataError for a name that could lead out of its folder."""
    if not _ASSET.fullmatch(name):
        raise DataError(f"an asset is called {name!r}; expected the name of a file, such as tokenizer.json")


def digests_of(assets: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 (hex) of each file, by name."""
    return {name: sha256(path) for name, path in sorted(assets.items())}


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
            "assets": digests_of(blueprint.input_assets),
            **({"forms": list(blueprint.forms)} if blueprint.forms else {}),
        },
        "labels.json": dict(blueprint.labels),
    }


def _head(blueprint: Blueprint) -> dict[str, Any]:
    if blueprint.task is None:
        return {"features": list(blueprint.features)}
    return {
        **_builder(blueprint.task, blueprint.task_options),
        "head": blueprint.head,
        "assets": digests_of(blueprint.task_assets),
    }


def _builder(spec: BackboneSpec | InputSpec | TaskSpec, options: Any) -> dict[str, Any]:
    return {"builder": spec.name, "builder_version": spec.version, "options": dataclasses.asdict(options)}
