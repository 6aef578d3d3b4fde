"""The gradient phase: epochs of updates, validation after each, the best kept (its start, if nothing was better; the
last, where val has too few answers to tell).

`Trainer.run` is the loop. All that going on depends on is in `TrainState`, the weights and the optimizer. It is saved
after epochs, and between two steps where that is asked for, so that a run goes on from any of these places to the
same bits; going back after a loss spike or a shortage of memory is going on from the last epoch's end that was saved.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from headstart.engine.batch import count_rows, take
from headstart.engine.device import score_step
from headstart.engine.generation import val_generator
from headstart.engine.scoring import ScoredRows, Scores, found_by_calibrator, is_better, scores_of
from headstart.engine.target_lengths import trimmed
from headstart.engine.train.checkpoints import Loaded
from headstart.engine.train.context import Conclude, Place, TrainContext, copy_of, is_fresh
from headstart.engine.train.device_epochs import make_epochs
from headstart.engine.train.epochs import EpochRecord, Epochs, Examples, in_order, size_in_order
from headstart.engine.train.log import PhaseLog
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.recovery import (
    LESS_MEMORY,
    MOST,
    SLOWER,
    LossSpikedError,
    SmallerBatches,
    describe_shortage,
    is_out_of_memory,
)
from headstart.engine.train.state import PhaseResult, TrainState
from headstart.engine.train.trainable import Trainable
from headstart.engine.train.update_rules import update_rule
from headstart.engine.train.weight_averaging import Outcome, best_share, greedy_soup
from headstart.errors import DataError, HeadstartError, InterruptedRunError
from headstart.events import CheckpointSaved
from headstart.interrupts import Interrupts, deferred
from headstart.spans import span
from headstart.specs import HEAD, Batch, Calibrates, Phase

ALL = "all epochs"
BYTES_AN_UPDATE = 2**24
"""Of a checkpoint: an epoch of fewer updates is not saved at its end, but one after it that makes up for them. It is a
number of bytes, and no time, since where a run goes back to after a spike must be the same each time."""
FEW = 10
"""Samples of val below which no epoch is chosen on them: one is ten points of accuracy or more."""
BEGUN_SEEDS = "begun_seeds"
"""The group of a checkpoint with the states of layers that draw as the phase began: each trial begins there."""


class _InterruptedInValidationError(Exception):
    """A signal came while val was being scored."""


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Updates in an epoch; the last batch may be smaller."""
    return math.ceil(samples / batch_size)


