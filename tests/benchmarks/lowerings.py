"""What lowering is worth: seconds a batch in stock and in lowered layers, forward and training, taken in turn.

    KERAS_BACKEND=jax python tests/benchmarks/lowerings.py

EfficientNet-Lite0 with random weights; compilation is left out (one batch before the clock starts).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np
from sweep import show

from headstart.engine.compute import Batch, Step, forward, train_step
from headstart.engine.frozen import trainable_variables
from headstart.engine.graft import build_backbone, graft
from headstart.engine.lowering import lower, rules_for
from headstart.engine.network import Network
from headstart.engine.optimizer import GroupedAdamW
from headstart.environment import processor
from headstart.registry import load_registry
from headstart.specs import InputRequest, Task, TaskRequest


def main() -> None:
    """Measure and print."""
    given = parse()
    network, task = build(given.image_size)
    fast = lower(network, rules_for(keras.backend.backend(), load_registry()))
    shape = (given.batch_size, given.image_size, given.image_size, 3)
    batch = {"image": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}
    rows = []
    for what, prepare in (("forward", prepare_forward), ("training step", prepare_training)):
        calls = [prepare(network, network, task, batch), prepare(network, fast, task, batch)]
        stock, lowered = in_turn(calls, given.repeats)
        rows.append((what, *(f"{value:.3f}" for value in (stock, lowered)), f"{stock / lowered:.1f}"))
    title = f"Seconds a batch of {given.batch_size} at {given.image_size} px, float32, median of {given.repeats}"
    show(("what", "stock", "lowered", "ratio"), rows, title=title)
    print(f"\nMachine: {processor()}, {keras.backend.backend()}.")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def build(size: int) -> tuple[Network, Task]:
    """A ten-class network at `size` pixels."""
    registry = load_registry()
    spec, reading, kind_of_task = (
        registry.get("backbones", "efficientnet_lite/lite0"),
        registry.get("inputs", "image/image"),
        registry.get("tasks", "classification/classification"),
    )
    request = InputRequest(spec.preprocess, reading.options(size=size))
    kind = registry.load_target(reading, reading.build)(request)
    targets = tuple("0123456789")
    task = registry.load_target(kind_of_task, kind_of_task.build)(TaskRequest(kind_of_task.options(), targets=targets))
    stages = build_backbone(spec, registry, options=spec.options(), inputs={"image": (size, size, 3)})
    return graft(kind, stages, spec.features, task=task, head="linear", seed=0), task


def prepare_forward(_named: Network, computed: Network, _task: Task, batch: Batch) -> Callable[[], object]:
    """One inference of the whole network."""
    run = forward(computed, 0, len(computed.stages))
    return lambda: run(batch)


def prepare_training(named: Network, computed: Network, task: Task, batch: Batch) -> Callable[[], object]:
    """One update of everything, at a rate too small to change the numbers."""
    trainable = trainable_variables(named, named.names[1:])
    rates: Mapping[str, float] = dict.fromkeys(named.names, 1e-12)
    optimizer = GroupedAdamW(trainable, rates, steps=1000, warmup=0.0, weight_decay=0.0)
    step = train_step(Step(computed, 0, trainable, optimizer, task))
    count = len(batch["image"])
    targets, mask = np.arange(count, dtype=np.int32) % 10, np.ones(count, np.float32)
    return lambda: step(batch, targets, mask)


def in_turn(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each call; one round to warm up, then A, B, A, B, ..."""
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for place, call in enumerate(calls):
            started = time.perf_counter()
            call()
            seconds[place].append(time.perf_counter() - started)
    return [statistics.median(each) for each in seconds]


if __name__ == "__main__":
    main()
