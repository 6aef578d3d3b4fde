"""D2: from picture files to boxes, the whole job after loading.

    KERAS_BACKEND=torch python tests/benchmarks/box_answers.py

Ours is what `headstart predict` runs where pictures are many: an artefact's predictor in the engine that it decides on
and holds equal to stock layers first, here of NanoDet with its published weights and head, on drawn scenes. The control
is the same network in ONNX Runtime, a picture at a time, with decoding and suppression in numpy and pictures read by
Pillow in a thread ahead. Boxes of both are compared. The sides take turns; ratios are of the wall, those of the
processor stand beside them. Beside it also stand stock layers, which answer where pictures are few.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from box_by_hand import DEVIATION, MEAN, STEPS, STRIDES, ByHand
from box_step import in_turn
from PIL import Image
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

from headstart.artefact import Artefact
from headstart.data.ahead import ahead
from headstart.data.made import made_folder
from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft, load_head, load_weights
from headstart.engine.network.blueprint import BackboneUse, Blueprint
from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.saved import save_network
from headstart.registry import Registry, load_registry
from headstart.runs.answering import MANY, predictor_in
from headstart.specs import EngineSpec, TaskRequest

BACKEND = keras.backend.backend()
SCORE, OVERLAP = 0.3, 0.6
"""Of an answer."""
TOLERANCE = 0.01
"""Pixels between the sides of two boxes that are the same one."""


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    registry = load_registry()
    files = pictures(registry, given.count)
    with tempfile.TemporaryDirectory() as scratch:
        found = compare(files, registry, given, Path(scratch))
    settings = (
        f"{BACKEND}, NanoDet with COCO's head, {len(files)} scenes at {given.size} px, float32, {threads()} threads, "
        f"{given.rounds} rounds in turn"
    )
    write_ratios(given.json or FOUND / f"box-answers-{BACKEND}.json", found, settings=settings)
    show_ratios(found, title=f"Boxes of picture files: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/box-answers-BACKEND.json")
    parser.add_argument("--size", type=int, default=320, metavar="PIXELS")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="pictures")
    parser.add_argument("--engine", default="auto", help="as `headstart predict` takes it")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    return parser.parse_args()


def threads() -> int:
    """How many each side may use."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def pictures(registry: Registry, count: int) -> list[Path]:
    """The first scenes of the training side."""
    folder = made_folder(registry.get("datasets", "stamp_scenes"), None)
    assert folder is not None
    return sorted((folder / "train").glob("*.jpg"))[:count]


def saved_detector(registry: Registry, size: int, folder: Path) -> None:
    """An artefact of the published detector at `size` pixels."""
    spec, task_spec, reading = (
        registry.get(*each) for each in (("backbones", "nanodet/coco"), ("tasks", "detection"), ("inputs", "image"))
    )
    weights = spec.weights[0]
    use = BackboneUse(spec, weights, input_options=reading.options(size=size))
    blueprint: Blueprint = use.blueprint(registry)
    kind = blueprint.kind(registry)
    labels = {**weights.head.labels, "size": [size, size], "threshold": SCORE}
    options = task_spec.options(across=1.0)  # as by hand, where classes do not meet
    task = registry.load_target(task_spec, task_spec.build)(TaskRequest(options, labels=labels))
    stages = build_backbone(spec, registry, options=blueprint.backbone_options, inputs=backbone_inputs(kind))
    features = choose_features(spec.features, task_spec.features)
    network = graft(kind, stages, features, task=task, head=weights.head.head, seed=0)
    noise = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), np.uint8)
    load_weights(network, {"image": noise}, kind, spec=spec, source=weights, registry=registry)
    load_head(network, spec, weights, registry)
    blueprint = dataclasses.replace(
        blueprint,
        task=task_spec,
        task_options=options,
        head=weights.head.head,
        labels=task.labels(),
        features=task_spec.features,
    )
    save_network(folder, blueprint, network, facts={})


def compare(files: Sequence[Path], registry: Registry, given: argparse.Namespace, scratch: Path) -> list[Ratio]:
    """The wall's ratio, which counts, and what stands beside it."""
    saved_detector(registry, given.size, scratch / "artefact")
    artefact = Artefact.load(scratch / "artefact", registry=registry)
    by_hand = Control(artefact.network, given.size)
    with predictor_in(artefact, given.engine, files, print, count=MANY) as (predictor, engine):
        sides: dict[str, Callable[[], Any]] = {
            "ours": lambda: list(predictor.answers(files)),
            "by hand": lambda: by_hand.answers(files),
            "ours on stock layers": lambda: list(artefact.predictor.answers(files)),
        }
        expected = by_hand.answers(files)
        apart = {side: difference(artefact, run(), expected) for side, run in sides.items() if side != "by hand"}
        seconds = in_turn(sides, given.rounds, warm=0)
    rates = {side: [len(files) / each for each in taken["wall"]] for side, taken in seconds.items()}
    told = "; ".join(f"{side} {middle(values, 1)}" for side, values in rates.items())
    what = f"{len(files)} scenes at {given.size} px to boxes of NanoDet, float32, {BACKEND}, {name_of(engine)}"
    against = "ONNX Runtime, decoding and suppression by hand in numpy"
    row = "D2" if BACKEND == "torch" else "D2j"

    def ratios(side: str, clock: str) -> tuple[float, ...]:
        return tuple(
            theirs / ours for ours, theirs in zip(seconds[side][clock], seconds["by hand"][clock], strict=True)
        )

    found = [
        Ratio(
            row,
            what,
            against,
            ratios("ours", "wall"),
            f"Pictures a second: {told}. {apart['ours']}.",
            holds="differ" not in apart["ours"],
        ),
        Ratio(row, f"processor time of {what}", against, ratios("ours", "processor"), counts=False),
    ]
    return found + [
        Ratio(row, f"{what}, {side}", against, ratios(side, "wall"), f"{told}.", counts=False)
        for side, told in apart.items()
        if side != "ours"
    ]


