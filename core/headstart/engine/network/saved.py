"""A network in a folder, as data only: written in one step, verified and built again from the registry.

    manifest.json        schema, versions, size and SHA-256 of every file
    weights.safetensors  every weight under our names, `stage/index/role`
    model.json           backbone and head apart: builder, builder_version, options
    preprocess.json      the input kind, its options, the weights' own preprocessing
    labels.json          what the task needs to answer in names
    assets/input/, assets/task/    files that these are built from, such as a tokenizer, where there are some

Loading checks sizes and hashes, then the schema, builds from the registry with typed options, and assigns arrays by
name with exact shapes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from headstart.atomic import write_directory
from headstart.documents import read_object
from headstart.engine.network.blueprint import Blueprint, describe, verify_asset_name
from headstart.engine.network.network import Network
from headstart.errors import DataError, PluginError, UsageError
from headstart.manifest import ARTEFACT, read_manifest, sha256, write_manifest
from headstart.options import parse_options
from headstart.registry import Registry, load_registry
from headstart.shown import Shown
from headstart.spans import span
from headstart.specs import (
    InputKind,
    Task,
    TaskRequest,
    TaskSpec,
    features_of_head,
)

T = TypeVar("T")
LARGEST_JSON = 64 * 2**20
WEIGHTS = "weights.safetensors"
ASSETS, INPUT, TASK = "assets", "input", "task"
"""The folder of assets, and one in it for each of those who need some."""


@span("writing networks")
def save_network(target: Path, blueprint: Blueprint, network: Network, *, facts: Mapping[str, Any]) -> None:
    """Write `target` in one step, in place of one that is there; `facts` (versions, backend, licence, ...) go into the
    manifest."""
    from headstart.engine.network.stages import read_arrays
    from headstart.weights.files import write_safetensors

    def fill(folder: Path) -> None:
        write_safetensors(folder / WEIGHTS, read_arrays(network.learned))
        for name, document in describe(blueprint).items():
            text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
            (folder / name).write_text(text + "\n", "utf-8")
        for part, assets in ((INPUT, blueprint.input_assets), (TASK, blueprint.task_assets)):
            for name, path in assets.items():
                copied = folder / ASSETS / part / name
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copied)
        write_manifest(folder, schema=ARTEFACT, facts=facts)

    write_directory(target, fill, replace=True)


@dataclass(frozen=True, repr=False)
class SavedNetwork(Shown):
    """A verified folder that `save_network` wrote."""

    path: Path
    manifest: Mapping[str, Any]
    blueprint: Blueprint
    registry: Registry

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`."""
        task = self.blueprint.task
        return {
            "path": str(self.path),
            "backbone": self.blueprint.backbone.name,
            "input": self.blueprint.input.name,
            "task": None if task is None else task.name,
            "head": self.blueprint.head,
        }

    @classmethod
    @span("reading networks")
    def load(cls, path: str | Path, *, registry: Registry | None = None) -> Self:
        """Verify and read `path`; builds nothing yet.

        Raises UsageError where there is no artefact, DataError where a file was altered, PluginError where a builder is
        not installed or of another version.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise UsageError(f"no artefact at {folder}", hint="give the `artefact` folder of a finished run")
        manifest = read_manifest(folder, schema=ARTEFACT)
        known = registry or load_registry()
        return cls(folder, manifest, _read_blueprint(folder, known), known)

    @cached_property
    def kind(self) -> InputKind:
        """The input kind with this artefact's preprocessing."""
        return self.blueprint.kind(self.registry)

    @property
    def task_spec(self) -> TaskSpec:
        """The task that the head is for. Raises ValueError where the network was saved without one."""
        if self.blueprint.task is None:
            raise ValueError(f"{self.path} holds a network without a task")
        return self.blueprint.task

    @cached_property
    def task(self) -> Task:
        """The task with this artefact's labels."""
        blueprint = self.blueprint
        request = TaskRequest(
            blueprint.task_options,
            labels=blueprint.labels,
            assets=blueprint.task_assets,
            inputs=self.kind.tensors,
        )
        task: Task = self.registry.load_target(self.task_spec, self.task_spec.build)(request)
        return task

    @cached_property
    def network(self) -> Network:
        """The network with its weights, on this process' backend (chosen now if it was not)."""
        from headstart.backend import activate, choose_backend, loaded_backend

        if loaded_backend() is None:
            activate(choose_backend(None))
        from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft, without_head
        from headstart.engine.network.network import choose_features
        from headstart.engine.network.stages import built_with
        from headstart.weights.files import read_safetensors

        blueprint, offered = self.blueprint, self.blueprint.backbone.features

        def build() -> Network:
            inputs, options = backbone_inputs(self.kind), blueprint.backbone_options
            stages = build_backbone(blueprint.backbone, self.registry, options=options, inputs=inputs)
            if blueprint.task is None:
                return without_head(self.kind, stages, offered, blueprint.features)
            features = choose_features(offered, features_of_head(blueprint.task, blueprint.head))
            return graft(self.kind, stages, features, task=self.task, head=blueprint.head, seed=0)

        weights = self.path / WEIGHTS
        return built_with(build, read_safetensors(weights), source=str(weights))


