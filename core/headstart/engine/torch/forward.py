"""Forward passes on PyTorch: eager, without gradients."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
import torch

from headstart.engine.network import Network
from headstart.engine.precision import run_network
from headstart.engine.step import Batch


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
