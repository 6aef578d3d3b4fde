"""Many updates without a wait on PyTorch: the device is asked once a call whether all numbers were finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import torch

from headstart.engine.step import ROOM_FOR_OUTPUTS, ROOM_ON_DEVICE, Advanced, Step
from headstart.engine.torch.step import Found, InPlaceUpdate, TorchGradients, all_finite, device, on_device, put
from headstart.engine.train.optimizer import Moments
from headstart.specs import Batch

ATEN = torch.ops.aten
NARROW = 64
"""Outputs of a layer below which its kernel's gradient is worth turning."""
Gradients = Callable[[dict[str, Any], dict[str, Any], Any], Found]


def trace(
    step: Step, gradients_of: Gradients, batch: dict[str, Any], targets: dict[str, Any], mask: Any
) -> Gradients | None:
    """`gradients_of` recorded on one batch and played back on others of the same shapes.

    None for a step whose operations are not the same each time: layers that draw random numbers or keep statistics,
    and Python code that looks at the numbers.
    """
    if any(stage.model.non_trainable_variables for stage in step.network.stages[step.start :]):
        return None
    variables = list(step.trainable.values())
    values = [variable.value for variable in variables]
    names: list[str] = []

    def recorded(*tensors: Any) -> list[Any]:
        given, rest = tensors[: len(variables)], tensors[len(variables) : -1]
        samples = dict(zip(batch, rest[: len(batch)], strict=True))
        encoded = dict(zip(targets, rest[len(batch) :], strict=True))
        with keras.StatelessScope(state_mapping=list(zip(variables, given, strict=True))):
            found = gradients_of(samples, encoded, tensors[-1])
        names[:] = found.outputs
        return [found.loss, found.losses, *found.outputs.values(), *found.gradients]

    learning = [value.detach().requires_grad_() for value in values]
    run = _record(recorded, [*learning, *batch.values(), *targets.values(), mask])
    if run is None:
        return None

    def played(batch: dict[str, Any], targets: dict[str, Any], mask: Any) -> Found:
        with torch.no_grad():
            loss, losses, *found = run(*values, *batch.values(), *targets.values(), mask)
        return Found(loss, losses, dict(zip(names, found, strict=False)), found[len(names) :])

    return played


def _record(function: Callable[..., list[Any]], examples: list[Any]) -> Callable[..., list[Any]] | None:
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        module = make_fx(function)(*examples)
    except RuntimeError:  # code that looks at the numbers, or an operation that cannot be recorded
        return None
    for node in list(module.graph.nodes):
        if node.target is ATEN.detach.default:  # without gradients to record it does nothing
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
        elif _is_narrow_gradient(node):
            with module.graph.inserting_before(node):  # a^T @ b as (b^T @ a)^T
                turned = module.graph.call_function(ATEN.t.default, (node.args[1],))
                product = module.graph.call_function(ATEN.mm.default, (turned, node.args[0].args[0]))
                node.replace_all_uses_with(module.graph.call_function(ATEN.t.default, (product,)))
            module.graph.erase_node(node)
    module.graph.set_codegen(torch.fx.graph.CodeGen())  # lists in and out, nothing to unpack
    module.recompile()
    run: Callable[..., list[Any]] = module.forward
    return run


def _is_narrow_gradient(node: Any) -> bool:
    """True for inputs^T @ flow of few outputs, whose kernel PyTorch multiplies faster turned."""
    if node.target is not ATEN.mm.default or node.args[0].target is not ATEN.t.default:
        return False
    return int(node.args[1].meta["tensor_meta"].shape[1]) < NARROW


class TorchScan:
    """Fulfils `Scan`; the variables hold the state."""

    def __init__(self, step: Step) -> None:
        self._optimizer, self._eager = step.optimizer, TorchGradients(step)
        self._gradients: Gradients | None = None
        self._step, self._device = step, device()
        self.reload()

    def can_hold(self, views: Sequence[Batch], targets: Batch) -> bool:
        """See `Scan`."""
        arrays = [array for each in (targets, *views) for array in each.values()]
        in_place = self._device.type == "cpu"  # the same memory, a file's too
        return in_place or sum(array.nbytes for array in arrays) <= ROOM_ON_DEVICE

    def put(self, tensors: Batch, targets: Batch) -> Any:
        """See `Scan`."""
        return put(tensors, self._device), put(targets, self._device)

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray, *, taken: int = 0) -> None:
        """See `Scan`."""
        self._held = held
        self._rows, self._mask = (on_device(each, self._device).unbind(0) for each in (rows, mask))
        if self._gradients is None:
            self._gradients = trace(self._step, self._eager, *self._batch(0)) or self._eager

    def advance(self, start: int, stop: int) -> Advanced:
        """See `Scan`."""
        kept, count = [tensor.detach().clone() for tensor in self._state], self._optimizer.count
        advanced = self._take(start, stop, careful=False)
        if np.isfinite(advanced.means).all() and all_finite(self._lasting):
            return advanced
        with torch.no_grad():
            torch._foreach_copy_(self._state, kept)
        self._optimizer.count = count
        return self._take(start, stop, careful=True)

    def sync(self) -> None:
        """See `Trains`; nothing to do, the variables hold the state."""

    def reload(self) -> None:
        """See `Trains`."""
        step, optimizer = self._step, self._optimizer
        self._apply = InPlaceUpdate(optimizer)
        read = [variable for stage in step.network.stages[step.start :] for variable in stage.model.variables]
        moments = optimizer.first + optimizer.second + optimizer.averages
        values = [variable.value for variable in optimizer.variables]
        self._lasting = Moments(values, optimizer.first, optimizer.second, optimizer.averages).lasting
        self._state = [variable.value for variable in read] + moments

    def _batch(self, place: int) -> tuple[dict[str, Any], dict[str, Any], Any]:
        rows = self._rows[place]
        tensors, targets = ({name: each.index_select(0, rows) for name, each in held.items()} for held in self._held)
        return tensors, targets, self._mask[place]

    def _take(self, start: int, stop: int, *, careful: bool) -> Advanced:
        """Steps `start` to `stop` - 1, or as many as there is room for; where `careful`, up to the first that is not
        finite."""
        gradients_of = self._gradients or self._eager
        means: list[Any] = []
        losses: list[Any] = []
        outputs: list[dict[str, Any]] = []
        room = ROOM_FOR_OUTPUTS
        for place in range(start, stop):
            found = gradients_of(*self._batch(place))
            means.append(found.loss)
            if careful and not all_finite([found.loss, *found.gradients]):
                break
            self._apply(found.gradients)
            losses.append(found.losses)
            outputs.append(found.outputs)
            room -= sum(each.nbytes for each in found.outputs.values())
            if room < 0:
                break
        return Advanced(
            start + len(losses),
            torch.stack(means).cpu().numpy(),
            torch.stack(losses).cpu().numpy() if losses else np.zeros((0, 0), np.float32),
            {name: torch.stack([each[name] for each in outputs]).cpu().numpy() for name in (outputs or [{}])[0]},
            len(means) == len(losses),
        )
