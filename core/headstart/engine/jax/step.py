"""Inference and training steps on JAX: pure functions, compiled once a shape.

An update is one from one state and a batch to the next state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from headstart.engine.contrast import losses_of
from headstart.engine.network.network import Network
from headstart.engine.precision import run_network
from headstart.engine.step import GradientStep, InputGradient, Step, Stepped, in_parts, with_head_inputs
from headstart.engine.train.optimizer import Moments
from headstart.specs import Batch, Stage

NARROW = 64
"""Columns of a matrix below which its products, and their gradients, take half as long where it lies by columns."""


def state_of(stages: Sequence[Stage]) -> list[keras.Variable]:
    """Every variable that `stages` read, seeds of random layers included."""
    found = {id(variable): variable for stage in stages for variable in stage.model.variables}
    return list(found.values())


def inference(compute: Callable[..., Any], stages: Sequence[Stage], *, stays: bool = False) -> Callable[..., Any]:
    """See `headstart.engine.device.inference`; weights are arguments, so later updates of the variables are seen."""
    variables = state_of(stages)

    def run(values: list[Any], *batches: dict[str, Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return compute(*batches)

    compiled = jax.jit(run)

    def on_arrays(*batches: Batch) -> Any:
        found = compiled([variable.value for variable in variables], *map(dict, batches))
        return found if stays else jax.tree.map(np.asarray, found)

    return on_arrays


def quick_stages(network: Network, start: int, stop: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """See `headstart.engine.device.quick_stages`; compiled, layers cost nothing but what they compute."""
    return lambda tensors: network.run(tensors, start, stop)


def input_gradient(compute: Callable[..., Any], stages: Sequence[Stage]) -> InputGradient:
    """See `headstart.engine.device.input_gradient`; weights are arguments, as those of `inference` are."""
    variables = state_of(stages)

    def run(entering: Any, values: list[Any], others: dict[str, Any], weights: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            found = compute(entering, others, weights)
        return found.sum(), found

    compiled = jax.jit(jax.grad(run, has_aux=True))

    def on_arrays(entering: np.ndarray, others: Batch, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gradient, found = compiled(entering, [variable.value for variable in variables], dict(others), weights)
        return np.asarray(found), np.asarray(gradient)

    return on_arrays


class Learned(NamedTuple):
    """What an update changes: the optimizer's moments, and what moves without gradients.

    Weights and moments are flat, narrow matrices by columns: an update then runs along memory, whatever the shapes.
    """

    moments: Moments
    moving: list[Any]


class Fixed(NamedTuple):
    """What an update reads: weights that do not learn, the kernels below an adapter, and what weights are drawn to."""

    weights: list[Any]
    base: list[Any]
    anchors: list[Any]


class Result(NamedTuple):
    """What a step, or each of several (step, ...), saw before its update: the mean loss, that of each row, and the
    head's outputs."""

    loss: Any
    losses: Any
    outputs: Mapping[str, Any]


class Gradients(NamedTuple):
    """Of one batch, or a part of one: what it saw, its gradients (flat), and what moved."""

    result: Result
    gradients: list[Any]
    moving: list[Any]


