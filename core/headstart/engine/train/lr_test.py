"""The learning-rate range test: a phase at its real start, at rates that rise from step to step (Smith 2017).

Source: arXiv:1506.01186, section 3.3, with rates that rise exponentially instead of in a line. A loss that is seen
before an update tells of the rates before it, so that each rate is judged by the batch that follows its update.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import keras
import numpy as np

from headstart.engine.device import train_step
from headstart.engine.step import Step
from headstart.engine.train.context import TrainContext, copy_of, is_fresh
from headstart.engine.train.epochs import Examples
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.phases import cut_of
from headstart.engine.train.recovery import SmallerBatches
from headstart.engine.train.surgical import pick_stages
from headstart.engine.train.trainable import select_trainable
from headstart.engine.train.update_rules import update_rule
from headstart.rate_curve import STOP, RateCurve, smoothed_so_far
from headstart.specs import HEAD, Phase


@dataclass(frozen=True)
class Measured:
    """A curve over the values that were tried, and the `reason` why it ends where it does."""

    curve: RateCurve
    reason: str


def sweeping(named: Mapping[str, keras.Variable], phase: Phase, factors: np.ndarray) -> GroupedOptimizer:
    """The phase's optimizer with rates that are the phase's peaks times one of `factors` (step,) for each update."""
    rules = Rules(phase.weight_decay, phase.clip, phase.l2_sp)
    made = GroupedOptimizer(named, phase.rates, Schedule(len(factors)), update=update_rule(phase), rules=rules)
    made.table = factors[:, np.newaxis] * made.table[0]  # without a warm-up the first rates are the peaks
    return made


def measure_rates(phase: Phase, context: TrainContext, values: np.ndarray, *, planned: float) -> Measured:
    """Take an update at each of `values` (step,), rising; stops early where the loss has risen to STOP times its least.

    They are of a setting to which the phase's rates are in proportion, and which is `planned` for those that it has.
    Everything that learns is afterwards as it was before, to the bit. Raises UsageError as a run of the phase would.
    """
    phase = pick_stages(phase, context)
    trainable = select_trainable(context.network, phase, seed=context.seed, batch_norm=context.batch_norm)
    cut = cut_of(context.network, phase)
    context.source.forget_other_cuts(cut)
    seen = context.source.training(cut, views=phase.views, fresh=is_fresh(phase))
    optimizer = sweeping(trainable.variables, phase, values / planned)
    step = context.step(seen.start, trainable, optimizer, contrast=phase.contrast)
    examples = Examples(seen.samples, context.targets["train"])
    moved = [*trainable.variables.values(), *trainable.changed.values(), *context.seeds()]

    def measure(size: int) -> tuple[np.ndarray, str]:
        kept = [copy_of(variable) for variable in moved]
        try:
            optimizer.begin_again()
            return _losses(step, context, examples, len(values), parts=-(-context.batch_size // size))
        finally:
            for variable, array in zip(moved, kept, strict=True):
                variable.assign(array)

    purpose = f"to test rates of phase {phase.name!r}"
    losses, reason = SmallerBatches(context.batch_size, context.batch_size, purpose, context.log.warn)(measure)
    return Measured(RateCurve(values[: len(losses)], losses), reason)


def _losses(step: Step, context: TrainContext, examples: Examples, count: int, *, parts: int) -> tuple[np.ndarray, str]:
    """The loss after each of `count` updates, (step,) float64, and why it ended; each batch is computed in `parts`."""
    losses: list[float] = []
    update = train_step(step, parts=parts)
    for number, (epoch, rows, mask) in enumerate(_endless(context, examples, statistics_move=step.training > {HEAD})):
        targets = examples.targets_of(context.task, epoch, rows)
        stepped = update(examples.samples.take(epoch, rows), targets, mask)
        if not stepped.finite:
            return np.array(losses), "the loss was no longer finite"
        if number:
            losses.append(stepped.loss)
            context.log.progress("range test", number, count, "steps", metrics={"loss": stepped.loss})
        if len(losses) == count:
            break
        so_far = smoothed_so_far(np.array(losses))
        if losses and so_far[-1] > STOP * so_far.min():
            return np.array(losses), f"the loss rose to more than {STOP:g} times its least"
    return np.array(losses), "all rates were tried"


def _endless(
    context: TrainContext, examples: Examples, *, statistics_move: bool
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(epoch, rows, mask) of batch after batch, as a run has them."""
    for epoch in itertools.count(1):
        for rows, mask in examples.batches(context.order(epoch), context.batch_size, statistics_move=statistics_move):
            yield epoch, rows, mask