def name_of(engine: EngineSpec | None) -> str:
    """How a row calls it."""
    return "stock layers" if engine is None else f"backbone in {engine.short_name}"


class Control:
    """The network of `like` in ONNX Runtime, and what comes before and after by hand."""

    def __init__(self, like: Network, size: int) -> None:
        import onnxruntime as runtime

        graph = io.BytesIO()
        example = torch.zeros(1, 3, size, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(ByHand(like, rate=0.0).model, (example,), graph, dynamo=False, input_names=["images"])
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = runtime.InferenceSession(graph.getvalue(), options, providers=["CPUExecutionProvider"])
        self._size = size
        grids = [np.mgrid[: size // stride, : size // stride].reshape(2, -1)[::-1].T for stride in STRIDES]
        pairs = list(zip(grids, STRIDES, strict=True))
        self._centres = np.concatenate([(grid + 0.5) * stride for grid, stride in pairs])
        self._strides = np.concatenate([np.full(len(grid), stride) for grid, stride in pairs])

    def answers(self, files: Sequence[Path]) -> list[list[tuple[int, float, np.ndarray]]]:
        """Of each picture its boxes: class, score, corners; the next ones are read while one runs."""
        return [self._boxes(*self._session.run(None, {"images": each})) for each in ahead(map(self._read, files))]

    def _read(self, file: Path) -> np.ndarray:
        """(1, 3, size, size) float32 of a square picture."""
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        if picture.size != (self._size, self._size):
            picture = picture.resize((self._size, self._size), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture)[:, :, ::-1].astype(np.float32)
        pixels = (pixels - np.float32(MEAN)) / np.float32(DEVIATION)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])

    def _boxes(self, logits: np.ndarray, sides: np.ndarray) -> list[tuple[int, float, np.ndarray]]:
        cells, classes = np.nonzero(logits[0] >= np.log(SCORE / (1 - SCORE)))
        scores = 1 / (1 + np.exp(-logits[0, cells, classes].astype(np.float64)))
        shares = np.exp(sides[0, cells] - sides[0, cells].max(-1, keepdims=True))
        away = (shares @ np.arange(STEPS)) / shares.sum(-1) * self._strides[cells, None]
        corners = np.concatenate([self._centres[cells] - away[:, :2], self._centres[cells] + away[:, 2:]], 1)
        corners = corners.clip(0, self._size)
        order = np.argsort(-scores, kind="stable")
        kept: list[int] = []
        while len(order):
            first, order = order[0], order[1:]
            kept.append(first)
            low, high = (
                np.maximum(corners[first, :2], corners[order, :2]),
                np.minimum(corners[first, 2:], corners[order, 2:]),
            )
            shared = (high - low).clip(0).prod(1)
            union = (corners[first, 2:] - corners[first, :2]).prod() - shared
            union = union + (corners[order, 2:] - corners[order, :2]).prod(1)
            order = order[(shared <= OVERLAP * union) | (classes[order] != classes[first])]
        return [(int(classes[row]), float(scores[row]), corners[row]) for row in kept]


def difference(artefact: Artefact, ours: Any, by_hand: Any) -> str:
    """In words, whether boxes of all pictures are the same; scores may lie on either side of the limit."""
    names: Sequence[str] = artefact.task.summary()["classes"]
    found, lacking, largest = 0, 0, 0.0
    for answer, expected in zip(ours, by_hand, strict=True):
        mine = [(names.index(each["class"]), each["score"], np.array(each["box"])) for each in answer["boxes"]]
        found += len(mine)
        for one, other in ((mine, expected), (expected, mine)):
            for kind, score, box in one:
                near = [float(np.abs(box - each[2]).max()) for each in other if each[0] == kind]
                nearest = min(near, default=np.inf)
                if nearest <= TOLERANCE:
                    largest = max(largest, nearest)
                elif score > SCORE + 1e-4:
                    lacking += 1
    same = f"{found} boxes, the same within {largest:.0e} pixels"
    return f"{lacking} of {found} boxes differ" if lacking or not found else same


if __name__ == "__main__":
    main()
