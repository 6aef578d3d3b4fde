"""One AdamW update on JAX: a pure function from what was learned and a batch to what is learned next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras

from headstart.engine.compute import Step
from headstart.engine.network import Network
from headstart.engine.precision import run_network
from headstart.engine.stages import name_variables

NARROW = 64
"""Columns of a matrix below which its products, and their gradients, take half as long where it lies by columns."""


def state_of(network: Network, start: int, stop: int) -> list[keras.Variable]:
    """Every variable that stages `start` to `stop` - 1 read, seeds of random layers included."""
    found: dict[int, keras.Variable] = {}
    for stage in network.stages[start:stop]:
        for variable in stage.model.variables:
            found[id(variable)] = variable
    return list(found.values())


class Learned(NamedTuple):
    """What an update changes: weights, both moments of their gradients, and the seeds of random layers.

    Weights and moments are flat, narrow matrices by columns: an update then runs along memory, whatever the shapes.
    """

    values: list[Any]
    first: list[Any]
    second: list[Any]
    seeds: list[Any]


class Result(NamedTuple):
    """What a step saw before its update."""

    loss: Any
    outputs: Mapping[str, Any]


@dataclass
class Update:
    """One update as a pure function, and the state it starts from."""

    step: Step

    def __post_init__(self) -> None:
        step = self.step
        self._trainable = list(step.trainable.values())
        learning = {id(variable) for variable in self._trainable}
        everything = state_of(step.network, step.start, len(step.network.stages))
        rest = [variable for variable in everything if id(variable) not in learning]
        seeds = {id(v) for stage in step.network.stages for v in stage.model.non_trainable_variables}
        seeds -= {id(v) for v in name_variables(step.network.learned).values()}
        self._seeds = [variable for variable in rest if id(variable) in seeds]
        self._frozen = [variable for variable in rest if id(variable) not in seeds]

    def begin(self) -> Learned:
        """The state of the variables and of the optimizer."""
        optimizer = self.step.optimizer
        values = [variable.value for variable in self._trainable]
        flat = [[_flat(array) for array in each] for each in (values, optimizer.first, optimizer.second)]
        return Learned(flat[0], flat[1], flat[2], [variable.value for variable in self._seeds])

    def end(self, learned: Learned, count: int) -> None:
        """Put what was learned, after `count` updates, into the variables and the optimizer."""
        for variable, value in zip(self._trainable, self._shaped(learned.values), strict=True):
            variable.assign(value)
        for variable, value in zip(self._seeds, learned.seeds, strict=True):
            variable.assign(value)
        self.step.optimizer.store(self._shaped(learned.first), self._shaped(learned.second), count)

    def frozen(self) -> list[Any]:
        """The weights that are read and do not learn."""
        return [variable.value for variable in self._frozen]

    def __call__(
        self, learned: Learned, frozen: list[Any], batch: Mapping[str, Any], targets: Any, mask: Any, scale: Any
    ) -> tuple[Result, Any, Learned]:
        """Traceable: what was seen, whether loss and gradients were finite, and the next state.

        `scale` is a row of the optimizer's `scales`.
        """
        (loss, (seeds, outputs)), gradients = jax.value_and_grad(self._mean_loss, has_aux=True)(
            learned.values, learned.seeds, frozen, batch, targets, mask
        )
        # A finite loss can have gradients that are not: a root at zero, an exponential that overflows.
        finite = all_finite([loss, *gradients])
        new = self.step.optimizer.updated(learned.values, learned.first, learned.second, gradients, scale)
        return Result(loss, outputs), finite, Learned(*new, seeds)

    def guarded(self, learned: Learned, *given: Any) -> tuple[Result, Any, Learned]:
        """As a call; where something was not finite, nothing changes but the seeds."""
        result, finite, new = self(learned, *given)
        values, first, second = jax.tree.map(lambda ours, old: jnp.where(finite, ours, old), new[:3], learned[:3])
        return result, finite, Learned(values, first, second, new.seeds)

    def _mean_loss(
        self, values: list[Any], seeds: list[Any], frozen: list[Any], batch: Mapping[str, Any], targets: Any, mask: Any
    ) -> tuple[Any, tuple[list[Any], dict[str, Any]]]:
        step = self.step
        mapping = [
            *zip(self._trainable, self._shaped(values), strict=True),
            *zip(self._frozen, frozen, strict=True),
            *zip(self._seeds, seeds, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            last = len(step.network.stages)
            outputs = run_network(step.network, batch, step.start, last, precision=step.precision, training=True)
            losses = step.task.loss(targets, outputs)
        moved = [scope.get_current_value(variable) for variable in self._seeds]
        return jnp.sum(losses * mask) / jnp.sum(mask), (moved, outputs)

    def _shaped(self, flat: list[Any]) -> list[Any]:
        return [_shaped(value, tuple(each.shape)) for value, each in zip(flat, self._trainable, strict=True)]


def _is_narrow(shape: tuple[int, ...]) -> bool:
    """True for a matrix of few columns and many rows, such as the kernel of a linear head."""
    return len(shape) == 2 and shape[1] < NARROW < shape[0]


def _flat(array: Any) -> Any:
    return jnp.ravel(jnp.transpose(array) if _is_narrow(tuple(array.shape)) else array)


def _shaped(flat: Any, shape: tuple[int, ...]) -> Any:
    return jnp.transpose(jnp.reshape(flat, shape[::-1])) if _is_narrow(shape) else jnp.reshape(flat, shape)


def all_finite(arrays: Sequence[Any]) -> Any:
    """True, as a scalar on the device, where no number is infinite or NaN."""
    return jnp.all(jnp.stack([jnp.isfinite(each).all() for each in arrays]))
