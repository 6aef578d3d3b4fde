"""P6: epochs of a head on cached features, beside Keras' `fit` on the same array.

    KERAS_BACKEND=torch python tests/benchmarks/heads.py
    KERAS_BACKEND=jax python tests/benchmarks/heads.py

Ours is what a gradient phase runs between two checkpoints: shuffled epochs of AdamW, and all metrics of the training
samples. The control is `fit` with shuffling, Keras' AdamW and accuracy. Both sides get the same float32 array, begin
with one epoch that is timed apart, since it compiles, and then take turns.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

from headstart.data.order import epoch_order
from headstart.engine.network.network import Network
from headstart.engine.network.stages import trainable_variables
from headstart.engine.scoring import Scores
from headstart.engine.step import Step
from headstart.engine.train.device_epochs import make_epochs
from headstart.engine.train.epochs import EpochRecord, Examples, Stored
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.registry import load_registry
from headstart.specs import Stage, TaskRequest

CHANNELS, CLASSES, BATCH = 1280, 10, 32
RATE, DECAY = 1e-4, 1e-4
HEADS: Mapping[str, int | None] = {"linear": None, "mlp": 512}
"""Each with the width of its hidden layer."""
Epochs = Callable[[int], float]
"""Trains so many epochs; returns the accuracy on the training samples in the last."""


@dataclass
class Side:
    """Somebody who trains, the seconds of a first epoch, and of each round."""

    train: Epochs
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    accuracy: float = 0.0

    def run(self, epochs: int) -> float:
        """Train; returns the seconds that it took."""
        started = time.perf_counter()
        self.accuracy = self.train(epochs)
        return time.perf_counter() - started


def main() -> None:
    """Measure, print and write the ratios."""
    given = parse()
    found = [compare(head, rows, given) for rows in given.rows for head in given.heads]
    settings = (
        f"{keras.backend.backend()}, {given.epochs} epochs at batch {BATCH}, {CHANNELS} channels, {CLASSES} classes, "
        f"float32, {given.rounds} rounds in turn, the first epoch left out"
    )
    write_ratios(given.json or FOUND / f"heads-{keras.backend.backend()}.json", found, settings=settings)
    show_ratios(found, title=f"Head epochs on cached features: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/heads-BACKEND.json")
    parser.add_argument("--rows", nargs="+", type=int, default=[1200, 20000], metavar="N", help="samples")
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=HEADS, metavar="NAME")
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="in a round")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true", help="1200 rows, three epochs, three rounds")
    given = parser.parse_args()
    if given.quick:
        path = FOUND / "quick" / f"heads-{keras.backend.backend()}.json"
        parser.set_defaults(rows=[1200], epochs=3, rounds=3, json=path)
        given = parser.parse_args()
    return given


def compare(head: str, rows: int, given: argparse.Namespace) -> Ratio:
    """Both sides, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        return _compare(head, *samples(rows, Path(folder)), given)


def _compare(head: str, features: np.ndarray, labels: np.ndarray, given: argparse.Namespace) -> Ratio:
    rows = len(labels)
    ours, theirs = Side(build_ours(head, features, labels)), Side(build_keras(head, features, labels))
    for side in (ours, theirs):
        side.first = side.run(1)
        side.run(1)  # the second `fit` of a model still sets things up
    for _ in range(given.rounds):
        for side in (ours, theirs):
            side.seconds.append(side.run(given.epochs))
    return Ratio(
        "P6",
        f"{head} head, {rows:,} rows, {keras.backend.backend()}",
        "Keras `fit`",
        tuple(slow / fast for fast, slow in zip(ours.seconds, theirs.seconds, strict=True)),
        note=f"ours {told(ours, rows, given.epochs)}; fit {told(theirs, rows, given.epochs)}",
    )


def told(side: Side, rows: int, epochs: int) -> str:
    """Seconds and microseconds a step, the first epoch, and the accuracy that shows that it learned."""
    steps = epochs * -(-rows // BATCH)
    micro = 1e6 * min(side.seconds) / steps
    return (
        f"{middle(side.seconds, 3, ' s')}, {micro:.0f} us a step at best, first epoch {side.first:.2f} s, "
        f"accuracy {side.accuracy:.2f}"
    )


def samples(rows: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features (rows, CHANNELS) float32 around a centre for each class, mapped from a file as the cache gives them,
    and labels (rows,) int32."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, rows).astype(np.int32)
    centres = 0.1 * generator.normal(size=(CLASSES, CHANNELS))
    path = folder / "features"
    (centres[labels] + generator.normal(size=(rows, CHANNELS))).astype(np.float32).tofile(path)
    return np.memmap(path, np.float32, mode="r", shape=(rows, CHANNELS)), labels


def build_ours(head: str, features: np.ndarray, labels: np.ndarray) -> Epochs:
    """The head of the task `classification`, trained as a gradient phase trains it."""
    registry = load_registry()
    spec = registry.get("tasks", "classification/classification")
    names = tuple(map(str, range(CLASSES)))
    task = registry.load_target(spec, spec.build)(TaskRequest(spec.options(), targets=names))
    width = HEADS[head]
    stage = Stage("head", task.head(head if width is None else f"{head}:{width}", {"pooled": (None, CHANNELS)}, 0))
    network = Network((nothing(), stage), ())
    learning = trainable_variables(network, ("head",))
    optimizer = GroupedOptimizer(learning, {"head": RATE}, Schedule(10**6), rules=Rules(DECAY))
    step = Step(network, 1, learning, optimizer, task)
    stored = Stored(({"@pooled": features},))
    examples = Examples(stored, {"class": labels})
    epochs = make_epochs(step, examples, order=lambda epoch: epoch_order(0, epoch, len(labels)), batch_size=BATCH)
    done = 0

    def train(count: int) -> float:
        nonlocal done
        accuracy = 0.0
        for _ in range(count):
            done += 1
            record = EpochRecord(Scores(task, running=True))
            epochs.run(done, record, lambda _record: None)
            accuracy = record.metrics()["accuracy"]
        return accuracy

    return train


def nothing() -> Stage:
    """A stage below the head; it never runs."""
    given = keras.Input((CHANNELS,), name="pooled")
    return Stage("input", keras.Model({"pooled": given}, {"pooled": keras.layers.Identity()(given)}))


def build_keras(head: str, features: np.ndarray, labels: np.ndarray) -> Epochs:
    """The same head as a plain script writes it."""
    width = HEADS[head]
    hidden = [] if width is None else [keras.layers.Dense(width, activation="relu")]
    model = keras.Sequential([keras.Input((CHANNELS,)), *hidden, keras.layers.Dense(CLASSES)])
    model.compile(
        keras.optimizers.AdamW(RATE, weight_decay=DECAY),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def train(count: int) -> float:
        history = model.fit(features, labels, batch_size=BATCH, epochs=count, shuffle=True, verbose=0)
        return float(history.history["accuracy"][-1])

    return train


if __name__ == "__main__":
    main()
