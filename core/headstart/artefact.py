"""The trained model as data only: no code, no pickle, nothing that names a Python import.

    artefact/manifest.json        schema, versions, size and SHA-256 of every file
             weights.safetensors  every weight under our names, `stage/index/role`
             model.json           backbone and head apart: builder, builder_version, options
             preprocess.json      the input kind, its options, the weights' own preprocessing
             labels.json          what the task needs to answer in names
             assets/input/, assets/task/    files that these are built from, such as a tokenizer, where there are some

Loading checks sizes and hashes, then the schema, builds from the registry with typed options, and assigns arrays by
name with exact shapes.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headstart.atomic import write_directory
from headstart.documents import read_object
from headstart.errors import DataError, PluginError, UsageError
from headstart.manifest import read_manifest, sha256, write_manifest
from headstart.options import parse_options
from headstart.schemas import ARTEFACT

if TYPE_CHECKING:
    from headstart.engine.network import Network
    from headstart.predictor import Predictor
    from headstart.registry import Registry
    from headstart.specs import BackboneSpec, InputKind, InputSpec, Spec, Task, TaskSpec

T = TypeVar("T")
LARGEST_JSON = 64 * 2**20
WEIGHTS = "weights.safetensors"
ASSETS, INPUT, TASK = "assets", "input", "task"
"""The folder of assets, and one in it for each of those who need some."""
_ASSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Blueprint:
    """What an artefact is built from again: specs with their options, the weights' preprocessing, and the labels.

    `input_assets` and `task_assets` are the files that go with it, by name.
    """

    backbone: BackboneSpec
    backbone_options: Any
    input: InputSpec
    input_options: Any
    preprocess: Mapping[str, Any]
    task: TaskSpec
    task_options: Any
    head: str
    labels: Mapping[str, Any]
    input_assets: Mapping[str, Path] = field(default_factory=dict)
    task_assets: Mapping[str, Path] = field(default_factory=dict)


def assets_of(built: InputKind | Task) -> Mapping[str, Path]:
    """The files that an input kind or a task needs to be built again. Raises DataError for a name that is no file's."""
    from headstart.specs import HasAssets

    found = dict(built.assets()) if isinstance(built, HasAssets) else {}
    for name in found:
        _verify_asset_name(name)
    return found


