"""The gradient phase: epochs of updates, validation after each, the best kept (its start, if nothing was better).

All that going on depends on is in `Standing` and `Machinery`. It is saved after each epoch, and between two steps where
that is asked for, so that a run goes on from any of these places to the same bits; going back after a loss spike or a
shortage of memory is going on from the last epoch's end.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import numpy as np

from headstart.engine.heads import is_better
from headstart.engine.train.checkpoints import Loaded
from headstart.engine.train.context import Conclude, PhaseResult, Place, Training, is_fresh
from headstart.engine.train.epochs import Collected, EpochPlan, Reached
from headstart.engine.train.log import Voice
from headstart.engine.train.machinery import Machinery
from headstart.engine.train.recovery import LESS_MEMORY, MOST, SLOWER, LossSpikedError, is_out_of_memory, shortage_told
from headstart.engine.train.state import Best, Standing
from headstart.engine.train.trainable import Learning
from headstart.engine.train.weight_averaging import Outcome, best_share, greedy_soup
from headstart.errors import HeadstartError, InterruptedRunError
from headstart.eventlog import now
from headstart.events import CheckpointSaved
from headstart.interrupts import Interrupts, deferred
from headstart.specs import HEAD, Phase

ALL = "all epochs"


class _AskedInValidation(Exception):
    """A signal came while val was being answered."""


class GradientPhase:
    """AdamW from `place.cut` on: all epochs, or until patience ends, once for each rate factor."""

    def __init__(self, phase: Phase, training: Training, learning: Learning, place: Place) -> None:
        self._phase, self._training, self._learning, self._place = phase, training, learning, place
        seen = training.source.training(place.cut, views=phase.views, fresh=is_fresh(phase))
        val = training.source.plain(place.cut, "val")
        self._machinery = Machinery(phase, training, learning, seen=seen, val=val)
        self._voice = Voice(phase, training, self._machinery.steps, seen.samples.count)
        self._standing = Standing()
        self._interrupts = Interrupts()
        self._reason = ALL

    def run(self, conclude: Conclude, loaded: Loaded | None = None) -> None:
        """Train, from where `loaded` stands if it is given; `conclude` hears how it ended before that is saved.

        Raises DivergedError at the first loss that is not finite, InterruptedRunError after a signal.
        """
        with deferred(self._training.checkpoints_kept) as self._interrupts:
            if loaded is not None:
                self._go_on(loaded)
            else:
                self._begin()
                self._save_start()
            while self._standing.leg < len(self._phase.rate_factors):
                self._train()
            result = self._conclude()
            conclude(result)
            self._training.save_complete(self._place, self._phase, result, self._learning.changed)
            self._end_if_asked()

    # --- epochs ------------------------------------------------------------------------------------------------------

    def _train(self) -> None:
        """One epoch, and what follows it."""
        ended, shortage = None, ""
        try:
            ended = self._epoch()
        except LossSpikedError as exc:
            self._slow_down(exc)
            return
        except Exception as exc:
            if not is_out_of_memory(exc):
                raise
            shortage = self._shortage(exc)
        if shortage:  # only here, where the error is gone, and with it the step's tensors that its traceback held
            self._halve(shortage)
            return
        better = self._leads(self._standing.epoch - 1)
        if ended is not None:
            self._reason = ended
            self._next_leg()
        if ended is None or not self._concludes_at_once():
            self._save(anchor=True, best=better and ended is None)
            self._end_if_asked()

    def _epoch(self) -> str | None:
        """Train and validate one epoch; why the leg ends with it, None where it goes on."""
        standing, phase, started = self._standing, self._phase, time.monotonic()
        plan = EpochPlan(standing.epoch, self._watch, standing.begun, self._training.checkpoint_every or 0)
        outcome = self._machinery.epochs.run(plan)
        if outcome.failure:
            self._hear(outcome.seen.losses)  # how many steps a call takes must not decide between the two
            raise self._voice.diverged(standing, outcome.failure)
        standing.begun = outcome.seen
        found = self._validated_epoch()
        if self._is_better(found.metrics, standing.best.metrics) or (phase.shares and not standing.best.epoch):
            standing.best = found  # what is mixed with the start is no start, even if that is better
        factor = self._machinery.optimizer.factor
        seconds, leads = time.monotonic() - started, self._leads(standing.epoch)
        self._voice.epoch(standing, found.metrics, factor=factor, seconds=seconds, best=leads)
        waited = standing.epoch - standing.best.epoch
        standing.taken += self._machinery.steps
        standing.epoch += 1
        standing.begun = Collected()
        standing.guard.next_epoch()
        if phase.patience and waited >= phase.patience:
            return f"no better for {phase.patience} epochs"
        return ALL if standing.epoch > phase.epochs else None

    def _leads(self, epoch: int) -> bool:
        """Whether that epoch is the best so far of its leg, the start among them."""
        best, start = self._standing.best, self._standing.start
        return best.epoch == epoch and (not self._phase.shares or self._is_better(best.metrics, start.metrics))

    def _validated_epoch(self) -> Best:
        try:
            with self._machinery.averaged():
                answers = self._answers(asking=True)
                return Best(self._standing.epoch, self._metrics(answers), self._machinery.changed(), answers)
        except _AskedInValidation:
            self._save(anchor=False, best=False)
            self._end_if_asked()
            raise

    def _watch(self, reached: Reached) -> None:
        """Between two steps: the guard, progress, a checkpoint, and signals."""
        standing, every = self._standing, self._training.checkpoint_every
        self._hear(reached.losses)
        self._voice.progress(standing, reached)
        due = every is not None and reached.steps % every == 0 and reached.steps < self._machinery.steps
        if due or self._interrupts.asked:
            standing.begun = reached.collect()
            self._machinery.epochs.sync()
            self._save(anchor=False, best=False)
        self._end_if_asked()

    def _hear(self, losses: np.ndarray) -> None:
        """Raises LossSpikedError where the losses of the epoch so far say so, and that was met less than MOST times."""
        if self._standing.spikes < MOST:
            self._standing.guard.hear(losses.tolist())

    def _end_if_asked(self) -> None:
        if signal := self._interrupts.asked:
            raise InterruptedRunError(f"stopped by {signal}; {self._training.checkpoints_kept()}")

    def _answers(self, *, asking: bool = False) -> dict[str, np.ndarray]:
        """What the network as it is answers on val. Raises DivergedError where that is not finite."""

        def look() -> None:
            if asking and self._interrupts.asked:
                raise _AskedInValidation

        answers = self._machinery.answers(look)
        if not all(np.isfinite(each).all() for each in answers.values()):
            raise self._voice.lost(self._standing)
        return answers

    def _metrics(self, answers: Mapping[str, np.ndarray]) -> Mapping[str, float]:
        return self._training.task.metrics(self._training.targets["val"], answers)

    # --- legs: the phase once for each rate factor, and what is made of them -----------------------------------------

    def _begin(self) -> None:
        """The state of the first leg before its first update, which is that of the others too."""
        answers = self._answers()
        self._standing.best = Best(0, self._metrics(answers), self._machinery.start, answers)
        if not self._concludes_at_once():
            self._standing.start = self._standing.best
        self._follow()

    def _next_leg(self) -> None:
        """Keep what a leg came to, and begin the next one where this one began."""
        done = self._standing
        if done.best.epoch == 0:
            self._voice.no_better(self._voice.label(done.leg))
        leg = done.leg + 1
        is_last = leg == len(self._phase.rate_factors)
        self._standing = Standing(
            leg=leg,
            taken=done.taken,
            parts=done.parts,
            shortages=done.shortages,
            best=done.best if is_last else done.start,
            start=done.start,
            outcomes=[*done.outcomes, Outcome(done.best.arrays, done.best.metrics)],
            best_epochs=[*done.best_epochs, done.best.epoch],
        )
        if not is_last:
            self._machinery.begin_again()
            self._follow()

    def _concludes_at_once(self) -> bool:
        """Whether nothing is left to compute after the last epoch."""
        return len(self._phase.rate_factors) == 1 and not self._phase.shares

    def _conclude(self) -> PhaseResult:
        """Set the weights that the phase came to: the best epoch's, or a soup's, or an interpolation with the start."""
        standing, phase = self._standing, self._phase
        soup = greedy_soup(standing.outcomes, self._measured, self._is_better)
        chosen, averaged, best_epoch = soup.outcome, {}, standing.best_epochs[soup.members[0]]
        if len(standing.outcomes) > 1:
            learned = any(standing.best_epochs[place] for place in soup.members)
            averaged["soup"] = [phase.rate_factors[place] for place in soup.members] if learned else []
            self._voice.averaged("soup", averaged["soup"], chosen)
        if phase.shares:
            start = Outcome(standing.start.arrays, standing.start.metrics)
            found = best_share(start, chosen, phase.shares, self._measured, self._is_better)
            chosen, averaged["share"] = found.outcome, [found.share]
            self._voice.averaged("share", averaged["share"], chosen)
            if not found.share:
                best_epoch = 0
                self._voice.no_better(phase.name)
        if unreached := self._machinery.unreached():
            self._voice.unreached(unreached)
        self._machinery.assign(chosen.arrays)
        return PhaseResult(
            phase.name,
            phase.train,
            best_epoch,
            chosen.metrics,
            self._reason,
            standing.taken,
            trained=self._machinery.trained(),
            averaged=averaged,
            answers=standing.best.answers if self._concludes_at_once() else self._answers(),
        )

    def _measured(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, float]:
        self._machinery.assign(arrays)
        return self._metrics(self._answers())

    def _is_better(self, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
        return is_better(self._training.task, new, old)

    # --- going back, going on, and saving ----------------------------------------------------------------------------

    def _slow_down(self, spiked: LossSpikedError) -> None:
        before = self._standing
        reason = (
            f"the mean loss of the last steps rose from {spiked.low:.3g} to {spiked.mean:.3g} at step {spiked.step}; "
            f"all rates are multiplied by {SLOWER}"
        )
        self._go_back(reason, slower=before.slower * SLOWER, spikes=before.spikes + 1)

    def _shortage(self, error: BaseException) -> str:
        """What memory did not suffice for, in a line. Raises HeadstartError where batches were halved often enough."""
        before, size, what = self._standing, self._training.batch_size, shortage_told(error)
        if before.shortages >= MOST or before.parts * 2 > size:
            raise HeadstartError(
                f"memory does not suffice for phase {self._phase.name!r}, with each batch of {size} computed in "
                f"{before.parts} parts: {what}; {self._training.checkpoints_kept()}",
                hint=LESS_MEMORY,
            ) from error
        return what

    def _halve(self, shortage: str) -> None:
        """Go on with batches in twice as many parts."""
        before, size = self._standing, self._training.batch_size
        parts = before.parts * 2
        reason = (
            f"memory did not suffice ({shortage}); each batch of {size} is now computed in {parts} parts of "
            f"{-(-size // parts)}, whose gradients are added up"
        )
        if self._learning.training > {HEAD}:
            reason += "; BatchNorm takes the statistics of a part"
        self._go_back(reason, parts=parts, shortages=before.shortages + 1)

    def _go_back(self, reason: str, **met: float) -> None:
        """Stand at the last epoch's end, but for what was met since: that holds from there on, of either kind."""
        before = self._standing
        self._go_on(self._training.checkpoints.go_back(self._training.log.warn, self._is_of_this_leg))
        kept = {name: getattr(before, name) for name in ("parts", "slower", "spikes", "shortages")}
        self._standing = dataclasses.replace(self._standing, **{**kept, **met})
        self._follow()
        self._voice.back(self._standing, reason)

    def _is_of_this_leg(self, loaded: Loaded) -> bool:
        """Whether it is within this leg of this phase, or the beginning of both: the end of the phase before."""
        facts = loaded.facts
        if facts["complete"]:
            return int(facts["phase"]) == self._place.index - 1 and self._standing.leg == 0
        return int(facts["phase"]) == self._place.index and facts["standing"]["leg"] == self._standing.leg

    def _go_on(self, loaded: Loaded) -> None:
        """Stand where `loaded` stands: in this phase, or at the end of the one before: this one's beginning."""
        if loaded.facts["complete"]:
            self._machinery.begin_again()
            self._standing = Standing()
            self._begin()
            return
        self._standing = Standing.of(loaded.facts["standing"], loaded.groups)
        self._reason = loaded.facts["reason"]
        self._machinery.restore(loaded)
        self._follow()

    def _follow(self) -> None:
        """Compute in the parts, and at the rates, of where training stands."""
        standing, factors = self._standing, self._phase.rate_factors
        self._machinery.in_parts(standing.parts)
        self._machinery.optimizer.factor = factors[min(standing.leg, len(factors) - 1)] * standing.slower

    def _save_start(self) -> None:
        """Where training goes back to in its first epoch; the end of the phase before is the same place."""
        if self._training.checkpoints.last is None:
            self._save(anchor=True, best=False)

    def _save(self, *, anchor: bool, best: bool) -> None:
        standing, checkpoints = self._standing, self._training.checkpoints
        step = self._place.first_step + standing.taken + standing.begun.steps
        facts = {
            **self._training.shared_facts(self._place, self._phase),
            "complete": False,
            **self._machinery.facts(),
            "standing": standing.facts(),
            "reason": self._reason,
        }
        groups = {**self._machinery.groups(), **standing.groups()}
        path = checkpoints.save(step, groups, facts=facts, best=best, anchor=anchor)
        self._training.log.emit(CheckpointSaved(time=now(), path=path.name, step=step, best=best))
