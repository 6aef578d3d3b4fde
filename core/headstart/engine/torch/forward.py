"""Forward passes on PyTorch: eager, without gradients."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import torch

from headstart.engine.batch import Batch
from headstart.engine.network.network import Network
from headstart.engine.precision import run_network
from headstart.engine.step import Scored, with_head_inputs
from headstart.specs import Task


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


def put(batch: Batch, where: Any) -> dict[str, Any]:
    """Arrays by name as tensors."""
    return {name: on_device(array, where) for name, array in batch.items()}


def arrays_of(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Tensors by name as arrays on the host."""
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


class TorchForward:
    """Inference on PyTorch."""

    def __init__(self, network: Network, start: int, stop: int, precision: str) -> None:
        self._network, self._start, self._stop = network, start, stop
        self._precision, self._device = precision, device()

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """See `Forward`."""
        tensors = put(batch, self._device)
        with torch.no_grad():
            outputs = run_network(self._network, tensors, self._start, self._stop, precision=self._precision)
        return arrays_of(outputs)


class TorchScoreStep:
    """Outputs and losses on PyTorch."""

    def __init__(self, network: Network, start: int, task: Task, precision: str) -> None:
        self._network, self._start, self._task = network, start, task
        self._precision, self._device = precision, device()

    def __call__(self, batch: Batch, targets: Batch) -> Scored:
        """See `ScoreStep`."""
        tensors, encoded = put(batch, self._device), put(targets, self._device)
        with torch.no_grad():
            fed, last = with_head_inputs(self._task, tensors, encoded), len(self._network.stages)
            outputs = run_network(self._network, fed, self._start, last, precision=self._precision)
            losses = self._task.loss(encoded, outputs, training=False)
        return Scored(arrays_of(outputs), losses.cpu().numpy())


class TorchLossStep:
    """Losses of outputs at hand."""

    def __init__(self, task: Task) -> None:
        self._task, self._device = task, device()

    def __call__(self, targets: Batch, outputs: Batch) -> np.ndarray:
        """See `LossStep`."""
        with torch.no_grad():
            losses = self._task.loss(put(targets, self._device), put(outputs, self._device), training=False)
        found: np.ndarray = losses.cpu().numpy()
        return found
