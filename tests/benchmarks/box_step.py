"""D1 and D1j: a step that trains the whole of a detector.

    KERAS_BACKEND=torch python tests/benchmarks/box_step.py
    KERAS_BACKEND=jax python tests/benchmarks/box_step.py

NanoDet with its published weights below a new plain head, on drawn scenes, float32, AdamW, every layer learns. Beside
it stand the same network, assignment and loss in PyTorch by hand (`box_by_hand.py`), on either backend. Losses and
gradients of both on the same weights are compared first. The sides take turns; ratios are of the wall, those of the
processor stand beside them. Compilation and a first round are left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from box_by_hand import ByHand, targets_by_hand
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

from headstart.data.made import made_folder
from headstart.data.prepared import PrepareOptions, prepare
from headstart.data.targets import build_target_kind
from headstart.engine.device import gradient_step, train_step
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft, load_weights
from headstart.engine.network.blueprint import BackboneUse
from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.stages import trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.registry import Registry, load_registry
from headstart.specs import Batch, DatasetRequest, Task, TaskRequest

BACKEND = keras.backend.backend()
RATE = 1e-6
"""Of every update: small, so that all rounds see about the same numbers."""
TOLERANCE = 1e-4
"""Of max(1, standard deviation)."""


class Detector(NamedTuple):
    """A network, its task, and a batch of scenes with their encoded targets."""

    network: Network
    task: Any
    pictures: Batch
    targets: Batch


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    registry = load_registry()
    found = compare(detector(registry, given.size, given.batch_size), registry, given.rounds)
    settings = (
        f"{BACKEND}, NanoDet, {given.batch_size} scenes at {given.size} px, float32, AdamW, {given.rounds} rounds in "
        "turn"
    )
    write_ratios(given.json or FOUND / f"box-step-{BACKEND}.json", found, settings=settings)
    show_ratios(found, title=f"Training a detector: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/box-step-BACKEND.json")
    parser.add_argument("--size", type=int, default=320, metavar="PIXELS")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N")
    parser.add_argument("--rounds", type=int, default=15, metavar="N")
    return parser.parse_args()


def detector(registry: Registry, size: int, count: int) -> Detector:
    """NanoDet below a plain head for the classes of the scenes, and the first `count` scenes."""
    spec, dataset, task_spec = (
        registry.get(*each)
        for each in (("backbones", "nanodet/coco"), ("datasets", "stamp_scenes"), ("tasks", "detection"))
    )
    reading = registry.get("inputs", "image")
    use = BackboneUse(spec, spec.weights[0], input_options=reading.options(size=size))
    kind = use.blueprint(registry).kind(registry)
    request = DatasetRequest(None, dataset.options(), made=made_folder(dataset, None))
    records = registry.load_target(dataset, dataset.build)(request)
    boxes = build_target_kind(registry, "boxes")
    data = prepare(records, kind, boxes, PrepareOptions(limit=2 * count))
    values = [boxes.read(*each) for each in zip(data.values, data.keys, strict=True)]
    task = registry.load_target(task_spec, task_spec.build)(TaskRequest(task_spec.options(), targets=values))
    targets = task.encode(values[:count], data.facts[:count], data.keys[:count])
    task = task.fitted(targets)
    options = use.blueprint(registry).backbone_options
    stages = build_backbone(spec, registry, options=options, inputs=backbone_inputs(kind))
    features = choose_features(spec.features, task_spec.features)
    network = graft(kind, stages, features, task=task, head="plain", seed=0)
    pictures = {"image": np.ascontiguousarray(data.tensors["image"][:count])}
    load_weights(network, pictures, kind, spec=spec, source=spec.weights[0], registry=registry)
    return Detector(network, task, pictures, targets)


def compare(made: Detector, registry: Registry, rounds: int) -> list[Ratio]:
    """The wall's ratio, which counts, and the processor's."""
    network, task, pictures, targets = made
    size, count = pictures["image"].shape[1], len(pictures["image"])
    by_hand, own_targets = ByHand(network, rate=RATE), targets_by_hand(targets, size)
    mask = np.ones(count, np.float32)
    apart = difference(made, registry, by_hand, own_targets)
    ours = train_step(step_of(network, task, registry))
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(pictures, targets, mask),
        "by hand": by_hand.step(pictures["image"], own_targets),
    }
    seconds = in_turn(sides, rounds)
    row = "D1j" if BACKEND == "jax" else "D1"
    what = f"a step on the whole of NanoDet, {size} px, batch {count}, float32"
    against = "the same in PyTorch by hand, channels last, fused AdamW"
    told = "; ".join(f"{side} {middle(taken['wall'], 3, ' s')}" for side, taken in seconds.items())
    note = f"{told}. Losses and gradients differ by at most {apart:.1e}."
    return [
        Ratio(row, what, against, ratios_of(seconds, "wall"), note, holds=apart <= TOLERANCE),
        Ratio(row, f"processor time of {what}", against, ratios_of(seconds, "processor"), counts=False),
    ]


def step_of(network: Network, task: Task, registry: Registry) -> Step:
    """The engine's update of every stage, in lowered layers."""
    trainable = trainable_variables(network, network.names[1:])
    optimizer = GroupedOptimizer(trainable, dict.fromkeys(network.names, RATE), Schedule(100_000))
    return Step(lowered(network, registry), 0, trainable, optimizer, task)


def difference(made: Detector, registry: Registry, by_hand: ByHand, own_targets: Any) -> float:
    """The largest one of a mean loss or a gradient, as a share of max(1, its standard deviation)."""
    network, task, pictures, targets = made
    mask = np.ones(len(pictures["image"]), np.float32)
    loss, gradients = gradient_step(step_of(network, task, registry))(pictures, targets, mask)
    losses, expected = by_hand.gradients(pictures["image"], own_targets)
    pairs = zip([np.array(loss), *gradients], [losses.mean(), *expected], strict=True)
    return max(float(np.abs(one - other).max() / max(1.0, other.std())) for one, other in pairs)


def in_turn(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of the wall and of the processor of each side in each round, after two to warm up; who goes first
    alternates."""
    taken: dict[str, dict[str, list[float]]] = {side: {"wall": [], "processor": []} for side in sides}
    for number in range(-2, rounds):
        for side, run in list(sides.items())[:: 1 if number % 2 else -1]:
            wall, processor = time.perf_counter(), time.process_time()
            run()
            if number >= 0:
                taken[side]["wall"].append(time.perf_counter() - wall)
                taken[side]["processor"].append(time.process_time() - processor)
    return taken


def ratios_of(seconds: dict[str, dict[str, list[float]]], clock: str) -> tuple[float, ...]:
    """How many times faster ours was, round by round."""
    return tuple(theirs / ours for ours, theirs in zip(seconds["ours"][clock], seconds["by hand"][clock], strict=True))


if __name__ == "__main__":
    main()
