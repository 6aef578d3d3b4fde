"""Forward passes and training steps on PyTorch: eager, gradients only where weights learn."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import torch

from headstart.engine.compute import Batch, Step, Stepped
from headstart.engine.network import Network


def _tensors(batch: Batch) -> dict[str, Any]:
    return {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}


class TorchForward:
    """Inference on PyTorch."""

    def __init__(self, network: Network, start: int, stop: int) -> None:
        self._network, self._start, self._stop = network, start, stop

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """See `Forward`."""
        with torch.no_grad():
            outputs = self._network.run(_tensors(batch), self._start, self._stop)
        return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


class TorchTrainStep:
    """Training on PyTorch; the variables hold the state."""

    def __init__(self, step: Step) -> None:
        self._step = step
        stages = [name.partition("/")[0] for name in step.trainable]
        first = min(step.network.index(stage) for stage in stages)
        self._first = max(step.start, first)

    def __call__(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        step, network = self._step, self._step.network
        with torch.no_grad():
            alive = network.run(_tensors(batch), step.start, self._first)
        parameters = [variable.value for variable in step.trainable.values()]
        with torch.enable_grad():
            outputs = network.run(alive, self._first, len(network.stages), training=True)
            losses = step.task.loss(keras.ops.convert_to_tensor(targets), outputs)
            weights = keras.ops.convert_to_tensor(mask)
            loss = (losses * weights).sum() / weights.sum()
        value = float(loss.detach())
        if math.isfinite(value):
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                step.optimizer.apply(list(gradients))
        seen = {name: keras.ops.convert_to_numpy(output.detach()) for name, output in outputs.items()}
        return Stepped(value, seen)

    def sync(self) -> None:
        """See `TrainStep`; nothing to do, the variables hold the state."""
