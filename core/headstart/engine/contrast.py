"""Learning from pairs: samples with like targets are to have features that point the same way, others not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras

from headstart.engine.network.network import MASK, TAP, Network
from headstart.specs import ComparesTargets, Stage

if TYPE_CHECKING:
    from headstart.engine.step import Step

SHORTEST = 1e-12
"""Of a feature's squared length, that it may be divided by."""


def showing_features(network: Network) -> Network:
    """The same network, whose head gives what it takes as well, by the names under which that travels."""
    head = network.stages[-1]
    shown = {TAP + name: tensor for name, tensor in head.model.input.items() if not name.endswith(MASK)}
    model = keras.Model(head.model.input, {**head.model.output, **shown})
    return replace(network, stages=(*network.stages[:-1], Stage(head.name, model)))


def losses_of(step: Step, targets: Mapping[str, Any], outputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The loss of each row (batch,) in training, and the head's `outputs` without the features that were shown."""
    task = step.task
    if not step.contrast:
        return task.loss(targets, outputs, training=True), outputs
    if not isinstance(task, ComparesTargets):
        raise AssertionError("such a phase is refused for other tasks before it is built")
    features = [outputs[name] for name in sorted(outputs) if name.startswith(TAP)]
    outputs = {name: tensor for name, tensor in outputs.items() if not name.startswith(TAP)}
    losses = pair_losses(features, task.likeness(targets))
    if step.contrast < 1:
        losses = step.contrast * losses + (1 - step.contrast) * task.loss(targets, outputs, training=True)
    return losses, outputs


def pair_losses(features: list[Any], likeness: Any) -> Any:
    """Of each row (batch,) float32, the mean over the other rows of (cosine of the two features - `likeness`) ** 2.

    `features` are backend tensors (batch, ..., channel), of whose middle axes the mean counts; several are one after
    the other. `likeness` is (batch, batch). These are the pairs of Reimers & Gurevych 2019 (arXiv:1908.10084, section
    3), which Tunstall et al. 2022 (arXiv:2209.11055) draw from few labels one by one: here all that a batch has, those
    of 32 rows 496 for the price of 32. Rows that only fill a batch up are compared too, with what they repeat.
    """
    from keras import ops

    middle = [tuple(range(1, len(each.shape) - 1)) for each in features]
    pooled = [ops.mean(each, axis=axes) if axes else each for each, axes in zip(features, middle, strict=True)]
    whole = ops.concatenate([ops.cast(each, "float32") for each in pooled], axis=1)
    unit = whole * ops.rsqrt(ops.maximum(ops.sum(ops.square(whole), axis=1, keepdims=True), SHORTEST))
    gaps = ops.square(ops.matmul(unit, ops.transpose(unit)) - ops.cast(likeness, "float32"))
    count = gaps.shape[0]
    return ops.sum(gaps * (1.0 - ops.eye(count, dtype="float32")), axis=1) / max(count - 1, 1)
