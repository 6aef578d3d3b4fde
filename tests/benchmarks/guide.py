"""The control of P9: transfer learning in plain Keras, as Keras' guide writes it ("Transfer learning & fine-tuning").

    KERAS_BACKEND=torch python tests/benchmarks/guide.py JOB.json

The head trains alone on the frozen network (Adam, 1e-3), then everything at 1e-5; BatchNorm stays in inference mode
throughout, and the last epoch is what counts. Data, split, weights and preprocessing are those that `headstart fit`
takes: what differs is the recipe. Prints one JSON line.

To unfreeze, the BatchNorm layers are set to `trainable = False` again, as the guide's notes on them ask. Its code block
alone, `base_model(inputs, training=False)`, does not keep them in inference mode: `fit` passes `training=True` over it
(keras #20285), and accuracy collapses. A control must not lose by that, so the statistics are compared at the end.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import make_ready
from headstart.registry import load_registry
from headstart.runs.planning import make_plan

BATCH = 32


def main() -> None:
    """Train and evaluate what JOB.json says."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    registry = load_registry()
    stated = build_recipe(flags=job["flags"], file=Path(job["recipe"]) if job["recipe"] else None)
    with tempfile.TemporaryDirectory() as scratch:
        plan = make_plan(make_ready(stated, registry), Path(scratch))
        print(json.dumps({"samples": plan.data.split.counts, **train(plan, job)}))


def train(plan: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Accuracies of the last epoch, and of the one that was best on val beside it; what learned in the end."""
    import keras
    from stock_backbone import as_keras

    from headstart.runs.execution import load_weights

    keras.utils.set_random_seed(job["flags"]["seed"])
    load_weights(plan)
    splits = {name: _rows(plan, name) for name in ("train", "val", "test")}
    base = as_keras(plan.network.backbone)
    base.trainable = False
    statistics = _statistics(base)
    inputs = keras.Input(plan.kind.tensors["image"].shape)
    x = plan.kind.stage()({"image": inputs})["image"]
    x = keras.layers.Dropout(0.2)(base(x, training=False))
    model = keras.Model(inputs, keras.layers.Dense(len(plan.task.summary()["classes"]))(x))
    best = _Best(keras)
    for epochs, rate in zip(job["epochs"], (1e-3, 1e-5), strict=True):
        model.compile(
            keras.optimizers.Adam(rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(
            *splits["train"],
            batch_size=BATCH,
            epochs=epochs,
            validation_data=splits["val"],
            callbacks=[best.callback],
            verbose=0,
        )
        _unfreeze(base, keras)
    if any((old != new).any() for old, new in zip(statistics, _statistics(base), strict=True)):
        sys.exit("the control's BatchNorm statistics moved: it is not the guide's recipe any more")
    found = {split: _accuracy(model, splits[split]) for split in ("val", "test")}
    learned = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    model.set_weights(best.weights)
    beside = {split: _accuracy(model, splits[split]) for split in ("val", "test")}
    return {**found, "trained": learned, "val_of_epochs": best.heard, "best": beside}


def _unfreeze(base: Any, keras: Any) -> None:
    base.trainable = True
    for layer in base._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _statistics(base: Any) -> list[Any]:
    """A copy of every moving mean and variance. Stops where there are none, as nothing would be compared then."""
    found = [variable.numpy().copy() for variable in base.variables if variable.name.startswith("moving_")]
    return found or sys.exit("the control found no BatchNorm statistics to watch")


class _Best:
    """The weights after the epoch with the highest accuracy on val, over both phases."""

    def __init__(self, keras: Any) -> None:
        self.weights: list[Any] = []
        self.heard: list[float] = []
        self.callback = keras.callbacks.LambdaCallback(on_epoch_end=self._ended)

    def _ended(self, _epoch: int, logs: dict[str, float]) -> None:
        if logs["val_accuracy"] > max(self.heard, default=-1.0):
            self.weights = self.callback.model.get_weights()
        self.heard.append(round(logs["val_accuracy"], 4))


def _rows(plan: Any, split: str) -> tuple[Any, Any]:
    """Pictures (row, height, width, channel) uint8 and classes (row,) of a split."""
    return plan.data.tensors["image"][plan.data.indices(split)], plan.targets(split)["class"]


def _accuracy(model: Any, rows: tuple[Any, Any]) -> float:
    return float(model.evaluate(*rows, batch_size=BATCH, verbose=0)[1])


if __name__ == "__main__":
    main()