def digests_of(assets: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 (hex) of each file, by name."""
    return {name: sha256(path) for name, path in sorted(assets.items())}


def _verify_asset_name(name: str) -> None:
    if not _ASSET.fullmatch(name):
        raise DataError(f"an asset is called {name!r}; expected the name of a file, such as tokenizer.json")


def write_artefact(target: Path, blueprint: Blueprint, network: Network, *, facts: Mapping[str, Any]) -> None:
    """Write `target` in one step, in place of one that is there; `facts` (versions, backend, licence, ...) go into the
    manifest."""
    from headstart.engine.stages import read_arrays
    from headstart.weights.files import write_safetensors

    def fill(folder: Path) -> None:
        write_safetensors(folder / WEIGHTS, read_arrays(network.learned))
        for name, document in describe(blueprint).items():
            _write_json(folder / name, document)
        for part, assets in ((INPUT, blueprint.input_assets), (TASK, blueprint.task_assets)):
            for name, path in assets.items():
                target = folder / ASSETS / part / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        write_manifest(folder, schema=ARTEFACT, facts=facts)

    write_directory(target, fill, replace=True)


def describe(blueprint: Blueprint) -> dict[str, Any]:
    """The documents of an artefact by file name, as plain values: what it is built from again."""
    return {
        "model.json": {
            "backbone": _builder(blueprint.backbone, blueprint.backbone_options),
            "head": {
                **_builder(blueprint.task, blueprint.task_options),
                "head": blueprint.head,
                "assets": digests_of(blueprint.task_assets),
            },
        },
        "preprocess.json": {
            **_builder(blueprint.input, blueprint.input_options),
            "preprocess": dict(blueprint.preprocess),
            "assets": digests_of(blueprint.input_assets),
        },
        "labels.json": dict(blueprint.labels),
    }


def _builder(spec: BackboneSpec | InputSpec | TaskSpec, options: Any) -> dict[str, Any]:
    return {"builder": spec.name, "builder_version": spec.version, "options": dataclasses.asdict(options)}


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")


@dataclass(frozen=True)
class Artefact:
    """A verified artefact folder. `predict` needs no run folder, recipe or dataset."""

    path: Path
    manifest: Mapping[str, Any]
    blueprint: Blueprint
    registry: Registry

    @classmethod
    def load(cls, path: str | Path, *, registry: Registry | None = None) -> Artefact:
        """Verify and read `path`; builds nothing yet.

        Raises UsageError where there is no artefact, DataError where a file was altered, PluginError where a builder is
        not installed or of another version.
        """
        from headstart.registry import load_registry

        folder = Path(path)
        if not folder.is_dir():
            raise UsageError(f"no artefact at {folder}", hint="give the `artefact` folder of a finished run")
        manifest = read_manifest(folder, schema=ARTEFACT)
        known = registry or load_registry()
        return cls(folder, manifest, _read_blueprint(folder, known), known)

    @cached_property
    def kind(self) -> InputKind:
        """The input kind with this artefact's preprocessing."""
        from headstart.specs import InputRequest

        blueprint = self.blueprint
        build = self.registry.load_target(blueprint.input, blueprint.input.build)
        kind: InputKind = build(InputRequest(blueprint.preprocess, blueprint.input_options, blueprint.input_assets))
        return kind

    @cached_property
    def task(self) -> Task:
        """The task with this artefact's labels."""
        from headstart.specs import TaskRequest

        build = self.registry.load_target(self.blueprint.task, self.blueprint.task.build)
        blueprint = self.blueprint
        request = TaskRequest(blueprint.task_options, labels=blueprint.labels, assets=blueprint.task_assets)
        task: Task = build(request)
        return task

    @cached_property
    def network(self) -> Network:
        """The network with its weights, on this process' backend (chosen now if it was not)."""
        from headstart.backend import activate, choose_backend, loaded_backend

        if loaded_backend() is None:
            activate(choose_backend(None))
        from headstart.engine.graft import build_backbone, graft
        from headstart.engine.stages import assign_arrays
        from headstart.weights.files import read_safetensors

        blueprint = self.blueprint
        inputs = {name: spec.shape for name, spec in self.kind.tensors.items()}
        stages = build_backbone(blueprint.backbone, self.registry, options=blueprint.backbone_options, inputs=inputs)
        network = graft(self.kind, stages, blueprint.backbone.features, task=self.task, head=blueprint.head, seed=0)
        assign_arrays(network.learned, read_safetensors(self.path / WEIGHTS), source=str(self.path / WEIGHTS))
        return network

    @cached_property
    def predictor(self) -> Predictor:
        """From raw input to answer."""
        network = self.network  # builds, and so chooses the backend, before the engine is imported
        from headstart.engine.device import forward
        from headstart.predictor import Predictor

        return Predictor(self.kind, self.task, forward(network, 0, len(network.stages)))

    def predict(self, raw: Any, *, top_k: int = 1) -> Any:
        """See `Predictor.predict`."""
        return self.predictor.predict(raw, top_k=top_k)


def _read_blueprint(folder: Path, registry: Registry) -> Blueprint:
    files = ("model.json", "preprocess.json", "labels.json")
    model, reading, labels = (read_object(folder / name, LARGEST_JSON) for name in files)
    backbone, backbone_options = _read_builder(model, "backbone", "backbones", registry)
    task, task_options = _read_builder(model, "head", "tasks", registry)
    kind, input_options = _read_builder({"input": reading}, "input", "inputs", registry)
    return Blueprint(
        backbone=backbone,
        backbone_options=backbone_options,
        input=kind,
        input_options=input_options,
        preprocess=_part(reading, "preprocess", dict),
        task=task,
        task_options=task_options,
        head=_part(model["head"], "head", str),
        labels=labels,
        input_assets=_read_assets(folder, INPUT, reading),
        task_assets=_read_assets(folder, TASK, model["head"]),
    )


def _read_assets(folder: Path, part: str, document: Mapping[str, Any]) -> dict[str, Path]:
    """The files that a document lists; the manifest has vouched for what is in them."""
    listed = _part(document, "assets", dict)
    for name, digest in listed.items():
        _verify_asset_name(name)
        path = folder / ASSETS / part / name
        if not path.is_file() or sha256(path) != digest:
            raise DataError(f"{path} is not the file that the artefact was made with")
    return {name: folder / ASSETS / part / name for name in listed}


def _read_builder(document: Mapping[str, Any], part: str, kind: str, registry: Registry) -> tuple[Any, Any]:
    described = _part(document, part, dict)
    name, values = _part(described, "builder", str), _part(described, "options", dict)
    version = _part(described, "builder_version", int)
    spec = _find(registry, kind, name)
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


def _find(registry: Registry, kind: str, name: str) -> Any:
    found: Spec
    try:
        found = registry.get(kind, name)
    except UsageError as exc:
        raise PluginError(
            f"the artefact needs {name!r}, which no installed plugin offers", hint=exc.hint or exc.message
        ) from exc
    return found
