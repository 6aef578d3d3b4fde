"""What a gradient phase says while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.engine.train.context import Training
from headstart.engine.train.epochs import Collected, Failure, Reached
from headstart.engine.train.state import Standing
from headstart.engine.train.weight_averaging import Outcome
from headstart.errors import DivergedError
from headstart.eventlog import now
from headstart.events import EpochDone, WeightsAveraged, WentBack
from headstart.specs import Phase


@dataclass
class Voice:
    """Says what happens in `phase`, which has so many `steps` an epoch of so many `samples`."""

    phase: Phase
    training: Training
    steps: int
    samples: int

    def label(self, leg: int) -> str:
        """The phase's name, with the rate factor where it runs for several."""
        factors = self.phase.rate_factors
        return self.phase.name if len(factors) == 1 else f"{self.phase.name} x{factors[min(leg, len(factors) - 1)]:g}"

    def epoch(self, standing: Standing, val: Mapping[str, float], *, factor: float, seconds: float, best: bool) -> None:
        """An epoch ended; `factor` is what the rates were multiplied by."""
        training, seen = self.training, standing.begun
        training.log.emit(
            EpochDone(
                time=now(),
                phase=self.label(standing.leg),
                epoch=standing.epoch,
                epochs=self.phase.epochs,
                train=self._of_training(seen),
                val=val,
                rates={stage: rate * factor for stage, rate in self.phase.rates.items()},
                seconds=seconds,
                best=best,
            )
        )

    def _of_training(self, seen: Collected) -> dict[str, float]:
        """Metrics on what an epoch saw; of samples that were mixed, whose own labels are half the truth, the loss alone
        that was trained on."""
        view = self.training.source.view
        if view is not None and view.mixes:
            return {"loss": float(seen.losses.mean())}
        return dict(self.training.task.metrics(self.training.targets["train"][seen.rows], seen.outputs))

    def progress(self, standing: Standing, reached: Reached) -> None:
        """Steps were taken."""
        self.training.log.progress(
            "train",
            min(reached.steps * self.training.batch_size, self.samples),
            self.samples,
            "samples",
            phase=self.label(standing.leg),
            epoch=standing.epoch,
            epochs=self.phase.epochs,
            metrics={"loss": float(reached.losses.mean())},
        )

    def back(self, standing: Standing, reason: str) -> None:
        """Training goes back to the beginning of its epoch."""
        label = self.label(standing.leg)
        self.training.log.emit(WentBack(time=now(), phase=label, epoch=standing.epoch, reason=reason))
        self.training.log.warn(f"phase {label!r} goes back to the start of epoch {standing.epoch}: {reason}")

    def averaged(self, kind: str, values: Sequence[float], outcome: Outcome) -> None:
        """Weights were averaged: of the legs of these rate factors ("soup"), none where all of them kept the start; or
        with this share ("share")."""
        self.training.log.emit(
            WeightsAveraged(time=now(), phase=self.phase.name, kind=kind, values=tuple(values), val=outcome.metrics)
        )

    def no_better(self, label: str) -> None:
        """No epoch of a leg, nor a mixture of one with the start, was better than the start."""
        self.training.log.warn(
            f"no epoch of phase {label!r} was better on val than its start, which is kept",
            hint="try a smaller --learning-rate or more --epochs",
        )

    def unreached(self, stages: Sequence[str]) -> None:
        """No gradient came to stages that were to learn."""
        self.training.log.warn(
            f"no gradient came to {', '.join(stages)} in phase {self.phase.name!r}: the loss does not depend on it",
            hint="leave it out of --train, or choose another feature, backbone or task",
        )

    def diverged(self, standing: Standing, failure: Failure) -> DivergedError:
        """The error for a loss or gradient that is not finite."""
        data = self.training.source.data
        keys = ", ".join(data.keys[row] for row in data.indices("train")[failure.rows][:4])
        what = f"loss became {failure.loss}" if failure.loss - failure.loss else "gradients stopped being finite"
        return DivergedError(
            f"the {what} in phase {self.label(standing.leg)!r}, epoch {standing.epoch}, step {failure.step} of "
            f"{self.steps}, on the batch with {keys}, ...; {self.training.checkpoints_kept()}",
            hint=f"{self._smaller_rate(standing)}, and look at those samples",
        )

    def lost(self, standing: Standing) -> DivergedError:
        """The error for answers that are not finite."""
        return DivergedError(
            f"the network's answers on val are not finite after epoch {standing.epoch} of phase "
            f"{self.label(standing.leg)!r}; {self.training.checkpoints_kept()}",
            hint=self._smaller_rate(standing),
        )

    def _smaller_rate(self, standing: Standing) -> str:
        """What to try; a rate is also made smaller by leaving out the largest factors."""
        factors = self.phase.rate_factors
        if standing.leg == 0 or len(factors) == 1:
            return "try a smaller --learning-rate"
        return f"leave {factors[standing.leg]:g} out of strategy.rate_factors, or try a smaller --learning-rate"
