"""S1 and S1j: a step that trains the whole of a network for masks.

    KERAS_BACKEND=torch python tests/benchmarks/mask_step.py
    KERAS_BACKEND=jax python tests/benchmarks/mask_step.py

EfficientNet-Lite0 with its published weights below a new light head, on drawn scenes, float32, AdamW, every layer that
the head sees learns. Beside it stand the same network and loss in PyTorch by hand (`mask_by_hand.py`), on either
backend, padded as PyTorch pads; losses and gradients are compared first with the same padded as the published network
is, which costs copies. transformers' MobileNetV2 for masks stands beside both where there is a Python that has it
(`mask_control.py`). The sides take turns; ratios are of the wall, those of the processor stand beside them. Compilation
and a first round are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from box_answers import threads
from box_step import in_turn, ratios_of
from mask_by_hand import ByHand
from mask_scenes import Segmented, scenes, segmented
from processes import HERE, environment
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

from headstart.engine.device import gradient_step, train_step
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.stages import trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.registry import Registry, load_registry

BACKEND = keras.backend.backend()
CONTROL = Path(".venv/references/transformers/bin/python")
RATE = 1e-6
"""Of every update: small, so that all rounds see about the same numbers."""
TOLERANCE = 1e-4
"""Of max(1, standard deviation)."""


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    registry = load_registry()
    made = segmented(registry, scenes(registry, given.batch_size), size=given.size)
    found = compare(made, registry, given)
    settings = (
        f"{BACKEND}, EfficientNet-Lite0 below lr_aspp, {given.batch_size} scenes at {given.size} px, "
        f"{len(made.task.summary()['classes'])} classes, float32, AdamW, {given.rounds} rounds in turn"
    )
    write_ratios(given.json or FOUND / f"mask-step-{BACKEND}.json", found, settings=settings)
    show_ratios(found, title=f"Training on masks: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control", type=Path, default=CONTROL, help=f"Python with transformers ({CONTROL})")
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/mask-step-BACKEND.json")
    parser.add_argument("--size", type=int, default=256, metavar="PIXELS")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N")
    parser.add_argument("--rounds", type=int, default=15, metavar="N")
    return parser.parse_args()


def compare(made: Segmented, registry: Registry, given: argparse.Namespace) -> list[Ratio]:
    """The wall's ratio, which counts, and what stands beside it."""
    pictures, masks = made.pictures["image"], made.targets["mask"]
    apart = difference(made, registry)
    by_hand, ours = ByHand(made.network, rate=RATE), train_step(step_of(made, registry))
    mask = np.ones(len(pictures), np.float32)
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(made.pictures, made.targets, mask),
        "by hand": by_hand.step(pictures, masks),
    }
    seconds = in_turn(sides, given.rounds)
    row = "S1j" if BACKEND == "jax" else "S1"
    what = f"a step on Lite0 below lr_aspp, {given.size} px, batch {len(pictures)}, float32"
    against = "the same in PyTorch by hand, channels last, fused AdamW"
    told = "; ".join(f"{side} {middle(taken['wall'], 3, ' s')}" for side, taken in seconds.items())
    note = f"{told}. Losses and gradients differ by at most {apart:.1e}."
    found = [
        Ratio(row, what, against, ratios_of(seconds, "wall"), note, holds=apart <= TOLERANCE),
        Ratio(row, f"processor time of {what}", against, ratios_of(seconds, "processor"), counts=False),
    ]
    return found + beside(row, what, seconds["ours"]["wall"], made, given)


def beside(row: str, what: str, ours: list[float], made: Segmented, given: argparse.Namespace) -> list[Ratio]:
    """transformers' network, which has a process of its own and so comes after the others; none where it is absent."""
    if not given.control.is_file():
        print(f"transformers left out: {given.control} is absent; `make bench-setup` brings it")
        return []
    classes = len(made.task.summary()["classes"])
    settings = map(str, (given.size, len(made.pictures["image"]), classes, len(ours), threads()))
    command = [str(given.control), str(HERE / "mask_control.py"), *settings]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    theirs = told["seconds"]
    note = f"{told['what']}, {told['parameters']:,} parameters: {middle(theirs, 3, ' s')}; not in turn."
    against = "transformers' MobileNetV2ForSemanticSegmentation, channels last, fused AdamW"
    return [Ratio(row, what, against, tuple(np.divide(theirs, ours).tolist()), note, counts=False)]


def step_of(made: Segmented, registry: Registry) -> Step:
    """The engine's update of every stage that the head sees, in lowered layers."""
    network = made.network
    names = [name for name in network.names[1:] if name not in network.idle]
    trainable = trainable_variables(network, names)
    optimizer = GroupedOptimizer(trainable, dict.fromkeys(network.names, RATE), Schedule(100_000))
    return Step(lowered(network, registry), 0, trainable, optimizer, made.task)


def difference(made: Segmented, registry: Registry) -> float:
    """The largest one of a mean loss or a gradient, as a share of max(1, its standard deviation), beside the network by
    hand that is padded as ours is."""
    by_hand = ByHand(made.network, rate=RATE, exact=True)
    mask = np.ones(len(made.pictures["image"]), np.float32)
    loss, gradients = gradient_step(step_of(made, registry))(made.pictures, made.targets, mask)
    losses, expected = by_hand.gradients(made.pictures["image"], made.targets["mask"])
    pairs = zip([np.array(loss), *gradients], [losses.mean(), *expected], strict=True)
    return max(float(np.abs(one - other).max() / max(1.0, other.std())) for one, other in pairs)


if __name__ == "__main__":
    main()
