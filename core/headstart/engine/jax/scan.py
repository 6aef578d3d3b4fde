"""Many updates in one call on JAX: a loop on the device.

Its bounds are arguments, so that one compilation serves every length, and a length never changes a bit. Looking at
each gradient would cost as much as the update, so the loop looks once at its end; where something was not finite, a
second loop takes the same steps again, with a flag that ends it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from headstart.engine.jax.step import Fixed, Learned, Result, Update, all_finite, copied_state
from headstart.engine.step import Advanced, Batch, Step

ROOM_ON_CPU = 64 * 2**20
"""Bytes of a second copy of the samples; there is none of arrays that begin at a multiple of ALIGNED, as files do."""
ALIGNED = 64
ROOM_ON_DEVICE = 4 * 2**30


class Told(NamedTuple):
    """What is left for the host to read: the loss of each step, and the outputs (step, batch, ...)."""

    losses: Any
    outputs: dict[str, Any]


class JaxScan:
    """Fulfils `Scan`; the state lives in this object and reaches the variables by `sync`."""

    _learned: Learned
    _count: int

    def __init__(self, step: Step) -> None:
        self._update, self._optimizer = Update(step), step.optimizer
        self._taken = 0
        self.reload()
        self._told: Told | None = None
        self._fast = jax.jit(self._all, donate_argnums=1)
        self._careful = jax.jit(self._up_to_the_first_bad, donate_argnums=1)

    def can_hold(self, views: Sequence[Batch], targets: np.ndarray) -> bool:
        """See `Scan`."""
        arrays = [targets, *(array for view in views for array in view.values())]
        if jax.default_backend() != "cpu":
            return sum(array.nbytes for array in arrays) <= ROOM_ON_DEVICE
        return sum(array.nbytes for array in arrays if array.ctypes.data % ALIGNED) <= ROOM_ON_CPU

    def put(self, tensors: Batch, targets: np.ndarray) -> Any:
        """See `Scan`."""
        return jax.device_put((dict(tensors), targets))

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray, *, taken: int = 0) -> None:
        """See `Scan`."""
        self._taken = taken
        scales = self._optimizer.scales(self._count - taken + np.arange(len(rows)))
        self._given = (self._update.frozen(), held, jax.device_put((rows.astype(np.int32), mask, scales)))
        if self._told is None or len(self._told.losses) != len(rows):
            self._told = self._room_to_tell(len(rows))

    def advance(self, start: int, stop: int) -> Advanced:
        """See `Scan`."""
        bounds = np.int32(start), np.int32(stop)
        learned, told, finite = self._fast(self._learned, self._told, *bounds, *self._given)
        reached, taken = stop, stop
        if not finite:  # once more, from where it was good
            learned, told, place = self._careful(self._learned, told, *bounds, *self._given)
            reached = int(place)
            taken = min(reached + 1, stop)
        self._learned, self._told = learned, told
        self._count += reached - start
        return Advanced(reached, np.array(told.losses)[start:taken])

    def outputs(self, count: int) -> dict[str, np.ndarray]:
        """See `Scan`."""
        told = {} if self._told is None else self._told.outputs
        return {name: np.array(output)[self._taken : count] for name, output in told.items()}

    def sync(self) -> None:
        """See `Scan`."""
        self._update.end(copied_state(self._learned), self._count)

    def reload(self) -> None:
        """See `Scan`."""
        self._learned = copied_state(self._update.begin())
        self._count = self._optimizer.count

    def _room_to_tell(self, steps: int) -> Told:
        step = functools.partial(self._step, self._update)
        result, _, _ = jax.eval_shape(step, self._learned, np.int32(0), *self._given)
        outputs = {name: jnp.zeros((steps, *each.shape), each.dtype) for name, each in result.outputs.items()}
        return Told(jnp.zeros(steps, jnp.float32), outputs)

    def _all(self, learned: Learned, told: Told, start: Any, stop: Any, *given: Any) -> tuple[Learned, Told, Any]:
        """Steps `start` to `stop` - 1, and whether all was finite: what was not stays in a first moment for good."""

        def body(place: Any, carry: Any) -> Any:
            learned, told = carry
            result, _, learned = self._step(self._update, learned, place, *given)
            return learned, _with(told, place, result)

        learned, told = jax.lax.fori_loop(start, stop, body, (learned, told))
        return learned, told, all_finite([told.losses, *learned.first])

    def _up_to_the_first_bad(
        self, learned: Learned, told: Told, start: Any, stop: Any, *given: Any
    ) -> tuple[Learned, Told, Any]:
        """The same steps with a flag that ends them; the number after the last good one."""

        def goes_on(carry: Any) -> Any:
            return (carry[2] < stop) & carry[3]

        def body(carry: Any) -> Any:
            learned, told, place, _finite = carry
            result, finite, learned = self._step(self._update.guarded, learned, place, *given)
            return learned, _with(told, place, result), place + finite, finite

        learned, told, place, _ = jax.lax.while_loop(goes_on, body, (learned, told, start, jnp.bool(True)))
        return learned, told, place

    @staticmethod
    def _step(update: Any, learned: Learned, place: Any, frozen: Fixed, held: Any, plan: Any) -> Any:
        rows, mask, scales = (each[place] for each in plan)
        batch, targets = jax.tree.map(lambda each: each.at[rows].get(mode="promise_in_bounds"), held)
        return update(learned, frozen, batch, targets, mask, scales)


def _with(told: Told, place: Any, result: Result) -> Told:
    outputs = {name: told.outputs[name].at[place].set(each) for name, each in result.outputs.items()}
    return Told(told.losses.at[place].set(result.loss), outputs)
