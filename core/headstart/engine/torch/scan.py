"""Many updates without a wait on PyTorch: the device is asked once a call whether all numbers were finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from headstart.engine.step import Advanced, Batch, Step
from headstart.engine.torch.forward import device, on_device
from headstart.engine.torch.step import FusedUpdate, TorchGradients, all_finite
from headstart.engine.torch.trace import trace

ROOM_ON_DEVICE = 4 * 2**30
Gradients = Callable[[dict[str, Any], Any, Any], tuple[Any, dict[str, Any], list[Any]]]


class TorchScan:
    """Fulfils `Scan`; the variables hold the state."""

    def __init__(self, step: Step) -> None:
        self._optimizer, self._eager = step.optimizer, TorchGradients(step)
        self._taken = 0
        self._gradients: Gradients | None = None
        self._step, self._device = step, device()
        self.reload()

    def can_hold(self, views: Sequence[Batch], targets: np.ndarray) -> bool:
        """See `Scan`."""
        arrays = [targets, *(array for view in views for array in view.values())]
        in_place = self._device.type == "cpu"  # the same memory, a file's too
        return in_place or sum(array.nbytes for array in arrays) <= ROOM_ON_DEVICE

    def put(self, tensors: Batch, targets: np.ndarray) -> Any:
        """See `Scan`."""
        held = {name: on_device(array, self._device) for name, array in tensors.items()}
        return held, on_device(targets, self._device)

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray, *, taken: int = 0) -> None:
        """See `Scan`."""
        self._taken = taken
        self._held = held
        self._rows, self._mask = (on_device(each, self._device).unbind(0) for each in (rows, mask))
        self._outputs: list[dict[str, Any]] = []
        if self._gradients is None:
            self._gradients = trace(self._step, self._eager, *self._batch(0)) or self._eager

    def advance(self, start: int, stop: int) -> Advanced:
        """See `Scan`."""
        kept, count = [tensor.detach().clone() for tensor in self._state], self._optimizer.count
        advanced = self._take(start, stop, careful=False)
        # A gradient that is not finite stays in the first moment for good.
        if np.isfinite(advanced.losses).all() and all_finite(self._optimizer.first):
            return advanced
        with torch.no_grad():
            torch._foreach_copy_(self._state, kept)
        self._optimizer.count = count
        return self._take(start, stop, careful=True)

    def outputs(self, count: int) -> dict[str, np.ndarray]:
        """See `Scan`."""
        taken = self._outputs[: count - self._taken]
        return {name: torch.stack([each[name] for each in taken]).cpu().numpy() for name in taken[0]} if taken else {}

    def sync(self) -> None:
        """See `Scan`; nothing to do, the variables hold the state."""

    def reload(self) -> None:
        """See `Scan`."""
        step, optimizer = self._step, self._optimizer
        self._apply = FusedUpdate(optimizer)
        read = [variable for stage in step.network.stages[step.start :] for variable in stage.model.variables]
        moments = optimizer.first + optimizer.second + optimizer.averages
        self._state = [variable.value for variable in read] + moments

    def _batch(self, place: int) -> tuple[dict[str, Any], Any, Any]:
        tensors, targets = self._held
        rows = self._rows[place]
        batch = {name: tensor.index_select(0, rows) for name, tensor in tensors.items()}
        return batch, targets.index_select(0, rows), self._mask[place]

    def _take(self, start: int, stop: int, *, careful: bool) -> Advanced:
        """Steps `start` to `stop` - 1; where `careful`, up to the first that is not finite."""
        gradients_of = self._gradients or self._eager
        del self._outputs[start - self._taken :]
        losses, reached = [], start
        for place in range(start, stop):
            loss, outputs, gradients = gradients_of(*self._batch(place))
            losses.append(loss)
            if careful and not all_finite([loss, *gradients]):
                break
            self._apply(gradients)
            self._outputs.append(outputs)
            reached += 1
        return Advanced(reached, torch.stack(losses).cpu().numpy())
