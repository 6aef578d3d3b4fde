"""What a gradient phase reports while it runs: events, progress, warnings, and the errors that it ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.engine.train.context import TrainContext
from headstart.engine.train.epochs import EpochRecord, Failure
from headstart.engine.train.state import TrainState, known
from headstart.engine.train.weight_averaging import Outcome
from headstart.errors import DivergedError
from headstart.events import EpochDone, WeightsAveraged, WentBack
from headstart.specs import Phase


@dataclass
class PhaseLog:
    """Reports what happens in `phase`, which has so many `steps` an epoch of so many `samples`."""

    phase: Phase
    context: TrainContext
    steps: int
    samples: int

    def label(self, trial: int) -> str:
        """The phase's name, with the rate factor where it runs for several."""
        factors = self.phase.rate_factors
        return self.phase.name if len(factors) == 1 else f"{self.phase.name} x{factors[min(trial, len(factors) - 1)]:g}"

    def epoch(self, state: TrainState, val: Mapping[str, float], *, factor: float, seconds: float, best: bool) -> None:
        """An epoch ended; `factor` is what the rates were multiplied by."""
        self.context.log.emit(
            EpochDone(
                phase=self.label(state.trial),
                epoch=state.epoch,
                epochs=self.phase.epochs,
                train=state.record.metrics(),
                val=known(val),
                rates={stage: rate * factor for stage, rate in self.phase.rates.items()},
                seconds=seconds,
                best=best,
            )
        )

    def progress(self, state: TrainState, record: EpochRecord) -> None:
        """Steps were taken."""
        self.context.log.progress(
            "train",
            min(record.steps * self.context.batch_size, self.samples),
            self.samples,
            "samples",
            phase=self.label(state.trial),
            epoch=state.epoch,
            epochs=self.phase.epochs,
            metrics={"loss": record.total / record.steps},
        )

    def back(self, state: TrainState, reason: str) -> None:
        """Training goes back to the beginning of its epoch."""
        label = self.label(state.trial)
        self.context.log.emit(WentBack(phase=label, epoch=state.epoch, reason=reason))
        self.context.log.warn(f"phase {label!r} goes back to the start of epoch {state.epoch}: {reason}")

    def averaged(self, kind: str, values: Sequence[float], outcome: Outcome) -> None:
        """Weights were averaged: of the trials of these rate factors ("soup"), none where all of them kept the start;
        or with this share ("share")."""
        self.context.log.emit(
            WeightsAveraged(phase=self.phase.name, kind=kind, values=tuple(values), val=known(outcome.metrics))
        )

    def few(self, judged: int) -> None:
        """Val has so few samples that no epoch is chosen on them."""
        self.context.log.warn(
            f"val has {judged} sample{'s' * (judged > 1)}, too few to choose an epoch of phase {self.phase.name!r} on: "
            "the last is kept",
            hint="label more, or give val a larger share of the data",
        )

    def no_better(self, label: str) -> None:
        """No epoch of a trial, nor a mixture of one with the start, was better than the start."""
        self.context.log.warn(
            f"no epoch of phase {label!r} was better on val than its start, which is kept",
            hint="try a smaller --learning-rate or more --epochs",
        )

    def unreached(self, stages: Sequence[str]) -> None:
        """No gradient came to stages that were to learn."""
        self.context.log.warn(
            f"no gradient came to {', '.join(stages)} in phase {self.phase.name!r}: the loss does not depend on it",
            hint="leave it out of --train, or choose another feature, backbone or task",
        )

    def diverged(self, state: TrainState, failure: Failure) -> DivergedError:
        """The error for a loss or gradient that is not finite."""
        data = self.context.source.data
        keys = ", ".join(data.row_keys[row] for row in data.indices("train")[failure.rows][:4])
        what = f"loss became {failure.loss}" if failure.loss - failure.loss else "gradients stopped being finite"
        return DivergedError(
            f"the {what} in phase {self.label(state.trial)!r}, epoch {state.epoch}, step {failure.step} of "
            f"{self.steps}, on the batch with {keys}, ...; {self.context.checkpoints_kept()}",
            hint=f"{self._smaller_rate(state)}, and look at those samples",
        )

    def val_diverged(self, state: TrainState) -> DivergedError:
        """The error for answers on val that are not finite."""
        return DivergedError(
            f"the network's answers on val are not finite after epoch {state.epoch} of phase "
            f"{self.label(state.trial)!r}; {self.context.checkpoints_kept()}",
            hint=self._smaller_rate(state),
        )

    def _smaller_rate(self, state: TrainState) -> str:
        """What to try; a rate is also made smaller by leaving out the largest factors."""
        factors = self.phase.rate_factors
        if state.trial == 0 or len(factors) == 1:
            return "try a smaller --learning-rate"
        return f"leave {factors[state.trial]:g} out of strategy.rate_factors, or try a smaller --learning-rate"