def _read_blueprint(folder: Path, registry: Registry) -> Blueprint:
    files = ("model.json", "preprocess.json", "labels.json")
    model, reading, labels = (read_object(folder / name, LARGEST_JSON) for name in files)
    backbone, backbone_options = _read_builder(model, "backbone", "backbones", registry)
    kind, input_options = _read_builder({"input": reading}, "input", "inputs", registry)
    whole = Blueprint(
        backbone=backbone,
        backbone_options=backbone_options,
        input=kind,
        input_options=input_options,
        preprocess=_part(reading, "preprocess", dict),
        input_assets=_read_assets(folder, INPUT, reading),
        forms=tuple(map(str, _part({"forms": [], **reading}, "forms", list))),
    )
    head = _part(model, "head", dict)
    if "features" in head:
        return replace(whole, features=tuple(_part(head, "features", list)))
    task, task_options = _read_builder(model, "head", "tasks", registry)
    return replace(
        whole,
        task=task,
        task_options=task_options,
        head=_part(head, "head", str),
        labels=labels,
        task_assets=_read_assets(folder, TASK, head),
    )


def _read_assets(folder: Path, part: str, document: Mapping[str, Any]) -> dict[str, Path]:
    """The files that a document lists; the manifest has vouched for what is in them."""
    listed = _part(document, "assets", dict)
    for name, digest in listed.items():
        verify_asset_name(name)
        path = folder / ASSETS / part / name
        if not path.is_file() or sha256(path) != digest:
            raise DataError(f"{path} is not the file that the artefact was made with")
    return {name: folder / ASSETS / part / name for name in listed}


def _read_builder(document: Mapping[str, Any], part: str, kind: str, registry: Registry) -> tuple[Any, Any]:
    described = _part(document, part, dict)
    name, values = _part(described, "builder", str), _part(described, "options", dict)
    version = _part(described, "builder_version", int)
    try:
        spec: Any = registry.get(kind, name)
    except UsageError as exc:
        raise PluginError(
            f"the artefact needs {name!r}, which no installed plugin offers", hint=exc.hint or exc.message
        ) from exc
    if spec.version != version:
        raise PluginError(
            f"the artefact was made with version {version} of {name}; installed is version {spec.version}",
            hint=f"install the release of {spec.plugin!r} that has version {version} of it",
        )
    options, problems = parse_options(spec.options, values, part)
    if problems:
        raise DataError(f"the artefact's options for {name}: {'; '.join(map(str, problems))}")
    return spec, options


def _part(document: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = document.get(name)
    if not isinstance(value, kind):
        raise DataError(f"the artefact's description should have {name!r} as {kind.__name__}, has {value!r:.100}")
    return value
