"""Forward passes and training steps on JAX: pure functions, compiled once a shape."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from headstart.engine.compute import Batch, Step, Stepped
from headstart.engine.network import Network
from headstart.engine.stages import name_variables


def _state(network: Network, start: int, stop: int) -> list[keras.Variable]:
    """Every variable that stages `start` to `stop` - 1 read, seeds of random layers included."""
    found: dict[int, keras.Variable] = {}
    for stage in network.stages[start:stop]:
        for variable in stage.model.variables:
            found[id(variable)] = variable
    return list(found.values())


class JaxForward:
    """Inference on JAX; weights are arguments, so later updates of the variables are seen."""

    def __init__(self, network: Network, start: int, stop: int) -> None:
        self._variables = _state(network, start, stop)

        def run(values: list[Any], tensors: dict[str, Any]) -> dict[str, Any]:
            with keras.StatelessScope(state_mapping=list(zip(self._variables, values, strict=True))):
                return network.run(tensors, start, stop)

        self._run = jax.jit(run)

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """See `Forward`."""
        outputs = self._run([variable.value for variable in self._variables], dict(batch))
        return {name: np.asarray(value) for name, value in outputs.items()}


class JaxTrainStep:
    """Training on JAX; the state lives in this object between steps and reaches the variables by `sync`."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._trainable = list(step.trainable.values())
        learning = {id(variable) for variable in self._trainable}
        everything = _state(step.network, step.start, len(step.network.stages))
        rest = [variable for variable in everything if id(variable) not in learning]
        seeds = {id(v) for stage in step.network.stages for v in stage.model.non_trainable_variables}
        seeds -= {id(v) for v in name_variables(step.network.learned).values()}
        self._seeds = [variable for variable in rest if id(variable) in seeds]
        self._frozen = [variable for variable in rest if id(variable) not in seeds]
        # Copies, because the step gives its inputs' memory to its outputs and the variables must stay readable.
        self._values = [jnp.array(variable.value) for variable in self._trainable]
        self._slots = [[jnp.array(slot) for slot in slots] for slots in step.optimizer.state]
        self._seed_values = [variable.value for variable in self._seeds]
        self._run = jax.jit(self._pure, donate_argnums=(0, 1))

    def _pure(
        self,
        values: list[Any],
        slots: list[list[Any]],
        frozen: list[Any],
        seeds: list[Any],
        batch: dict[str, Any],
        targets: Any,
        mask: Any,
    ) -> tuple[Any, Any, dict[str, Any], list[Any], list[list[Any]], list[Any]]:
        network = self._step.network

        def mean_loss(learning: list[Any]) -> tuple[Any, tuple[list[Any], dict[str, Any]]]:
            mapping = [
                *zip(self._trainable, learning, strict=True),
                *zip(self._frozen, frozen, strict=True),
                *zip(self._seeds, seeds, strict=True),
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                outputs = network.run(batch, self._step.start, len(network.stages), training=True)
                losses = self._step.task.loss(targets, outputs)
            moved = [scope.get_current_value(variable) for variable in self._seeds]
            return jnp.sum(losses * mask) / jnp.sum(mask), (moved, outputs)

        (loss, (seeds, outputs)), gradients = jax.value_and_grad(mean_loss, has_aux=True)(values)
        new_values, new_slots = self._step.optimizer.stateless_apply(slots, gradients, values)
        # A finite loss can have gradients that are not: a root at zero, an exponential that overflows.
        finite = jnp.isfinite(loss) & jnp.all(jnp.stack([jnp.isfinite(each).all() for each in gradients]))

        def keep(new: Any, old: Any) -> Any:
            return jnp.where(finite, new, old)

        new_values = jax.tree.map(keep, new_values, list(values))
        new_slots = jax.tree.map(keep, new_slots, [list(group) for group in slots])
        return loss, finite, outputs, new_values, new_slots, seeds

    def __call__(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        frozen = [variable.value for variable in self._frozen]
        loss, finite, outputs, self._values, self._slots, self._seed_values = self._run(
            self._values, self._slots, frozen, self._seed_values, dict(batch), targets, mask
        )
        seen = {name: np.asarray(output) for name, output in outputs.items()}
        return Stepped(float(loss), seen, bool(finite))

    def sync(self) -> None:
        """See `TrainStep`."""
        for variable, value in zip(self._trainable, self._values, strict=True):
            variable.assign(jnp.array(value))
        for variable, value in zip(self._seeds, self._seed_values, strict=True):
            variable.assign(value)
