"""What carries a gradient phase's updates out, and its state as arrays: set, averaged, saved and set again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from headstart.engine.checkpoints import Loaded
from headstart.engine.compute import Forward, Step, forward
from headstart.engine.epochs import Epochs
from headstart.engine.features.source import Seen
from headstart.engine.learning import Learning
from headstart.engine.optimizer import GroupedAdamW, Rules
from headstart.engine.recovery import SmallerBatches
from headstart.engine.samples import Samples, in_order, size_in_order
from headstart.engine.scanned import epochs_of
from headstart.engine.training import Training, copy_of
from headstart.specs import Phase

Arrays = Mapping[str, np.ndarray]
BEGUN_SEEDS = "begun_seeds"
"""The group of a checkpoint with the states of layers that draw as the phase began: each leg begins there."""


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Updates in an epoch; the last batch may be smaller."""
    return math.ceil(samples / batch_size)


class Machinery:
    """The optimizer, the step and its epochs; the network's variables and the optimizer hold the state in between.

    `start` are the weights that the phase changes, as it began.
    """

    def __init__(self, phase: Phase, training: Training, learning: Learning, *, seen: Seen, val: Seen) -> None:
        self._training, self._learning, self._seen, self._val = training, learning, seen, val
        self.steps = steps_per_epoch(seen.samples.count, training.batch_size)
        self.start = self.changed()
        self._initial = {name: copy_of(variable) for name, variable in learning.trainable.items()}
        self._seeds = [copy_of(variable) for variable in training.seeds()]
        self.optimizer = GroupedAdamW(
            learning.trainable,
            phase.rates,
            steps=self.steps * phase.epochs,
            warmup=phase.warmup,
            weight_decay=phase.weight_decay,
            rules=Rules(clip=phase.clip, pull=phase.pull, average=phase.average),
        )
        self.step = Step(
            training.fast,
            seen.start,
            learning.trainable,
            self.optimizer,
            training.task,
            training.precision,
            learning.adapter,
            learning.training,
        )
        self._parts = 1
        self.epochs = self._new_epochs(1)
        self._val_batches = SmallerBatches(
            size_in_order(val.samples, training.batch_size),
            training.batch_size,
            f"to answer val in phase {phase.name!r}",
            training.log.warn,
        )
        fast = training.fast
        self._evaluate: Forward = forward(fast, val.start, len(fast.stages), precision=training.precision)

    def answers(self, between: Any = None) -> dict[str, np.ndarray]:
        """What the network as it is answers on val, (rows, ...); `between` is called after each batch."""
        return self._val_batches(lambda size: run_samples(self._evaluate, self._val.samples, size, between))

    def trained(self) -> dict[str, int]:
        """The numbers that the optimizer moves, by stage; those of an adapter are its factors."""
        counts: Counter[str] = Counter()
        for name, variable in zip(self.optimizer.names, self.optimizer.variables, strict=True):
            counts[name.partition("/")[0]] += math.prod(variable.shape)
        return dict(counts)

    def unreached(self) -> list[str]:
        """The stages that learn and of which no weight has had a gradient since the phase, or its leg, began."""
        reached = {name.partition("/")[0]: False for name in self.optimizer.names}
        for name, second in zip(self.optimizer.names, self.optimizer.second, strict=True):
            reached[name.partition("/")[0]] |= bool(keras.ops.any(second > 0))
        return [stage for stage, is_reached in reached.items() if not is_reached]

    def changed(self) -> dict[str, np.ndarray]:
        """A copy of the network's weights that this phase changes."""
        return {name: copy_of(variable) for name, variable in self._learning.changed.items()}

    def assign(self, arrays: Arrays) -> None:
        """Set weights that this phase changes."""
        for name, array in arrays.items():
            self._learning.changed[name].assign(array)

    def begin_again(self) -> None:
        """As the phase began."""
        self.assign(self.start)
        for name, variable in self._learning.trainable.items():
            variable.assign(self._initial[name])
        for variable, array in zip(self._training.seeds(), self._seeds, strict=True):
            variable.assign(array)
        self.optimizer.begin_again()
        self.epochs.reload()

    def in_parts(self, parts: int) -> None:
        """Compute each batch in so many parts from now on."""
        if parts != self._parts:
            self._parts = parts
            self.epochs = self._new_epochs(parts)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the network has what is validated: the moving average where there is one, an adapter merged."""
        optimizer = self.optimizer
        raw = [copy_of(variable) for variable in optimizer.variables] if optimizer.averages else []
        for variable, average in zip(optimizer.variables, optimizer.averages, strict=False):
            variable.assign(average)
        self._learning.write()
        try:
            yield
        finally:
            for variable, array in zip(optimizer.variables, raw, strict=False):
                variable.assign(array)

    def facts(self) -> dict[str, Any]:
        """What of the state is no array, for a checkpoint."""
        return {"count": self.optimizer.count, "val_batch_size": self._val_batches.size}

    def groups(self) -> dict[str, Arrays]:
        """The arrays of the state, for a checkpoint."""
        optimizer = self.optimizer
        learned = dict(zip(optimizer.names, optimizer.variables, strict=True)) if self._learning.adapter else {}
        return {
            **self._training.shared_groups(self._learning.changed),
            "learned": {name: copy_of(variable) for name, variable in learned.items()},
            "first": _named(optimizer.names, optimizer.first),
            "second": _named(optimizer.names, optimizer.second),
            "averages": _named(optimizer.names, optimizer.averages),
            "start": self.start,
            BEGUN_SEEDS: {str(place): array for place, array in enumerate(self._seeds)},
        }

    def restore(self, loaded: Loaded) -> None:
        """Take over what `facts` and `groups` gave."""
        self._training.restore_shared(loaded.groups)
        if begun := loaded.group(BEGUN_SEEDS):
            self._seeds = [begun[str(place)] for place in range(len(begun))]
        for name, array in loaded.group("learned").items():
            self._learning.trainable[name].assign(array)
        self._val_batches.at_most(loaded.facts["val_batch_size"])
        first, second, averages = (loaded.group(group) for group in ("first", "second", "averages"))
        self.optimizer.restore(first, second, averages, count=loaded.facts["count"])
        self.epochs.reload()

    def _new_epochs(self, parts: int) -> Epochs:
        training = self._training
        return epochs_of(
            self.step,
            self._seen.samples,
            training.targets["train"],
            order=training.order,
            batch_size=training.batch_size,
            parts=parts,
        )


def run_samples(evaluate: Forward, samples: Samples, batch_size: int, between: Any = None) -> dict[str, np.ndarray]:
    """The outputs (rows, ...) of every row of `samples`, in order; `between` is called after each batch."""
    collected: dict[str, list[np.ndarray]] = {}
    for tensors, count in in_order(samples, batch_size):
        for name, value in evaluate(tensors).items():
            collected.setdefault(name, []).append(value[:count])
        if between is not None:
            between()
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def _named(names: tuple[str, ...], tensors: Any) -> dict[str, np.ndarray]:
    """Backend tensors by name; nothing where there are none."""
    return {name: np.array(keras.ops.convert_to_numpy(each)) for name, each in zip(names, tensors, strict=False)}
