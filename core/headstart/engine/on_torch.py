"""Forward passes and training steps on PyTorch: eager, gradients only where weights learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import torch

from headstart.engine.compute import Batch, GradientStep, Step, Stepped, in_parts
from headstart.engine.network.network import Network
from headstart.engine.precision import run_network
from headstart.engine.updates_torch import FusedUpdate, norm_of


def device() -> Any:
    """The device that Keras computes on."""
    return keras.ops.zeros(()).device


def on_device(array: np.ndarray, where: Any) -> Any:
    """`array` as a tensor: the same memory on the CPU, a copy that does not wait on an accelerator."""
    if array.dtype == np.uint32:
        array = array.astype(np.int64)  # few operations know uint32
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nor is it written to
        tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(where, non_blocking=True) if where.type == "cuda" else tensor.to(where)


def all_finite(tensors: Sequence[Any]) -> bool:
    """True where no number is infinite or NaN; asks the device once."""
    return bool(torch.isfinite(torch.stack(torch._foreach_norm(list(tensors), float("inf")))).all())


class TorchForward:
    """Inference on PyTorch."""

    def __init__(self, network: Network, start: int, stop: int, precision: str) -> None:
        self._network, self._start, self._stop = network, start, stop
        self._precision, self._device = precision, device()

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """See `Forward`."""
        tensors = {name: on_device(array, self._device) for name, array in batch.items()}
        with torch.no_grad():
            outputs = run_network(self._network, tensors, self._start, self._stop, precision=self._precision)
        return {name: value.cpu().numpy() for name, value in outputs.items()}


class TorchGradients:
    """Losses, outputs and gradients of batches; the variables hold the state."""

    def __init__(self, step: Step) -> None:
        self._step = step
        stages = [name.partition("/")[0] for name in step.trainable]
        first = min(step.network.index(stage) for stage in stages)
        self._first = max(step.start, first)
        self._moving = step.moving()
        self._factors = [step.trainable[name] for name in step.adapter.factors] if step.adapter else []

    def __call__(
        self, batch: dict[str, Any], targets: Any, mask: Any, total: Any | None = None
    ) -> tuple[Any, dict[str, Any], list[Any]]:
        """The losses' sum over `total` (default: the samples here), the outputs, and a gradient a weight: device
        tensors, cut from what computed them."""
        step = self._step
        with torch.no_grad():
            alive = run_network(
                step.network, batch, step.start, self._first, precision=step.precision, training=step.training
            )
        parameters = [variable.value for variable in step.trainable.values()]
        with torch.enable_grad():
            outputs = self._outputs(alive)
            losses = step.task.loss(targets, outputs)
            loss = (losses * mask).sum() / (mask.sum() if total is None else total)
        # As on JAX, a weight that the loss does not reach has the gradient 0.
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        return loss.detach(), {name: each.detach() for name, each in outputs.items()}, list(gradients)

    def _outputs(self, alive: dict[str, Any]) -> dict[str, Any]:
        step, last = self._step, len(self._step.network.stages)
        if step.adapter is None:
            return run_network(step.network, alive, self._first, last, precision=step.precision, training=step.training)
        factors = [variable.value for variable in self._factors]
        merged = step.adapter.merged(factors, list(step.adapter.base.values()))
        mapping = list(zip(step.adapter.adapted.values(), merged, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = run_network(
                step.network, alive, self._first, last, precision=step.precision, training=step.training
            )
        for variable in self._moving:  # the scope kept what layers assigned
            if (value := scope.get_current_value(variable)) is not None:
                variable.assign(value)
        return outputs


class TorchTrainStep:
    """Training on PyTorch; the variables hold the state."""

    def __init__(self, step: Step, parts: int = 1) -> None:
        self._step, self._parts = step, parts
        self._gradients, self._device = TorchGradients(step), device()
        self.reload()

    def __call__(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        loss, outputs, gradients = self._of(batch, targets, mask)
        # A finite loss can have gradients that are not: a root at zero, an exponential that overflows.
        norm = norm_of(gradients)
        finite = bool(torch.isfinite(torch.stack([loss, norm])).all())
        if finite:
            self._apply(gradients, norm)
        return Stepped(float(loss), {name: each.cpu().numpy() for name, each in outputs.items()}, finite)

    def sync(self) -> None:
        """See `TrainStep`; nothing to do, the variables hold the state."""

    def reload(self) -> None:
        """See `TrainStep`."""
        self._apply = FusedUpdate(self._step.optimizer)

    def _of(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> tuple[Any, dict[str, Any], list[Any]]:
        if self._parts == 1:
            return self._gradients(*self._put(batch, targets, mask))
        losses: list[Any] = []
        outputs: list[dict[str, Any]] = []
        gradients: list[Any] = []
        for part in in_parts(batch, targets, mask, self._parts):
            loss, seen, found = self._gradients(*self._put(part.batch, part.targets, part.mask), float(mask.sum()))
            losses.append(loss)
            outputs.append(seen)
            gradients = found if not gradients else torch._foreach_add(gradients, found)
        together = {name: torch.cat([each[name] for each in outputs])[: len(mask)] for name in outputs[0]}
        return torch.stack(losses).sum(), together, list(gradients)

    def _put(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> tuple[dict[str, Any], Any, Any]:
        tensors = {name: on_device(array, self._device) for name, array in batch.items()}
        return tensors, on_device(targets, self._device), on_device(mask, self._device)


def gradients_of(step: Step) -> GradientStep:
    """See `headstart.engine.compute.gradient_step`."""
    found, where = TorchGradients(step), device()

    def gradients(batch: Batch, targets: np.ndarray, mask: np.ndarray) -> tuple[float, list[np.ndarray]]:
        tensors = {name: on_device(array, where) for name, array in batch.items()}
        loss, _, each = found(tensors, on_device(targets, where), on_device(mask, where))
        return float(loss), [gradient.cpu().numpy() for gradient in each]

    return gradients
