"""Forward passes and training steps on PyTorch: eager, gradients only where weights learn."""

from __future__ import annotations

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
        # As on JAX, a weight that the loss does not reach has the gradient 0.
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            # A finite loss can have gradients that are not: a root at zero, an exponential that overflows.
            finite = all(bool(torch.isfinite(each).all()) for each in (loss, *gradients))
            if finite:
                step.optimizer.apply(list(gradients))
        seen = {name: keras.ops.convert_to_numpy(output.detach()) for name, output in outputs.items()}
        return Stepped(float(loss.detach()), seen, finite)

    def sync(self) -> None:
        """See `TrainStep`; nothing to do, the variables hold the state."""
