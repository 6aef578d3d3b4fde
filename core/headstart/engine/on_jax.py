"""Forward passes and training steps on JAX: pure functions, compiled once a shape."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from headstart.engine.compute import Batch, Step, Stepped
from headstart.engine.network import Network
from headstart.engine.precision import run_network
from headstart.engine.updates_jax import Learned, Update, state_of


class JaxForward:
    """Inference on JAX; weights are arguments, so later updates of the variables are seen."""

    def __init__(self, network: Network, start: int, stop: int, precision: str) -> None:
        self._variables = state_of(network, start, stop)

        def run(values: list[Any], tensors: dict[str, Any]) -> dict[str, Any]:
            with keras.StatelessScope(state_mapping=list(zip(self._variables, values, strict=True))):
                return run_network(network, tensors, start, stop, precision=precision)

        self._run = jax.jit(run)

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """See `Forward`."""
        outputs = self._run([variable.value for variable in self._variables], dict(batch))
        return {name: np.asarray(value) for name, value in outputs.items()}


class JaxTrainStep:
    """Training on JAX; the state lives in this object between steps and reaches the variables by `sync`."""

    def __init__(self, step: Step) -> None:
        self._update, self._optimizer = Update(step), step.optimizer
        self._learned, self._count = _copied(self._update.begin()), step.optimizer.count
        self._run = jax.jit(self._update.guarded, donate_argnums=0)

    def __call__(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        scale = self._optimizer.scales(np.array([self._count]))[0]
        result, flag, self._learned = self._run(self._learned, self._update.frozen(), dict(batch), targets, mask, scale)
        finite = bool(flag)
        self._count += finite
        return Stepped(float(result.loss), {name: np.asarray(each) for name, each in result.outputs.items()}, finite)

    def sync(self) -> None:
        """See `TrainStep`."""
        self._update.end(_copied(self._learned), self._count)


def _copied(learned: Learned) -> Learned:
    """A step gives its inputs' memory to its outputs, and what the variables hold must stay readable."""
    copied: Learned = jax.tree.map(jnp.array, learned)
    return copied