class Update:
    """One update as a pure function, and the state it starts from."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._trainable = list(step.trainable.values())
        self._moving = step.moving()
        self._adapted = list(step.adapter.adapted.values()) if step.adapter else []
        known = {id(variable) for variable in (*self._trainable, *self._moving, *self._adapted)}
        everything = state_of(step.network.stages[step.start :])
        self._frozen = [variable for variable in everything if id(variable) not in known]
        self._anchors = [_flat(each) for each in step.optimizer.anchors if each is not None]
        self._factors = [step.adapter is not None and name in step.adapter.factors for name in step.trainable]
        self._shapes = tuple(tuple(variable.shape) for variable in self._trainable)

    def begin(self) -> Learned:
        """The state of the variables and of the optimizer."""
        optimizer = self.step.optimizer
        values = [variable.value for variable in self._trainable]
        state = (values, optimizer.first, optimizer.second, optimizer.averages)
        return Learned(Moments(*_all_flat(state)), [variable.value for variable in self._moving])

    def end(self, learned: Learned, count: int) -> None:
        """Put what was learned, after `count` updates, into the variables and the optimizer."""
        moments = Moments(*_all_shaped(self._shapes, tuple(learned.moments)))
        for variable, value in zip(self._trainable, moments.values, strict=True):
            variable.assign(value)
        for variable, value in zip(self._moving, learned.moving, strict=True):
            variable.assign(value)
        self.step.optimizer.store(moments, count)

    def frozen(self) -> Fixed:
        """What is read and does not learn."""
        base = list(self.step.adapter.base.values()) if self.step.adapter else []
        return Fixed([variable.value for variable in self._frozen], base, self._anchors)

    def __call__(
        self,
        learned: Learned,
        frozen: Fixed,
        batch: Mapping[str, Any],
        targets: Any,
        mask: Any,
        scale: Any,
        *,
        guarded: bool = True,
    ) -> tuple[Result, Any, Learned]:
        """Traceable: what was seen, whether loss and gradients were finite, and the next state.

        `scale` is a row of the optimizer's `scales`; `guarded` as in `apply`.
        """
        found = self.gradients(learned, frozen, batch, targets, mask, jnp.sum(mask))
        finite, new = self.apply(learned, frozen, found, scale, guarded=guarded)
        return found.result, finite, new

    def gradients(
        self, learned: Learned, frozen: Fixed, batch: Mapping[str, Any], targets: Any, mask: Any, total: Any
    ) -> Gradients:
        """Traceable: the gradients of the losses' sum over `total`, how many samples the whole batch has."""
        (loss, (moving, losses, outputs)), gradients = jax.value_and_grad(self._loss, has_aux=True)(
            learned.moments.values, learned.moving, frozen, batch, targets, (mask, total)
        )
        return Gradients(Result(loss, losses, outputs), gradients, moving)

    def apply(
        self, learned: Learned, frozen: Fixed, found: Gradients, scale: Any, *, guarded: bool = True
    ) -> tuple[Any, Learned]:
        """Traceable: whether loss and gradients were finite, and the next state; where `guarded`, the same state again
        if they were not."""
        # A finite loss can have gradients that are not: a root at zero, an exponential that overflows.
        finite = all_finite([found.result.loss, *found.gradients])
        moments = self.step.optimizer.updated(learned.moments, found.gradients, frozen.anchors, scale)
        new = Learned(moments, found.moving)
        if guarded:
            new = Learned(*jax.tree.map(lambda ours, theirs: jnp.where(finite, ours, theirs), new, learned))
        return finite, new

    def _loss(
        self,
        values: Sequence[Any],
        moving: list[Any],
        frozen: Fixed,
        batch: Mapping[str, Any],
        targets: Any,
        weights: tuple[Any, Any],
    ) -> tuple[Any, tuple[list[Any], Any, dict[str, Any]]]:
        step, (mask, total) = self.step, weights
        with keras.StatelessScope(state_mapping=self._mapping(values, moving, frozen)) as scope:
            last = len(step.network.stages)
            fed = with_head_inputs(step.task, batch, targets)
            outputs = run_network(step.network, fed, step.start, last, precision=step.precision, training=step.training)
            losses, outputs = losses_of(step, targets, outputs)
        moved = [scope.get_current_value(variable) for variable in self._moving]
        return jnp.sum(losses * mask) / total, (moved, losses, outputs)

    def _mapping(self, values: Sequence[Any], moving: list[Any], frozen: Fixed) -> list[tuple[keras.Variable, Any]]:
        shaped = self.shaped(values)
        mapping = [
            *zip(self._trainable, shaped, strict=True),
            *zip(self._frozen, frozen.weights, strict=True),
            *zip(self._moving, moving, strict=True),
        ]
        if self.step.adapter is None:
            return mapping
        factors = [value for value, is_factor in zip(shaped, self._factors, strict=True) if is_factor]
        merged = self.step.adapter.merged(factors, frozen.base)
        return [*mapping, *zip(self._adapted, merged, strict=True)]

    def shaped(self, flat: Sequence[Any]) -> list[Any]:
        """Flat arrays, one a weight or none at all, in the weights' shapes."""
        return _in_shapes(self._shapes, flat)


def copied_state(learned: Learned) -> Learned:
    """A call gives its arguments' memory to its results, and what the variables hold must stay readable."""
    copied: Learned = _copied(learned)
    return copied


def _is_narrow(shape: tuple[int, ...]) -> bool:
    """True for a matrix of few columns and many rows, such as the kernel of a linear head."""
    return len(shape) == 2 and shape[1] < NARROW < shape[0]


