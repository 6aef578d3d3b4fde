"""The gradient phase: epochs of updates, validation after each, the best kept (its start, if nothing was better)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import keras
import numpy as np

from headstart.engine.compute import Forward, Step, forward
from headstart.engine.epochs import Epochs, Failure
from headstart.engine.frozen import trainable_variables
from headstart.engine.heads import is_better
from headstart.engine.optimizer import GroupedAdamW
from headstart.engine.samples import Samples, in_order
from headstart.engine.scanned import epochs_of
from headstart.engine.source import Seen
from headstart.engine.training import PhaseResult, Training, is_fresh
from headstart.errors import DivergedError
from headstart.eventlog import now
from headstart.events import CheckpointSaved, EpochDone
from headstart.specs import Phase


@dataclass
class Best:
    """The best epoch so far, 0 being the start: its number, its metrics on val, and a copy of what learns."""

    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Updates in an epoch; the last batch may be smaller."""
    return math.ceil(samples / batch_size)


class GradientPhase:
    """AdamW from `cut` on. `run` trains all epochs or until patience ends, then restores the best epoch."""

    def __init__(self, phase: Phase, training: Training, *, cut: int, first_step: int) -> None:
        self._phase, self._training = phase, training
        fast, source = training.fast, training.source
        self._trainable = trainable_variables(training.network, phase.train)
        self._seen: Seen = source.training(cut, views=phase.views, fresh=is_fresh(phase))
        self._val: Seen = source.plain(cut, "val")
        self._steps = steps_per_epoch(self._seen.samples.count, training.batch_size)
        self._optimizer = GroupedAdamW(
            self._trainable,
            phase.rates,
            steps=self._steps * phase.epochs,
            warmup=phase.warmup,
            weight_decay=phase.weight_decay,
        )
        step = Step(fast, self._seen.start, self._trainable, self._optimizer, training.task, training.precision)
        self._epochs: Epochs = epochs_of(
            step,
            self._seen.samples,
            training.targets["train"],
            seed=training.seed,
            batch_size=training.batch_size,
        )
        self._evaluate: Forward = forward(fast, self._val.start, len(fast.stages), precision=training.precision)
        self._first_step = first_step
        self._best = Best()

    def run(self) -> PhaseResult:
        """Train; returns how it ended. Raises DivergedError at the first loss that is not finite."""
        self._best = Best(0, self._validate(0), self._learned())
        reason, epoch = "all epochs", 0
        for epoch in range(1, self._phase.epochs + 1):
            self._epoch(epoch)
            if self._phase.patience and epoch - self._best.epoch >= self._phase.patience:
                reason = f"no better for {self._phase.patience} epochs"
                break
        for name, array in self._best.arrays.items():
            self._trainable[name].assign(array)
        if self._best.epoch == 0:
            self._warn_no_better()
        return PhaseResult(self._phase.name, self._best.epoch, self._best.metrics, reason, epoch * self._steps)

    def _epoch(self, epoch: int) -> None:
        started = time.monotonic()
        train = self._updates(epoch)
        val = self._validate(epoch)
        better = is_better(self._training.task, val, self._best.metrics)
        arrays = self._learned()
        if better:
            self._best = Best(epoch, val, arrays)
        self._training.log.emit(
            EpochDone(
                time=now(),
                phase=self._phase.name,
                epoch=epoch,
                epochs=self._phase.epochs,
                train=train,
                val=val,
                rates=dict(self._phase.rates),
                seconds=time.monotonic() - started,
                best=better,
            )
        )
        self._save(epoch, arrays, val, better=better)

    def _learned(self) -> dict[str, np.ndarray]:
        """A copy of what learns."""
        return {n: np.array(keras.ops.convert_to_numpy(v), copy=True) for n, v in self._trainable.items()}

    def _warn_no_better(self) -> None:
        self._training.log.warn(
            f"no epoch of phase {self._phase.name!r} was better on val than its start, which is kept",
            hint="try a smaller --learning-rate or more --epochs",
        )

    def _updates(self, epoch: int) -> Mapping[str, float]:
        """One epoch of updates; metrics of the training samples as each batch saw them, before its update."""
        outcome = self._epochs.run(epoch, lambda done, loss: self._tell(epoch, done, loss))
        if outcome.failure:
            raise self._diverged(outcome.failure, epoch)
        training = self._training
        return training.task.metrics(training.targets["train"][outcome.rows], outcome.outputs)

    def _tell(self, epoch: int, done: int, loss: float) -> None:
        self._training.log.progress(
            "train",
            done,
            self._seen.samples.count,
            "samples",
            phase=self._phase.name,
            epoch=epoch,
            epochs=self._phase.epochs,
            metrics={"loss": loss},
        )

    def _diverged(self, failure: Failure, epoch: int) -> DivergedError:
        data, loss = self._training.source.data, failure.loss
        keys = ", ".join(data.keys[row] for row in data.indices("train")[failure.rows][:4])
        what = f"loss became {loss}" if not math.isfinite(loss) else "gradients stopped being finite"
        return DivergedError(
            f"the {what} in phase {self._phase.name!r}, epoch {epoch}, step {failure.step} of {self._steps}, "
            f"on the batch with {keys}, ...; {self._kept()}",
            hint="try a smaller --learning-rate, and look at those samples",
        )

    def _validate(self, epoch: int) -> Mapping[str, float]:
        outputs = run_samples(self._evaluate, self._val.samples, self._training.batch_size)
        if not all(np.isfinite(output).all() for output in outputs.values()):
            raise DivergedError(
                f"the network's answers on val are not finite after epoch {epoch} of phase {self._phase.name!r}; "
                f"{self._kept()}",
                hint="try a smaller --learning-rate",
            )
        return self._training.task.metrics(self._training.targets["val"], outputs)

    def _kept(self) -> str:
        last = self._training.checkpoints.last
        return f"checkpoints/step.{last} holds the last good weights" if last else "no epoch was finished"

    def _save(self, epoch: int, arrays: Mapping[str, np.ndarray], val: Mapping[str, float], *, better: bool) -> None:
        step = self._first_step + epoch * self._steps
        facts = {"phase": self._phase.name, "epoch": epoch, "val": dict(val)}
        path = self._training.checkpoints.save(step, arrays, best=better, facts=facts)
        self._training.log.emit(CheckpointSaved(time=now(), path=path.name, step=step, best=better))


def run_samples(evaluate: Forward, samples: Samples, batch_size: int) -> dict[str, np.ndarray]:
    """The outputs (rows, ...) of every row of `samples`, in order."""
    collected: dict[str, list[np.ndarray]] = {}
    for tensors, count in in_order(samples, batch_size):
        for name, value in evaluate(tensors).items():
            collected.setdefault(name, []).append(value[:count])
    return {name: np.concatenate(parts) for name, parts in collected.items()}
