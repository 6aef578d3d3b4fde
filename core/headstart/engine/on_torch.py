"""Forward passes and training steps on PyTorch: eager, gradients only where weights learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import torch

from headstart.engine.compute import Batch, Step, Stepped
from headstart.engine.network import Network
from headstart.engine.precision import run_network
from headstart.engine.updates_torch import FusedUpdate


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


class TorchTrainStep:
    """Training on PyTorch; the variables hold the state."""

    def __init__(self, step: Step) -> None:
        self._step = step
        stages = [name.partition("/")[0] for name in step.trainable]
        first = min(step.network.index(stage) for stage in stages)
        self._first = max(step.start, first)
        self._apply, self._device = FusedUpdate(step.optimizer), device()

    def __call__(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        tensors = {name: on_device(array, self._device) for name, array in batch.items()}
        loss, outputs, gradients = self.gradients(
            tensors, on_device(targets, self._device), on_device(mask, self._device)
        )
        # A finite loss can have gradients that are not: a root at zero, an exponential that overflows.
        finite = all_finite([loss, *gradients])
        if finite:
            self._apply(gradients)
        return Stepped(float(loss), {name: each.cpu().numpy() for name, each in outputs.items()}, finite)

    def gradients(self, batch: dict[str, Any], targets: Any, mask: Any) -> tuple[Any, dict[str, Any], list[Any]]:
        """The mean loss, the outputs, and a gradient a weight: device tensors, cut from what computed them."""
        step, network = self._step, self._step.network
        with torch.no_grad():
            alive = run_network(network, batch, step.start, self._first, precision=step.precision)
        parameters = [variable.value for variable in step.trainable.values()]
        with torch.enable_grad():
            last = len(network.stages)
            outputs = run_network(network, alive, self._first, last, precision=step.precision, training=True)
            losses = step.task.loss(targets, outputs)
            loss = (losses * mask).sum() / mask.sum()
        # As on JAX, a weight that the loss does not reach has the gradient 0.
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        return loss.detach(), {name: each.detach() for name, each in outputs.items()}, list(gradients)

    def sync(self) -> None:
        """See `TrainStep`; nothing to do, the variables hold the state."""
