"""NanoDet with its own head of COCO's classes, as published, on classes of the scenes that are some of COCO's.

    python detected_untrained.py SIZE    prints {"map": ..., "map50": ...} on the scenes of test, at SIZE pixels

A detection of a class that is not in SHARED is left out, and so are boxes of other classes of the scenes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

import numpy as np

from headstart.data.made import made_folder
from headstart.registry import Registry, load_registry
from headstart.specs import DatasetRequest, TaskRequest
from headstart_plugins._boxes import Boxes, Detections
from headstart_plugins.detection._evaluate import BoxEvaluator

SHARED: Mapping[str, tuple[str, ...]] = {
    "bird": ("bird",),
    "fruit": ("banana", "apple", "orange"),
    "mammal": ("cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    "vehicle": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
}
"""Classes of the scenes, and those of COCO that are meant by each."""
KINDS = tuple(SHARED)


def main() -> None:
    """Find, score and print."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    found = scores_of(int(sys.argv[1]), load_registry())
    print(json.dumps(found))


def scores_of(size: int, registry: Registry) -> dict[str, float]:
    """COCO's mAP, and that at an overlap of one half, of the shared classes."""
    from headstart.data.targets import build_target_kind
    from headstart.engine.device import forward
    from headstart.engine.network.assemble import (
        backbone_inputs,
        build_backbone,
        graft,
        load_head,
        load_weights,
    )
    from headstart.engine.network.blueprint import BackboneUse
    from headstart.engine.network.network import choose_features
    from headstart.predictor import Predictor

    spec, dataset, task_spec = (
        registry.get(*each)
        for each in (("backbones", "nanodet/coco"), ("datasets", "stamp_scenes"), ("tasks", "detection"))
    )
    (source,) = spec.weights
    published = source.head
    use = BackboneUse(spec, source, input_options=registry.get("inputs", "image").options(size=size))
    blueprint = use.blueprint(registry)
    kind = blueprint.kind(registry)
    request = TaskRequest(task_spec.options(), labels=published.labels)
    task = registry.load_target(task_spec, task_spec.build)(request)
    stages = build_backbone(spec, registry, options=blueprint.backbone_options, inputs=backbone_inputs(kind))
    features = choose_features(spec.features, task_spec.features)
    network = graft(kind, stages, features, task=task, head=published.head, seed=0)
    pictures = {name: np.zeros((1, *each.shape), each.dtype) for name, each in kind.tensors.items()}
    load_weights(network, pictures, kind, spec=spec, source=source, registry=registry)
    load_head(network, spec, source, registry)

    read = build_target_kind(registry, "boxes").read
    records = registry.load_target(dataset, dataset.build)(
        DatasetRequest(None, dataset.options(), made=made_folder(dataset, None))
    ).items
    records = [record for record in records if record.split == "test"]
    predictor = Predictor(kind, task, forward(network, 0, len(network.stages)))
    evaluator = BoxEvaluator(KINDS)
    places = {name: place for place, kind_name in enumerate(KINDS) for name in SHARED[kind_name]}
    meant = np.array([places.get(name, -1) for name in task.classes])
    truths = iter(records)
    for batch in predictor.answer([record.payload for record in records]):
        for detected in task.found(batch.outputs, batch.facts):
            record = next(truths)
            evaluator.add(_kept(read(record.target, record.key)), _renamed(detected, meant), key=record.key)
    metrics = evaluator.metrics()
    return {name: float(metrics[name]) for name in ("map", "map50")}


def _kept(truth: Boxes) -> Boxes:
    rows = np.array([name in SHARED for name in truth.classes], bool)
    names = tuple(name for name in truth.classes if name in SHARED)
    return Boxes(truth.corners[rows], names, truth.areas[rows], truth.crowd[rows], truth.difficult[rows])


def _renamed(found: Detections, meant: np.ndarray) -> Detections:
    kinds = meant[found.classes]
    return Detections(found.corners[kinds >= 0], found.scores[kinds >= 0], kinds[kinds >= 0])


if __name__ == "__main__":
    main()
