"""P4, P4j and P5: a step that trains the whole network, and an epoch that trains the top quarter of its cost.

    KERAS_BACKEND=torch python tests/benchmarks/finetune.py
    KERAS_BACKEND=jax python tests/benchmarks/finetune.py

EfficientNet-Lite0 with its published weights on real pictures, float32, AdamW. The step stands beside the same network
in PyTorch by hand (`torch_training`), on either backend, and beside plain Keras `fit`. In P5 ours trains the top stages
from what the frozen ones gave, computed once and not counted; plain `fit` runs the whole network each epoch with the
same layers unfrozen. Which stages those are is measured. Compilation and a first round are left out; sides take turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from lowerings import build, in_turn
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from torch_training import hand_written_step

from headstart.data.order import batches
from headstart.data.prepared import PrepareOptions, prepare
from headstart.data.targets import build_target_kind
from headstart.engine.device import forward, train_step
from headstart.engine.lowering.registry import lower, rules_for
from headstart.engine.network.network import Network
from headstart.engine.network.stages import trainable_variables
from headstart.engine.step import Step, TrainStep
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.registry import load_registry
from headstart.specs import Batch, DatasetRequest, InputRequest, Task

RATE = 1e-6
"""Of every update: small, so that all rounds see about the same numbers."""
SHARE = 0.25
"""Of the forward cost is unfrozen in P5."""


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    backend = keras.backend.backend()
    pictures, targets = read_pictures(given.dataset, given.count, given.size)
    found = [*whole_network(pictures, targets, given), top_quarter(pictures, targets, given)]
    settings = (
        f"{backend}, EfficientNet-Lite0, {given.count} pictures of {given.dataset} at {given.size} px, batches of "
        f"{given.batch_size}, float32, AdamW, {given.rounds} rounds in turn"
    )
    write_ratios(given.json or FOUND / f"finetune-{backend}.json", found, settings=settings)
    show_ratios(found, title=f"Fine-tuning: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    backend = keras.backend.backend()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/finetune-BACKEND.json")
    parser.add_argument("--dataset", default="fashion_mnist", help="fashion_mnist or digits")
    parser.add_argument("--size", type=int, default=128, metavar="PIXELS")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N")
    parser.add_argument("--count", type=int, default=256, metavar="N", help="pictures an epoch")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--quick", action="store_true", help="64 pictures of digits, three rounds")
    given = parser.parse_args()
    if given.quick:
        small = {"dataset": "digits", "count": 64, "rounds": 3}
        parser.set_defaults(**small, json=FOUND / "quick" / f"finetune-{backend}.json")
        given = parser.parse_args()
    return given


def read_pictures(name: str, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, size, size, 3) uint8 pictures, and their classes as int32."""
    registry = load_registry()
    reading, dataset = registry.get("inputs", "image"), registry.get("datasets", name)
    spec = registry.get("backbones", "efficientnet_lite/lite0")
    kind = registry.load_target(reading, reading.build)(InputRequest(spec.preprocess, reading.options(size=size)))
    records = registry.load_target(dataset, dataset.build)(DatasetRequest(None, dataset.options()))
    targets = build_target_kind(registry, "class")
    data = prepare(records, kind, targets, PrepareOptions(limit=count))
    classes = sorted(set(data.values))
    return np.asarray(data.tensors["image"]), np.array([classes.index(each) for each in data.values], np.int32)


def whole_network(pictures: np.ndarray, targets: np.ndarray, given: argparse.Namespace) -> list[Ratio]:
    """P4 on torch, P4j on JAX: ours beside PyTorch by hand; plain `fit` beside both."""
    network, task = build(given.size)
    first, answers = pictures[: given.batch_size], targets[: given.batch_size]
    ours = our_step(network, 0, task)
    mask = np.ones(len(first), np.float32)
    sides = {
        "ours": lambda: ours({"image": first}, {"class": answers}, mask),
        "by hand": hand_written_step(network, first, answers, rate=RATE, fixed=True),
        "by hand, BatchNorm on the batch's statistics": hand_written_step(
            network, first, answers, rate=RATE, fixed=False
        ),
        "plain fit": stock_epoch(network, len(network.stages), first, answers, given.batch_size),
    }
    seconds = dict(zip(sides, in_turn(list(sides.values()), given.rounds), strict=True))
    row = "P4j" if keras.backend.backend() == "jax" else "P4"
    what = f"a step on the whole of Lite0, {given.size} px, batch {given.batch_size}, float32"
    against = "the same in PyTorch by hand, channels last, fused AdamW"
    note = told(seconds)
    return [
        Ratio(row, what, against, ratios_of(seconds, "by hand"), note=note),
        Ratio(row, what, "plain Keras fit", ratios_of(seconds, "plain fit"), counts=False),
    ]