def _flat(array: Any) -> Any:
    return jnp.ravel(jnp.transpose(array) if _is_narrow(tuple(array.shape)) else array)


def _shaped(flat: Any, shape: tuple[int, ...]) -> Any:
    return jnp.transpose(jnp.reshape(flat, shape[::-1])) if _is_narrow(shape) else jnp.reshape(flat, shape)


def _in_shapes(shapes: Sequence[tuple[int, ...]], flat: Sequence[Any]) -> list[Any]:
    return [_shaped(value, shape) for value, shape in zip(flat, shapes, strict=bool(flat))]


# One program each, where an array by itself would be a program for every shape.
_copied = jax.jit(lambda tree: jax.tree.map(jnp.copy, tree))
_all_flat = jax.jit(lambda state: [[_flat(array) for array in each] for each in state])
_all_shaped = jax.jit(lambda shapes, state: [_in_shapes(shapes, each) for each in state], static_argnums=0)


def all_finite(arrays: Sequence[Any]) -> Any:
    """True, as a scalar on the device, where no number is infinite or NaN."""
    return jnp.all(jnp.stack([jnp.isfinite(each).all() for each in arrays]))


class JaxTrains:
    """Fulfils `Trains`: the state lives in this object between updates and reaches the variables by `sync`."""

    def __init__(self, step: Step) -> None:
        self._update, self._optimizer = Update(step), step.optimizer
        self.reload()

    def sync(self) -> None:
        """See `Trains`."""
        self._update.end(copied_state(self._learned), self._count)

    def reload(self) -> None:
        """See `Trains`."""
        self._learned = copied_state(self._update.begin())
        self._count = self._optimizer.count


class JaxTrainStep(JaxTrains):
    """Training on JAX, a batch at a time."""

    def __init__(self, step: Step, parts: int = 1) -> None:
        super().__init__(step)
        self._parts = parts
        self._run = jax.jit(self._update, donate_argnums=0)
        self._gradients = jax.jit(self._update.gradients)
        self._add = jax.jit(_added)
        self._apply = jax.jit(self._update.apply, donate_argnums=0)

    def __call__(self, batch: Batch, targets: Batch, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        scale = self._optimizer.scales(np.array([self._count]))[0]
        if self._parts == 1:
            result, flag, self._learned = self._run(
                self._learned, self._update.frozen(), dict(batch), dict(targets), mask, scale
            )
        else:
            result, flag = self._by_parts(batch, targets, mask, scale)
        finite = bool(flag)
        self._count += finite
        outputs = {name: np.asarray(each) for name, each in result.outputs.items()}
        return Stepped(float(result.loss), np.asarray(result.losses), outputs, finite)

    def _by_parts(self, batch: Batch, targets: Batch, mask: np.ndarray, scale: np.ndarray) -> tuple[Result, Any]:
        frozen, total, before = self._update.frozen(), np.float32(mask.sum()), self._learned
        found: Gradients | None = None
        seen: list[Any] = []
        for samples, encoded, real in in_parts(batch, targets, mask, self._parts):
            state = before if found is None else before._replace(moving=found.moving)
            new = self._gradients(state, frozen, dict(samples), dict(encoded), real, total)
            seen.append((new.result.losses, new.result.outputs))
            found = new if found is None else self._add(found, new)
        if found is None:
            raise ValueError("a batch without samples")
        flag, self._learned = self._apply(self._learned, frozen, found, scale)
        losses, outputs = jax.tree.map(lambda *each: jnp.concatenate(each)[: len(mask)], *seen)
        return Result(found.result.loss, losses, outputs), flag


def _added(one: Gradients, other: Gradients) -> Gradients:
    """The sum of two parts' losses and gradients, with what moved last."""
    gradients = [mine + yours for mine, yours in zip(one.gradients, other.gradients, strict=True)]
    return Gradients(Result(one.result.loss + other.result.loss, None, {}), gradients, other.moving)


def gradients_of(step: Step) -> GradientStep:
    """See `headstart.engine.device.gradient_step`."""
    update = Update(step)
    run = jax.jit(update.gradients)

    def gradients(batch: Batch, targets: Batch, mask: np.ndarray) -> tuple[float, list[np.ndarray]]:
        found = run(update.begin(), update.frozen(), dict(batch), dict(targets), mask, np.float32(mask.sum()))
        return float(found.result.loss), [np.asarray(each) for each in update.shaped(found.gradients)]

    return gradients
