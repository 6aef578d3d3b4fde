"""What lowering is worth: seconds a batch in stock and in lowered layers, forward and training, taken in turn.

    KERAS_BACKEND=jax python tests/benchmarks/lowerings.py
    KERAS_BACKEND=torch python tests/benchmarks/lowerings.py

First three layers of a kind in a row, for what each rule gains alone; then whole networks. Compilation is left out (one
batch before the clock starts). The machine is shared with nothing else, or the figures say little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from sweep import show

from headstart.engine.device import forward, train_step
from headstart.engine.lowering.registry import lower, rules_for
from headstart.engine.network.assemble import build_backbone, graft
from headstart.engine.network.lsuv_init import calibration_batch, initialise
from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.stages import assign_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.environment import processor
from headstart.registry import load_registry
from headstart.specs import (
    Backbone,
    Batch,
    FeatureSpec,
    InputRequest,
    PackageFile,
    Stage,
    Task,
    TaskRequest,
    TensorSpec,
)
from headstart.weights.source import load_arrays

layers = keras.layers
DEEP = 3
"""Layers of a kind in a row."""
NETWORKS = ("efficientnet_lite/lite0", "keras_applications/mobilenetv2")


def _normed(layer: Callable[[], keras.Layer]) -> Callable[[], list[keras.Layer]]:
    return lambda: [layer(), layers.BatchNormalization(), layers.ReLU(6.0)]


def _depthwise(kernel: int) -> Callable[[], keras.Layer]:
    return lambda: layers.DepthwiseConv2D(kernel, padding="same", use_bias=False)


def _convolution(filters: int, kernel: int) -> Callable[[], keras.Layer]:
    return lambda: layers.Conv2D(filters, kernel, padding="same", use_bias=False)


CASES: Mapping[str, tuple[Callable[[], list[keras.Layer]], tuple[int, int, int]]] = {
    "depthwise 3x3, 32 x 32 x 144": (lambda: [_depthwise(3)()], (32, 32, 144)),
    "depthwise 5x5, 16 x 16 x 240": (lambda: [_depthwise(5)()], (16, 16, 240)),
    "1x1, 16 x 16 x 240": (lambda: [_convolution(240, 1)()], (16, 16, 240)),
    "3x3, 32 x 32 x 64": (lambda: [_convolution(64, 3)()], (32, 32, 64)),
    "depthwise 3x3, BatchNorm, ReLU6": (_normed(_depthwise(3)), (32, 32, 144)),
    "depthwise 5x5, BatchNorm, ReLU6": (_normed(_depthwise(5)), (16, 16, 240)),
    "1x1, BatchNorm, ReLU6": (_normed(_convolution(240, 1)), (16, 16, 240)),
    "3x3, BatchNorm, ReLU6": (_normed(_convolution(64, 3)), (32, 32, 64)),
    "dense 384, 32 tokens": (lambda: [layers.Dense(384)], (32, 1, 384)),
}
"""Layers that come DEEP times in a row, and their input (height, width, channel)."""


def main() -> None:
    """Measure and print."""
    given = parse()
    rows = [row for what, case in CASES.items() for row in compare(what, _row_of(*case), given)]
    for name in given.networks:
        network, task = build(given.image_size, name)
        shape = (given.batch_size, given.image_size, given.image_size, 3)
        batch = {"image": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}
        rows += compare(name, (network, task, batch), given)
    title = f"Milliseconds a batch of {given.batch_size}, float32, median of {given.repeats}; networks at "
    columns = ("layers", "what", "stock", "lowered", "ratio")
    show(columns, rows, title=f"{title}{given.image_size} px")
    print(f"\nMachine: {processor()}, {keras.backend.backend()}.")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def compare(
    what: str, measured: tuple[Network, Task, Batch], given: argparse.Namespace
) -> list[tuple[str, str, str, str, str]]:
    """A row of the table for forward and for training; none where no rule is for these layers."""
    network, task, batch = measured
    fast = lower(network, rules_for(keras.backend.backend(), load_registry()))
    if fast == network:
        return []
    batch = {name: array[: given.batch_size] for name, array in batch.items()}
    rows = []
    for kind, prepare in (("forward", prepare_forward), ("training step", prepare_training)):
        calls = [prepare(network, each, task, batch) for each in (network, fast)]
        stock, lowered = (statistics.median(each) for each in in_turn(calls, given.repeats))
        rows.append((what, kind, f"{1e3 * stock:.1f}", f"{1e3 * lowered:.1f}", f"{stock / lowered:.2f}"))
    return rows


def _row_of(make: Callable[[], list[keras.Layer]], shape: tuple[int, int, int]) -> tuple[Network, Task, Batch]:
    """A network of one kind of layer, on random float32 inputs."""
    image = keras.Input(shape, name="image")
    tensor = start = keras.Input(shape, name="image")
    for layer in [layer for _ in range(DEEP) for layer in make()]:
        tensor = layer(tensor)
    task = _task()
    pooled = layers.GlobalAveragePooling2D()(tensor)
    backbone = Stage("rows", keras.Model({"image": start}, {"pooled": pooled}))
    feature = FeatureSpec("pooled", "rows", "pooled", ("batch", "channel"), pooled.shape[-1])
    stages = (
        Stage("input", keras.Model({"image": image}, {"image": layers.Identity()(image)})),
        backbone,
        Stage("head", task.head("linear", {"pooled": tuple(pooled.shape)}, 0)),
    )
    batch = calibration_batch({"image": shape}, count=32)
    initialise([backbone], batch)
    return Network(stages, (feature,)), task, batch


def _task() -> Task:
    registry = load_registry()
    spec = registry.get("tasks", "classification/classification")
    task: Task = registry.load_target(spec, spec.build)(TaskRequest(spec.options(), targets=tuple("0123456789")))
    return task


def build(size: int, name: str = NETWORKS[0]) -> tuple[Network, Task]:
    """A ten-class network at `size` pixels, with its published weights where they are on this machine."""
    registry = load_registry()
    spec, reading = registry.get("backbones", name), registry.get("inputs", "image/image")
    weights = next((each for each in spec.weights if isinstance(each.origin, PackageFile)), None)
    request = InputRequest(weights.preprocess if weights else spec.preprocess, reading.options(size=size))
    kind, task = registry.load_target(reading, reading.build)(request), _task()
    shapes = {"image": (size, size, 3)}
    inputs = {name: TensorSpec(shape, "float32") for name, shape in shapes.items()}
    stages = build_backbone(spec, registry, options=spec.options(), inputs=inputs)
    if weights is None:
        initialise(stages, calibration_batch(shapes))
    else:
        arrays = load_arrays(weights, spec, backbone=Backbone(stages), registry=registry)
        assign_arrays(stages, arrays, source=weights.name)
    return graft(kind, stages, choose_features(spec.features, ("pooled",)), task=task, head="linear", seed=0), task


def prepare_forward(_named: Network, computed: Network, _task: Task, batch: Batch) -> Callable[[], object]:
    """One inference of the whole network."""
    run = forward(computed, 0, len(computed.stages))
    return lambda: run(batch)


def prepare_training(named: Network, computed: Network, task: Task, batch: Batch) -> Callable[[], object]:
    """One update of everything, at a rate too small to change the numbers."""
    trainable = trainable_variables(named, named.names[1:])
    rates: Mapping[str, float] = dict.fromkeys(named.names, 1e-12)
    optimizer = GroupedOptimizer(trainable, rates, Schedule(1000))
    step = train_step(Step(computed, 0, trainable, optimizer, task))
    count = len(batch["image"])
    targets, mask = np.arange(count, dtype=np.int32) % 10, np.ones(count, np.float32)
    return lambda: step(batch, {"class": targets}, mask)


def in_turn(calls: Sequence[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Seconds of each call in each round; one round to warm up, then A, B, A, B, ..."""
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for place, call in enumerate(calls):
            started = time.perf_counter()
            call()
            seconds[place].append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
