"""Forward passes on JAX: pure functions, compiled once a shape."""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np

from headstart.engine.batch import Batch
from headstart.engine.network.network import Network
from headstart.engine.precision import run_network
from headstart.engine.step import Scored, with_head_inputs
from headstart.specs import Task


def state_of(network: Network, start: int, stop: int) -> list[keras.Variable]:
    """Every variable that stages `start` to `stop` - 1 read, seeds of random layers included."""
    found: dict[int, keras.Variable] = {}
    for stage in network.stages[start:stop]:
        for variable in stage.model.variables:
            found[id(variable)] = variable
    return list(found.values())


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


class JaxScoreStep:
    """Outputs and losses on JAX; weights are arguments, as in `JaxForward`."""

    def __init__(self, network: Network, start: int, task: Task, precision: str) -> None:
        last = len(network.stages)
        self._variables = state_of(network, start, last)

        def run(values: list[Any], tensors: dict[str, Any], targets: dict[str, Any]) -> tuple[dict[str, Any], Any]:
            with keras.StatelessScope(state_mapping=list(zip(self._variables, values, strict=True))):
                fed = with_head_inputs(task, tensors, targets)
                outputs = run_network(network, fed, start, last, precision=precision)
                return outputs, task.loss(targets, outputs, training=False)

        self._run = jax.jit(run)

    def __call__(self, batch: Batch, targets: Batch) -> Scored:
        """See `ScoreStep`."""
        values = [variable.value for variable in self._variables]
        outputs, losses = self._run(values, dict(batch), dict(targets))
        return Scored({name: np.asarray(value) for name, value in outputs.items()}, np.asarray(losses))


class JaxLossStep:
    """Losses of outputs at hand."""

    def __init__(self, task: Task) -> None:
        self._run = jax.jit(lambda targets, outputs: task.loss(targets, outputs, training=False))

    def __call__(self, targets: Batch, outputs: Batch) -> np.ndarray:
        """See `LossStep`."""
        return np.asarray(self._run(dict(targets), dict(outputs)))
