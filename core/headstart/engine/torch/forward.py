"""Inference on PyTorch: eager, without gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import torch

from headstart.engine.batch import Batch
from headstart.specs import Stage


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


def inference(compute: Callable[..., Any], stages: Sequence[Stage]) -> Callable[..., Any]:
    """See `headstart.engine.device.inference`; the variables of `stages` are read as they are."""
    where = device()

    def on_arrays(*batches: Batch) -> Any:
        tensors = [put(batch, where) for batch in batches]
        with torch.no_grad():
            found = compute(*tensors)
        return keras.tree.map_structure(lambda tensor: tensor.cpu().numpy(), found)

    return on_arrays
