"""Many updates in one call on JAX: a loop on the device.

Its bounds are arguments, so that one compilation serves every length, and a length never changes a bit. Looking at
each gradient would cost as much as the update, so the loop looks once at its end; where something was not finite, a
second loop takes the same steps again, with a flag that ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from headstart.engine.jax.step import Fixed, JaxTrains, Learned, Result, all_finite
from headstart.engine.lowering.loops import within_loop
from headstart.engine.step import ROOM_FOR_OUTPUTS, ROOM_ON_DEVICE, Advanced, Step
from headstart.specs import Batch

ROOM_ON_CPU = 64 * 2**20
"""Bytes of a second copy of the samples; there is none of arrays that begin at a multiple of ALIGNED, as files do."""
ALIGNED = 64


class JaxScan(JaxTrains):
    """Fulfils `Scan`.

    What the steps of a call saw is kept for the host, with room for as many steps in every call, so that one
    compilation serves all.
    """

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self._kept: Result | None = None
        self._steps = 0
        self._fast = jax.jit(self._all, donate_argnums=1)
        self._careful = jax.jit(self._up_to_the_first_bad, donate_argnums=1)

    def can_hold(self, views: Sequence[Batch], targets: Batch) -> bool:
        """See `Scan`."""
        arrays = [array for each in (targets, *views) for array in each.values()]
        if jax.default_backend() != "cpu":
            return sum(array.nbytes for array in arrays) <= ROOM_ON_DEVICE
        return sum(array.nbytes for array in arrays if array.ctypes.data % ALIGNED) <= ROOM_ON_CPU

    def put(self, tensors: Batch, targets: Batch) -> Any:
        """See `Scan`."""
        return jax.device_put((dict(tensors), dict(targets)))

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray, *, taken: int = 0) -> None:
        """See `Scan`."""
        scales = self._optimizer.scales(self._count - taken + np.arange(len(rows)))
        self._given = (self._update.frozen(), held, jax.device_put((rows.astype(np.int32), mask, scales)))
        if self._kept is None or self._steps != len(rows):
            self._steps, self._kept = len(rows), self._room(len(rows))

    def advance(self, start: int, stop: int) -> Advanced:
        """See `Scan`."""
        if self._kept is None:
            raise ValueError("no steps were begun")
        stop = min(stop, start + len(self._kept.loss))
        bounds = np.int32(start), np.int32(stop)
        learned, kept, is_finite = self._fast(self._learned, self._kept, *bounds, *self._given)
        reached = stop
        if not is_finite:  # once more, from where it was good
            learned, kept, place = self._careful(self._learned, kept, *bounds, *self._given)
            reached = int(place)
        self._learned, self._kept = learned, kept if reached == stop else None  # what was not finite stays in it
        self._count += reached - start
        done, seen = reached - start, min(reached + 1, stop) - start
        return Advanced(
            reached,
            np.asarray(kept.loss)[:seen].copy(),  # the next call takes their memory
            np.asarray(kept.losses)[:done].copy(),
            {name: np.asarray(output)[:done].copy() for name, output in kept.outputs.items()},
            reached == stop,
        )

    def _room(self, steps: int) -> Result:
        """Room for what a call keeps: of so many `steps`, or of as many as fit."""
        result, _, _ = jax.eval_shape(self._step, self._learned, np.int32(0), *self._given)
        bytes_a_step = sum(each.size * each.dtype.itemsize for each in result.outputs.values())
        steps = max(1, min(steps, ROOM_FOR_OUTPUTS // max(1, bytes_a_step)))
        return Result(*jax.tree.map(lambda each: jnp.zeros((steps, *each.shape), each.dtype), result))

    def _all(self, learned: Learned, kept: Result, start: Any, stop: Any, *given: Any) -> tuple[Learned, Result, Any]:
        """Steps `start` to `stop` - 1, and whether all was finite."""

        def body(place: Any, carry: Any) -> Any:
            learned, kept = carry
            result, _, learned = self._step(learned, place, *given, guarded=False)
            return learned, _with(kept, place - start, result)

        learned, kept = jax.lax.fori_loop(start, stop, body, (learned, kept))
        return learned, kept, all_finite([kept.loss, *learned.moments.lasting])

    def _up_to_the_first_bad(
        self, learned: Learned, kept: Result, start: Any, stop: Any, *given: Any
    ) -> tuple[Learned, Result, Any]:
        """The same steps with a flag that ends them; the number after the last good one."""

        def goes_on(carry: Any) -> Any:
            return (carry[2] < stop) & carry[3]

        def body(carry: Any) -> Any:
            learned, kept, place, _finite = carry
            result, finite, learned = self._step(learned, place, *given)
            return learned, _with(kept, place - start, result), place + finite, finite

        learned, kept, place, _ = jax.lax.while_loop(goes_on, body, (learned, kept, start, jnp.bool(True)))
        return learned, kept, place

    def _step(
        self, learned: Learned, place: Any, frozen: Fixed, held: Any, plan: Any, *, guarded: bool = True
    ) -> tuple[Result, Any, Learned]:
        rows, mask, scales = (each[place] for each in plan)
        batch, targets = jax.tree.map(lambda each: each.at[rows].get(mode="promise_in_bounds"), held)
        with within_loop():
            return self._update(learned, frozen, batch, targets, mask, scales, guarded=guarded)


def _with(kept: Result, place: Any, result: Result) -> Result:
    """`kept` with what the step at `place` saw."""
    return Result(*jax.tree.map(lambda room, each: room.at[place].set(each), kept, result))