def top_quarter(pictures: np.ndarray, targets: np.ndarray, given: argparse.Namespace) -> Ratio:
    """P5: an epoch of the top stages on stored tensors, beside `fit` of the whole with the same layers unfrozen."""
    network, task = build(given.size)
    fast = lower(network, rules_for(keras.backend.backend(), load_registry()))
    cut, share = quarter(fast, {"image": pictures[: given.batch_size]}, given.rounds)
    below = forward(fast, 0, cut)
    parts = [below({"image": pictures[rows]}) for rows, _ in batches(np.arange(len(pictures)), given.batch_size)]
    stored = {name: np.concatenate([part[name] for part in parts])[: len(pictures)] for name in parts[0]}
    step = our_step(network, cut, task)
    generator = np.random.default_rng(0)

    def epoch() -> None:
        for rows, mask in batches(generator.permutation(len(pictures)), given.batch_size):
            step({name: array[rows] for name, array in stored.items()}, {"class": targets[rows]}, mask)

    learning = len(network.stages) - cut
    sides = [epoch, stock_epoch(network, learning, pictures, targets, given.batch_size)]
    seconds = dict(zip(("ours", "plain fit"), in_turn(sides, given.rounds), strict=True))
    what = (
        f"an epoch of {len(pictures)} on {', '.join(network.names[cut:])} ({share:.0%} of the forward cost) of Lite0, "
        f"{given.size} px, batch {given.batch_size}, float32, {keras.backend.backend()}"
    )
    return Ratio("P5", what, "plain Keras fit", ratios_of(seconds, "plain fit"), note=told(seconds))


def our_step(network: Network, start: int, task: Task) -> TrainStep:
    """The engine's update of every stage from `start` on, in lowered layers."""
    fast = lower(network, rules_for(keras.backend.backend(), load_registry()))
    trainable = trainable_variables(network, network.names[max(start, 1) :])
    rates = dict.fromkeys(network.names, RATE)
    optimizer = GroupedOptimizer(trainable, rates, Schedule(100_000))
    return train_step(Step(fast, start, trainable, optimizer, task))


def stock_epoch(
    network: Network, learning: int, pictures: np.ndarray, targets: np.ndarray, batch_size: int
) -> Callable[[], object]:
    """Plain Keras: `fit` of one epoch on the whole network, its `learning` top stages unfrozen.

    The stages are cloned, since Keras keeps what is frozen in the layers.
    """
    stages = [keras.models.clone_model(stage.model) for stage in network.stages]
    for clone, stage in zip(stages, network.stages, strict=True):
        clone.set_weights(stage.model.get_weights())
    for model in stages[: len(stages) - learning]:
        model.trainable = False
    image = keras.Input(pictures.shape[1:])
    tensors = {"image": image}
    for model in stages[:-1]:
        tensors = model({name: tensors[name] for name in model.input})
    model = keras.Model(image, stages[-1]({"pooled": tensors["pooled"]})["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(RATE), loss, metrics=["accuracy"])
    return lambda: model.fit(pictures, targets, batch_size=batch_size, epochs=1, verbose=0)


def quarter(network: Network, batch: Batch, rounds: int) -> tuple[int, float]:
    """The stage from which on about SHARE of the forward time is spent, and how much it is."""
    inputs, calls = [batch], []
    for place in range(len(network.stages) - 1):
        inputs.append(forward(network, place, place + 1)(inputs[-1]))
    for place, given in enumerate(inputs):
        run = forward(network, place, place + 1)
        calls.append(lambda run=run, given=given: run(given))
    seconds = [min(each) for each in in_turn(calls, rounds)]
    shares = {cut: sum(seconds[cut:]) / sum(seconds) for cut in range(1, len(seconds))}
    cut = min(shares, key=lambda place: abs(shares[place] - SHARE))
    return cut, shares[cut]


def ratios_of(seconds: dict[str, list[float]], control: str) -> tuple[float, ...]:
    """How many times faster ours was, round by round."""
    return tuple(theirs / ours for ours, theirs in zip(seconds["ours"], seconds[control], strict=True))


def told(seconds: dict[str, list[float]]) -> str:
    """Medians and ranges of all sides, and the first control's ratio of fastest rounds, which nothing disturbed."""
    each = "; ".join(f"{side} {middle(values, 3, ' s')}" for side, values in seconds.items())
    ours, control = (min(values) for values in list(seconds.values())[:2])
    return f"{each}. Fastest rounds: {control / ours:.2f}."


if __name__ == "__main__":
    main()
