"""Many updates in one call on JAX: a loop on the device with a flag that ends it at the first number not finite.

The loop's bounds are arguments, so that one compilation serves every length, and a length never changes a bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from headstart.engine.compute import Advanced, Batch, Step
from headstart.engine.on_jax import Learned, Update

ROOM_ON_CPU = 64 * 2**20
"""On the CPU it is a second copy of the samples, so it is kept small; gathering blocks of rows costs little there."""
ROOM_ON_DEVICE = 4 * 2**30


class Told(NamedTuple):
    """What is left for the host to read: the loss of each step, and the outputs (step, batch, ...)."""

    losses: Any
    outputs: dict[str, Any]


class JaxScan:
    """Fulfils `Scan`; the state lives in this object and reaches the variables by `sync`."""

    def __init__(self, step: Step) -> None:
        self._update, self._optimizer = Update(step), step.optimizer
        self._learned, self._count = self._update.begin(), step.optimizer.count
        self._told: Told | None = None
        self._run = jax.jit(self._loop, donate_argnums=(0, 1))
        self.room = ROOM_ON_CPU if jax.default_backend() == "cpu" else ROOM_ON_DEVICE

    def put(self, tensors: Batch, targets: np.ndarray) -> Any:
        """See `Scan`."""
        return jax.device_put((dict(tensors), targets))

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray) -> None:
        """See `Scan`."""
        scales = self._optimizer.scales(self._count + np.arange(len(rows)))
        self._given = (held, jax.device_put((rows.astype(np.int32), mask, scales)))
        if self._told is None or len(self._told.losses) != len(rows):
            self._told = self._room_to_tell(len(rows))

    def _room_to_tell(self, steps: int) -> Told:
        result, _ = jax.eval_shape(self._step, self._learned, self._update.frozen(), *self._given, np.int32(0))
        outputs = {name: jnp.zeros((steps, *each.shape), each.dtype) for name, each in result.outputs.items()}
        return Told(jnp.zeros(steps, jnp.float32), outputs)

    def advance(self, start: int, stop: int) -> Advanced:
        """See `Scan`."""
        self._learned, self._told, place, finite = self._run(
            self._learned, self._told, np.int32(start), np.int32(stop), self._update.frozen(), *self._given
        )
        reached = int(place)
        self._count += reached - start
        return Advanced(reached, np.array(self._told.losses)[start : reached + (not finite)])

    def outputs(self, count: int) -> dict[str, np.ndarray]:
        """See `Scan`."""
        told = {} if self._told is None else self._told.outputs
        return {name: np.array(output)[:count] for name, output in told.items()}

    def sync(self) -> None:
        """See `Scan`."""
        self._update.end(self._learned, self._count)

    def _loop(
        self, learned: Learned, told: Told, start: Any, stop: Any, frozen: list[Any], held: Any, plan: Any
    ) -> tuple[Learned, Told, Any, Any]:
        """Steps `start` to `stop` - 1; returns the number of the step after the last good one, and the flag."""

        def goes_on(carry: Any) -> Any:
            return (carry[2] < stop) & carry[3]

        def body(carry: Any) -> Any:
            learned, told, place, _finite = carry
            result, learned = self._step(learned, frozen, held, plan, place)
            outputs = {name: told.outputs[name].at[place].set(each) for name, each in result.outputs.items()}
            told = Told(told.losses.at[place].set(result.loss), outputs)
            return learned, told, place + result.finite, result.finite

        end: tuple[Learned, Told, Any, Any] = jax.lax.while_loop(goes_on, body, (learned, told, start, jnp.bool(True)))
        return end

    def _step(self, learned: Learned, frozen: list[Any], held: Any, plan: Any, place: Any) -> Any:
        rows, mask, scales = (each[place] for each in plan)
        batch, targets = jax.tree.map(lambda each: each.at[rows].get(mode="promise_in_bounds"), held)
        return self._update(learned, frozen, batch, targets, mask, scales)
