"""Forward passes and training steps on JAX: pure functions, compiled once a shape."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from headstart.engine.compute import Batch, GradientStep, Step, Stepped, in_parts
from headstart.engine.network.network import Network
from headstart.engine.precision import run_network
from headstart.engine.updates_jax import Fixed, Gradients, Learned, Result, Update, copied_state, kept_unless, state_of


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

    _learned: Learned
    _count: int

    def __init__(self, step: Step, parts: int = 1) -> None:
        self._update, self._optimizer, self._parts = Update(step), step.optimizer, parts
        self._run = jax.jit(self._update.guarded, donate_argnums=0)
        self._gradients = jax.jit(self._update.gradients)
        self._add = jax.jit(_added)
        self._apply = jax.jit(self._guarded_apply, donate_argnums=0)
        self.reload()

    def __call__(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        scale = self._optimizer.scales(np.array([self._count]))[0]
        if self._parts == 1:
            result, flag, self._learned = self._run(
                self._learned, self._update.frozen(), dict(batch), targets, mask, scale
            )
        else:
            result, flag = self._by_parts(batch, targets, mask, scale)
        finite = bool(flag)
        self._count += finite
        return Stepped(float(result.loss), {name: np.asarray(each) for name, each in result.outputs.items()}, finite)

    def sync(self) -> None:
        """See `TrainStep`."""
        self._update.end(copied_state(self._learned), self._count)

    def reload(self) -> None:
        """See `TrainStep`."""
        self._learned = copied_state(self._update.begin())
        self._count = self._optimizer.count

    def _by_parts(self, batch: Batch, targets: np.ndarray, mask: np.ndarray, scale: np.ndarray) -> tuple[Result, Any]:
        frozen, total, before = self._update.frozen(), np.float32(mask.sum()), self._learned
        found: Gradients | None = None
        outputs: list[Any] = []
        for part in in_parts(batch, targets, mask, self._parts):
            state = before if found is None else before._replace(moving=found.moving)
            new = self._gradients(state, frozen, dict(part.batch), part.targets, part.mask, total)
            outputs.append(new.result.outputs)
            found = new if found is None else self._add(found, new)
        if found is None:
            raise ValueError("a batch without samples")
        flag, self._learned = self._apply(self._learned, frozen, found, scale)
        together = jax.tree.map(lambda *each: jnp.concatenate(each)[: len(mask)], *outputs)
        return Result(found.result.loss, together), flag

    def _guarded_apply(self, learned: Learned, frozen: Fixed, found: Gradients, scale: Any) -> tuple[Any, Learned]:
        finite, new = self._update.apply(learned, frozen, found, scale)
        return finite, kept_unless(finite, new, learned)


def _added(one: Gradients, other: Gradients) -> Gradients:
    """The sum of two parts' losses and gradients, with what moved last."""
    gradients = [mine + yours for mine, yours in zip(one.gradients, other.gradients, strict=True)]
    return Gradients(Result(one.result.loss + other.result.loss, {}), gradients, other.moving)


def gradients_of(step: Step) -> GradientStep:
    """See `headstart.engine.compute.gradient_step`."""
    update = Update(step)
    run = jax.jit(update.gradients)

    def gradients(batch: Batch, targets: np.ndarray, mask: np.ndarray) -> tuple[float, list[np.ndarray]]:
        found = run(update.begin(), update.frozen(), dict(batch), targets, mask, np.float32(mask.sum()))
        return float(found.result.loss), [np.asarray(each) for each in update.shaped(found.gradients)]

    return gradients