class Trainer:
    """Gradient steps from `place.cut` on: all epochs, or until patience ends, once for each rate factor (a trial).

    The network's variables and the optimizer hold the weights and moments between steps; everything else that changes
    is in one `TrainState`.
    """

    def __init__(self, phase: Phase, context: TrainContext, trainable: Trainable, place: Place) -> None:
        self._phase, self._context, self._trainable, self._place = phase, context, trainable, place
        train = context.source.training(place.cut, views=phase.views, fresh=is_fresh(phase))
        val = context.source.plain(place.cut, "val")
        self._train = Examples(train.samples, context.targets["train"], context.facts.get("train", ()))
        self._val = Examples(val.samples, context.targets["val"], context.facts.get("val", ()))
        owners = context.owners.get("val")
        # Rows of one record are one sample, and so are all boxes or pixels of one picture.
        self._judged = count_rows(context.targets["val"]) if owners is None else len(np.unique(owners))
        # What pairs teach, no head is fitted to before the next phase: there is nothing to choose an epoch by.
        self._keeps_last = self._judged < FEW or phase.contrast > 0
        self._steps = steps_per_epoch(train.samples.count, context.batch_size)
        # What every trial begins with: the weights that the phase changes, what updates move, and random states.
        self._start = self._weights()
        self._factors = trainable.adapter.factors if trainable.adapter else {}  # which are no weights of the network
        self._first_factors = {name: copy_of(variable) for name, variable in self._factors.items()}
        self._seeds = [copy_of(variable) for variable in context.seeds()]
        # The weights, the best and the first ones, and two moments.
        bytes_saved = sum(3 * array.nbytes for array in self._start.values())
        bytes_saved += sum(2 * 4 * math.prod(variable.shape) for variable in trainable.variables.values())
        self._updates_a_save = 0 if context.checkpoint_every else bytes_saved // BYTES_AN_UPDATE
        self._optimizer = GroupedOptimizer(
            trainable.variables,
            phase.rates,
            Schedule(self._steps * phase.epochs, phase.warmup, phase.schedule),
            update=update_rule(phase),
            rules=Rules(phase.weight_decay, phase.clip, phase.l2_sp, phase.average),
        )
        self._step = context.step(train.start, trainable, self._optimizer, contrast=phase.contrast)
        self._parts = 1
        self._epochs = self._make_epochs()
        self._score = score_step(context.fast, val.start, context.task, precision=context.precision)
        # A task's steps read the weights of layers by their names, so that it needs the stock ones.
        self._generate = val_generator(context.network, val.start, context.task)
        self._val_batches = SmallerBatches(
            size_in_order(val.samples, context.batch_size),
            context.batch_size,
            f"to answer val in phase {phase.name!r}",
            context.log.warn,
        )
        self._log = PhaseLog(phase, context, self._steps, train.samples.count)
        self._state = TrainState(record=self._new_record())
        self._interrupts = Interrupts()
        self._reason = ALL

    @span("training")
    def run(self, conclude: Conclude, loaded: Loaded | None = None) -> None:
        """Train, from where `loaded` stands if it is given; `conclude` is called with how it ended before that is
        saved.

        Raises DivergedError at the first loss that is not finite, InterruptedRunError after a signal.
        """
        context, phase = self._context, self._phase
        with deferred(context.checkpoints_kept) as self._interrupts:
            if loaded is not None:
                self._go_on(loaded)
            else:
                self._begin()
                if context.checkpoints.last is None:  # the end of the phase before is the same place
                    self._save(anchor=True, best=False)

            while self._state.trial < len(phase.rate_factors):
                trial_ended: str | None = None
                shortage = ""
                try:
                    trial_ended = self._train_epoch()
                except LossSpikedError as exc:
                    self._slow_down(exc)
                    continue
                except Exception as exc:
                    if not is_out_of_memory(exc):
                        raise
                    shortage = self._shortage(exc)
                if shortage:  # only here is the error gone, and with it the step's tensors that its traceback held
                    self._halve(shortage)
                    continue
                is_best = self._leads(self._state.epoch - 1)
                if trial_ended is not None:
                    self._reason = trial_ended
                    self._next_trial()
                if trial_ended is None or not self._concludes_at_once():
                    self._save_epoch(best=is_best and trial_ended is None, always=trial_ended is not None)
                    self._end_if_interrupted()

            result = self._conclude()
            conclude(result)
            context.save_complete(self._place, phase, result, self._trainable.changed)
            self._end_if_interrupted()

    def _train_epoch(self) -> str | None:
        """Train and validate one epoch; why the trial ends with it, None where it goes on."""
        state, phase, started = self._state, self._phase, time.monotonic()
        every = self._context.checkpoint_every or 0
        failure = self._epochs.run(state.epoch, state.record, self._between_steps, every=every)
        if failure:
            self._guard(state.record)  # how many steps a call takes must not decide between the two
            raise self._log.diverged(state, failure)

        try:
            with self._averaged():
                val = self._validate(interruptible=True)
                found = Outcome(self._weights(), val, state.epoch)
        except _InterruptedInValidationError:
            self._save(anchor=False, best=False)
            self._end_if_interrupted()
            raise
        better = self._keeps_last or self._is_better(found.metrics, state.best.metrics)
        if better or (phase.wise_ft and not state.best.epoch):
            state.best = found  # what is mixed with the start is no start, even if that is better

        factor, seconds = self._optimizer.factor, time.monotonic() - started
        self._log.epoch(state, found.metrics, factor=factor, seconds=seconds, best=self._leads(state.epoch))
        waited = state.epoch - state.best.epoch
        state.taken += self._steps
        state.epoch += 1
        state.record = self._new_record()
        state.guard.next_epoch()
        if phase.patience and waited >= phase.patience:
            return f"no better for {phase.patience} epochs"
        return ALL if state.epoch > phase.epochs else None

    def _between_steps(self, record: EpochRecord) -> None:
        """The guard, progress, a checkpoint, and signals."""
        every = self._context.checkpoint_every
        self._guard(record)
        self._log.progress(self._state, record)
        due = every is not None and record.steps % every == 0 and record.steps < self._steps
        if due or self._interrupts.asked:
            self._epochs.trains.sync()
            self._save(anchor=False, best=False)
        self._end_if_interrupted()

    def _guard(self, record: EpochRecord) -> None:
        """Raises LossSpikedError where the losses of the epoch so far say so, and that was met less than MOST times."""
        if self._state.spikes < MOST:
            self._state.guard.observe(record.losses)

    def _end_if_interrupted(self) -> None:
        if signal := self._interrupts.asked:
            raise InterruptedRunError(f"stopped by {signal}; {self._context.checkpoints_kept()}")

    def _leads(self, epoch: int) -> bool:
        """Whether that epoch is the best so far of its trial, the start among them."""
        best, start = self._state.best, self._state.start
        return best.epoch == epoch and (not self._phase.wise_ft or self._is_better(best.metrics, start.metrics))

    def _is_better(self, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
        return is_better(self._context.task, new, old)

    # --- validation --------------------------------------------------------------------------------------------------

    def _validate(self, *, interruptible: bool = False) -> dict[str, float]:
        """Metrics on val of the network as it is. Raises DivergedError where its answers are not finite."""
        scores = self._val_batches(
            lambda size: scores_of(self._context.task, self._scored_val(size, interruptible=interruptible))
        )
        return scores.metrics()

    def _scored_val(self, size: int, *, interruptible: bool = False) -> Iterator[ScoredRows]:
        """All rows of val, in batches of `size` and without padding."""
        owners = self._context.owners.get("val")
        by_length = owners is None  # rows of one record must follow each other
        for rows, tensors, count in in_order(self._val.samples, size, by_length=by_length):
            targets = trimmed(self._context.task, take(self._val.targets, rows))
            owner = None if owners is None else owners[rows]
            scored = self._score(tensors, targets)
            found = ScoredRows(targets, scored.outputs, scored.losses, self._val.facts_of(rows), owner)
            found = found.only(slice(0, count))
            if not all(np.isfinite(each).all() for each in (found.losses, *found.outputs.values())):
                raise self._log.val_diverged(self._state)
            if self._generate is not None:
                found = dataclasses.replace(found, outputs=take(self._generate(tensors), slice(0, count)))
            yield found
            del scored, found  # or two batches of dense outputs are there at a time
            if interruptible and self._interrupts.asked:
                raise _InterruptedInValidationError

    def _calibrate(self) -> Mapping[str, Any]:
        """What the task's calibrator finds on val, with the network as it is; nothing but at the end of a run."""
        task = self._context.task
        if not self._place.is_last or not isinstance(task, Calibrates):
            return {}
        warn = self._context.log.warn
        return self._val_batches(lambda size: found_by_calibrator(task, self._scored_val(size), warn))

    # --- trials: the phase once for each rate factor, and what is made of them ---------------------------------------

    def _begin(self) -> None:
        """The state of the first trial before its first update, which is that of the others too."""
        if self._judged < FEW and not self._phase.contrast:
            self._log.few(self._judged)
        self._state.best = Outcome(self._start, self._validate())
        primary = self._context.task.primary_metric
        if primary == "loss" and not self._keeps_last and math.isnan(self._state.best.metrics[primary]):
            raise DataError(
                "no sample of val has a loss, so that no epoch can be chosen by it",
                hint="longer inputs are split, and the parts have no targets: let val hold some that are not, or "
                "another --seed",
            )
        if not self._concludes_at_once():
            self._state.start = self._state.best
        self._apply_state()

    def _next_trial(self) -> None:
        """Keep what a trial came to, and begin the next one where this one began."""
        done = self._state
        if done.best.epoch == 0:
            self._log.no_better(self._log.label(done.trial))
        trial = done.trial + 1
        is_last = trial == len(self._phase.rate_factors)
        self._state = TrainState(
            trial=trial,
            taken=done.taken,
            record=self._new_record(),
            parts=done.parts,
            shortages=done.shortages,
            best=done.best if is_last else done.start,
            start=done.start,
            trials=[*done.trials, done.best],
        )
        if not is_last:
            self._reset()
            self._apply_state()

    def _concludes_at_once(self) -> bool:
        """Whether nothing is left to compute after the last epoch."""
        return len(self._phase.rate_factors) == 1 and not self._phase.wise_ft

    def _conclude(self) -> PhaseResult:
        """Set the weights that the phase came to: the best epoch's, or a soup's, or an interpolation with the start."""
        context, state, phase = self._context, self._state, self._phase
        unreached = self._unreached()  # before other weights are set to be measured
        chosen, members = greedy_soup(state.trials, self._measure, self._is_better)
        averaged, best_epoch = {}, state.trials[members[0]].epoch
        if len(state.trials) > 1:
            learned = any(state.trials[place].epoch for place in members)
            averaged["soup"] = [phase.rate_factors[place] for place in members] if learned else []
            self._log.averaged("soup", averaged["soup"], chosen)
        if phase.wise_ft and not self._keeps_last:
            chosen, share = best_share(state.start, chosen, phase.wise_ft, self._measure, self._is_better)
            averaged["share"] = [share]
            self._log.averaged("share", averaged["share"], chosen)
            if not share:
                best_epoch = 0
                self._log.no_better(phase.name)
        if unreached:
            self._log.unreached(unreached)
        context.assign_weights(chosen.arrays)
        return PhaseResult(
            phase.name,
            phase.train,
            best_epoch,
            chosen.metrics,
            self._reason,
            state.taken,
            optimizer=phase.optimizer,
            schedule=phase.schedule,
            trained=self._trained(),
            averaged=averaged,
            found=self._calibrate(),
        )

    def _measure(self, arrays: Batch) -> Mapping[str, float]:
        self._context.assign_weights(arrays)
        return self._validate()

    def _trained(self) -> dict[str, int]:
        """The numbers that the optimizer moves, by stage; those of an adapter are its factors."""
        counts: Counter[str] = Counter()
        for stage, variable in zip(self._optimizer.stages, self._optimizer.variables, strict=True):
            counts[stage] += math.prod(variable.shape)
        return dict(counts)

    def _unreached(self) -> list[str]:
        """The stages that learn and of which no weight has had a gradient since the phase, or its trial, began.

        The moments tell. Without any the weights do, as they are after the last update: one that has moved had a
        gradient, and one that decays may have had one.
        """
        optimizer = self._optimizer
        if moments := optimizer.second or optimizer.first:
            had = [bool((keras.ops.convert_to_numpy(each) != 0).any()) for each in moments]
        else:
            begun = {**self._start, **self._first_factors}
            arrays = [(copy_of(variable), begun[name]) for name, variable in self._trainable.variables.items()]
            moved = [not np.array_equal(now, before) for now, before in arrays]
            had = [decay > 0 or each for decay, each in zip(optimizer.decays, moved, strict=True)]
        reached = {stage for stage, each in zip(optimizer.stages, had, strict=True) if each}
        return [stage for stage in dict.fromkeys(optimizer.stages) if stage not in reached]

    # --- going back, going on, and saving ----------------------------------------------------------------------------

    def _slow_down(self, spiked: LossSpikedError) -> None:
        before = self._state
        reason = (
            f"the mean loss of the last steps rose from {spiked.low:.3g} to {spiked.mean:.3g} at step {spiked.step}; "
            f"all rates are multiplied by {SLOWER}"
        )
        self._go_back(reason, slower=before.slower * SLOWER, spikes=before.spikes + 1)

    def _shortage(self, error: BaseException) -> str:
        """What memory did not suffice for, in a line. Raises HeadstartError where batches were halved often enough."""
        before, size, what = self._state, self._context.batch_size, describe_shortage(error)
        if before.shortages >= MOST or before.parts * 2 > size:
            raise HeadstartError(
                f"memory does not suffice for phase {self._phase.name!r}, with each batch of {size} computed in "
                f"{before.parts} parts: {what}; {self._context.checkpoints_kept()}",
                hint=LESS_MEMORY,
            ) from error
        return what

    def _halve(self, shortage: str) -> None:
        """Go on with batches in twice as many parts."""
        before, size = self._state, self._context.batch_size
        parts = before.parts * 2
        reason = (
            f"memory did not suffice ({shortage}); each batch of {size} is now computed in {parts} parts of "
            f"{-(-size // parts)}, whose gradients are added up"
        )
        if self._trainable.training > {HEAD}:
            reason += "; BatchNorm takes the statistics of a part"
        self._go_back(reason, parts=parts, shortages=before.shortages + 1)

    def _go_back(self, reason: str, **met: float) -> None:
        """Return to the last epoch's end, but for what was met since: that holds from there on, of either kind."""
        before = self._state
        self._go_on(self._context.checkpoints.go_back(self._context.log.warn, self._is_of_this_trial))
        kept = {name: getattr(before, name) for name in ("parts", "slower", "spikes", "shortages")}
        self._state = dataclasses.replace(self._state, **{**kept, **met})
        self._apply_state()
        self._log.back(self._state, reason)

    def _is_of_this_trial(self, loaded: Loaded) -> bool:
        """Whether it is within this trial of this phase, or the beginning of both: the end of the phase before."""
        facts = loaded.facts
        if facts["complete"]:
            return int(facts["phase"]) == self._place.index - 1 and self._state.trial == 0
        return int(facts["phase"]) == self._place.index and facts["trainer"]["trial"] == self._state.trial

    def _go_on(self, loaded: Loaded) -> None:
        """Take up `loaded`: within this phase, or at the end of the one before: this one's beginning."""
        if loaded.facts["complete"]:
            self._reset()
            self._state = TrainState(record=self._new_record())
            self._begin()
            return
        self._state = TrainState.of(loaded.facts["trainer"], loaded.groups, self._new_record())
        self._reason = loaded.facts["reason"]
        self._context.restore_shared(loaded.groups)
        if begun := loaded.group(BEGUN_SEEDS):
            self._seeds = [begun[str(place)] for place in range(len(begun))]
        for name, array in loaded.group("learned").items():
            self._trainable.variables[name].assign(array)
        self._val_batches.at_most(loaded.facts["val_batch_size"])
        first, second, averages = (loaded.group(group) for group in ("first", "second", "averages"))
        self._optimizer.restore(first, second, averages, count=loaded.facts["count"])
        self._epochs.trains.reload()
        self._apply_state()

    def _save_epoch(self, *, best: bool, always: bool) -> None:
        """Save the end of an epoch; not `always` where the updates since the last one are few for so many bytes, unless
        a signal asks for it."""
        state = self._state
        if always or state.taken - state.saved >= self._updates_a_save:
            state.saved = state.taken
            self._save(anchor=True, best=best)
        elif self._interrupts.asked:
            self._save(anchor=False, best=False)

    def _save(self, *, anchor: bool, best: bool) -> None:
        state, context, optimizer = self._state, self._context, self._optimizer
        step = self._place.first_step + state.taken + state.record.steps
        facts = {
            **context.shared_facts(self._place, self._phase),
            "complete": False,
            "count": optimizer.count,
            "val_batch_size": self._val_batches.size,
            "trainer": state.facts(),
            "reason": self._reason,
        }
        groups = {
            **context.shared_groups(self._trainable.changed),
            "learned": {name: copy_of(variable) for name, variable in self._factors.items()},
            "first": _named(optimizer.names, optimizer.first),
            "second": _named(optimizer.names, optimizer.second),
            "averages": _named(optimizer.names, optimizer.averages),
            "start": self._start,
            BEGUN_SEEDS: {str(place): array for place, array in enumerate(self._seeds)},
            **state.groups(),
        }
        path = context.checkpoints.save(step, groups, facts=facts, best=best, anchor=anchor)
        context.log.emit(CheckpointSaved(path=path.name, step=step, best=best))

    # --- the network and the optimizer -------------------------------------------------------------------------------

    def _weights(self) -> dict[str, np.ndarray]:
        """A copy of the network's weights that this phase changes."""
        return {name: copy_of(variable) for name, variable in self._trainable.changed.items()}

    def _reset(self) -> None:
        """Set everything that updates move as the phase began."""
        self._context.assign_weights(self._start)
        for name, variable in self._factors.items():
            variable.assign(self._first_factors[name])
        for variable, array in zip(self._context.seeds(), self._seeds, strict=True):
            variable.assign(array)
        self._optimizer.begin_again()
        self._epochs.trains.reload()

    def _apply_state(self) -> None:
        """Compute in the parts, and at the rates, of the state."""
        state, factors = self._state, self._phase.rate_factors
        if state.parts != self._parts:
            self._parts = state.parts
            self._epochs = self._make_epochs()
        self._optimizer.factor = factors[min(state.trial, len(factors) - 1)] * state.slower

    def _make_epochs(self) -> Epochs:
        context = self._context
        return make_epochs(
            self._step, self._train, order=context.order, batch_size=context.batch_size, parts=self._parts
        )

    def _new_record(self) -> EpochRecord:
        view = self._context.source.view
        is_mixed = view is not None and view.mixes
        return EpochRecord(None if is_mixed else Scores(self._context.task, running=True))

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Inside, the network has what is validated: the moving average where there is one, an adapter merged."""
        optimizer = self._optimizer
        raw = [copy_of(variable) for variable in optimizer.variables] if optimizer.averages else []
        for variable, average in zip(optimizer.variables, optimizer.averages, strict=False):
            variable.assign(average)
        self._trainable.write()
        try:
            yield
        finally:
            for variable, array in zip(optimizer.variables, raw, strict=False):
                variable.assign(array)


def _named(names: Sequence[str], tensors: Sequence[Any]) -> dict[str, np.ndarray]:
    """Backend tensors by name; nothing where there are none."""
    return {name: np.array(keras.ops.convert_to_numpy(each)) for name, each in zip(names, tensors, strict=False)}
