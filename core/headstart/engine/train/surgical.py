"""Surgical fine-tuning: which stages learn is chosen by where the loss pulls the hardest (Lee et al. 2022).

The criterion is that of Auto-RGN (arXiv:2210.11466, section 4): the norm of a gradient relative to that of its weights.
Here it is of a stage's weights together, for the mean gradient over the whole training split, and it chooses once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from headstart.data.order import batches
from headstart.engine.batch import take
from headstart.engine.device import gradient_step
from headstart.engine.features.source import Seen
from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.context import TrainContext
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.engine.train.recovery import SmallerBatches
from headstart.specs import HEAD, Phase


def pick_stages(phase: Phase, context: TrainContext) -> Phase:
    """`phase` with the `phase.pick` backbone stages in `phase.train` that the criterion chooses, none left to pick."""
    candidates = _backbone_stages(phase)
    if not phase.pick or phase.pick >= len(candidates):
        return dataclasses.replace(phase, pick=0)
    return with_stages(phase, (*choose_stages(relative_gradients(context, phase), phase.pick), HEAD))


def with_stages(phase: Phase, train: Sequence[str]) -> Phase:
    """`phase` with these of its stages, none left to pick."""
    rates = {stage: rate for stage, rate in phase.rates.items() if stage in train}
    return dataclasses.replace(phase, train=tuple(train), rates=rates, pick=0)


def choose_stages(values: Mapping[str, float], count: int) -> tuple[str, ...]:
    """The `count` stages of the largest values, in the order of `values`; of equal ones the upper."""
    order = list(values)
    ranked = sorted(order, key=lambda stage: (values[stage], order.index(stage)), reverse=True)
    return tuple(stage for stage in order if stage in ranked[:count])


def relative_gradients(context: TrainContext, phase: Phase) -> dict[str, float]:
    """|g| / |w| for each backbone stage in `phase.train`, in network order, before the phase has changed anything.

    g is the mean gradient of the loss over the training split, not augmented and in inference mode, w are the weights;
    both are of all weights together that learn in the stage. A stage without any, or whose weights are all 0, has the
    value 0. One pass; in smaller batches, which changes nothing but rounding, where memory does not suffice.

    Raises HeadstartError where it does not suffice for these either.
    """
    stages = sorted(_backbone_stages(phase), key=context.network.index)
    named = trainable_variables(context.network, stages)
    seen = context.source.plain(context.network.index(stages[0]), "train")
    purpose = f"to choose the stages of phase {phase.name!r}"
    in_batches = SmallerBatches(context.batch_size, context.batch_size, purpose, context.log.warn)
    gradients = in_batches(lambda size: _mean_gradients(context, phase, stages, seen, size))
    weights = read_arrays(context.network.backbone)
    norms = {
        stage: (_norm(gradients, stage), _norm({name: weights[name] for name in named}, stage)) for stage in stages
    }
    return {stage: gradient / weight if weight else 0.0 for stage, (gradient, weight) in norms.items()}


def _mean_gradients(
    context: TrainContext, phase: Phase, stages: Sequence[str], seen: Seen, size: int
) -> dict[str, np.ndarray]:
    """The gradients, by weight, of the mean loss over the samples as `seen`, float64; in batches of `size`."""
    named = trainable_variables(context.network, stages)
    optimizer = GroupedOptimizer(named, phase.rates, Schedule(1))
    step = Step(context.fast, seen.start, named, optimizer, context.task, context.precision, training=frozenset())
    of_batch, targets, count = gradient_step(step), context.targets["train"], seen.samples.count
    sums = {name: np.zeros(tuple(variable.shape), np.float64) for name, variable in named.items()}
    done = 0
    for rows, mask in batches(context.order(1), size):  # as often as training sees each, where classes are evened out
        _, gradients = of_batch(seen.samples.take(0, rows), take(targets, rows), mask)
        for total, gradient in zip(sums.values(), gradients, strict=True):
            total += gradient.astype(np.float64) * float(mask.sum())
        done += int(mask.sum())
        context.log.progress("choosing stages", done, count, "samples", phase=phase.name)
    return {name: total / count for name, total in sums.items()}


def _backbone_stages(phase: Phase) -> list[str]:
    return [stage for stage in phase.train if stage != HEAD]


def _norm(arrays: Mapping[str, np.ndarray], stage: str) -> float:
    """The norm of all numbers of a stage's weights together."""
    squares = (np.square(array.astype(np.float64)).sum() for n, array in arrays.items() if n.startswith(f"{stage}/"))
    return float(np.sqrt(sum(squares)))
