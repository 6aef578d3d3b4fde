"""The drawn scenes with their masks: as files, and as a network that is to learn them takes both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.data.made import made_folder
from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft, load_weights
from headstart.engine.network.blueprint import BackboneUse, Blueprint
from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.saved import save_network
from headstart.registry import Registry
from headstart.specs import Batch, Facts, InputKind, Task, TaskRequest, TaskSpec, features_of_head
from headstart_plugins._mask import Mask

LITE0 = "efficientnet_lite/lite0"
DEVIATION = 0.5
"""Of the last kernels of a head that is to answer with several classes."""


@dataclass(frozen=True)
class Scenes:
    """Pictures of one side as files, and the mask of each; `names` are the classes."""

    files: Sequence[Path]
    masks: Sequence[Mask]
    names: Sequence[str]


@dataclass(frozen=True)
class Segmented:
    """A network for masks, its task, and a batch of scenes: `pictures` as they are fed, `targets` as they are encoded,
    `facts` of each."""

    network: Network
    task: Task
    kind: InputKind
    blueprint: Blueprint
    pictures: Batch
    targets: Batch
    facts: Sequence[Facts]


def scenes(registry: Registry, count: int, side: str = "train") -> Scenes:
    """The first `count` scenes of a side."""
    folder = made_folder(registry.get("datasets", "stamp_scenes"), None)
    assert folder is not None
    names = tuple((folder / "masks" / "classes.txt").read_text("utf-8").split())
    files = sorted((folder / side).glob("*.jpg"))[:count]
    if len(files) < count:
        raise SystemExit(f"{folder / side} has {len(files)} scenes, {count} are asked for")
    masks = []
    for file in files:
        with Image.open(folder / "masks" / side / f"{file.stem}.png") as opened:
            masks.append(Mask(np.asarray(opened), names))
    return Scenes(files, masks, names)


def segmented(registry: Registry, drawn: Scenes, *, size: int, head: str = "lr_aspp") -> Segmented:
    """EfficientNet-Lite0 with its published weights at `size` pixels below a new head, fitted to the scenes: it answers
    with the commonest class, more or less everywhere."""
    spec, reading = registry.get("backbones", LITE0), registry.get("inputs", "image")
    task_spec: TaskSpec = registry.get("tasks", "segmentation")
    use = BackboneUse(spec, spec.weights[0], input_options=reading.options(size=size))
    blueprint = use.blueprint(registry)
    kind = blueprint.kind(registry)
    samples = [kind.prepare(kind.read(file, str(file))) for file in drawn.files]
    facts = [sample.facts for sample in samples]
    pictures = {"image": np.stack([sample.tensors["image"] for sample in samples])}
    request = TaskRequest(task_spec.options(), targets=list(drawn.masks), inputs=kind.tensors)
    task = registry.load_target(task_spec, task_spec.build)(request)
    targets = task.encode(drawn.masks, facts, [file.name for file in drawn.files])
    task = task.fitted(targets)
    stages = build_backbone(spec, registry, options=blueprint.backbone_options, inputs=backbone_inputs(kind))
    features = choose_features(spec.features, features_of_head(task_spec, head))
    network = graft(kind, stages, features, task=task, head=head, seed=0)
    load_weights(network, pictures, kind, spec=spec, source=spec.weights[0], registry=registry)
    return Segmented(network, task, kind, blueprint, pictures, targets, facts)


def enliven(network: Network) -> None:
    """Give the last layers of the head other numbers, so that it answers with several classes, in patches."""
    random = np.random.default_rng(0)
    for layer in network.stages[-1].model.layers:
        if layer.name.startswith("classes_"):
            layer.kernel.assign(random.normal(0, DEVIATION, tuple(layer.kernel.shape)).astype(np.float32))
            layer.bias.assign(np.zeros(tuple(layer.bias.shape), np.float32))


def saved(made: Segmented, registry: Registry, folder: Path, head: str = "lr_aspp") -> None:
    """Write an artefact of the network."""
    spec: TaskSpec = registry.get("tasks", "segmentation")
    blueprint = replace(
        made.blueprint,
        task=spec,
        task_options=spec.options(),
        head=head,
        labels=made.task.labels(),
        features=features_of_head(spec, head),
    )
    save_network(folder, blueprint, made.network, facts={})
