"""Inference and training steps on PyTorch: eager, gradients only where weights learn, updates in place, AdamW's by its
own fused kernel."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import torch

from headstart.engine.contrast import losses_of
from headstart.engine.precision import run_network
from headstart.engine.step import GradientStep, InputGradient, Step, Stepped, in_parts, with_head_inputs
from headstart.engine.torch.rows import Rows, added, chosen, dense, gathered, met_before, numbers_of
from headstart.engine.train.optimizer import GroupedOptimizer
from headstart.engine.train.update_rules import (
    BETA_1,
    BETA_2,
    EPSILON,
    RHO,
    ROOT_EPSILON,
    Adam,
    RmsProp,
    Sgd,
    UpdateRule,
)
from headstart.specs import Batch, Stage


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
    """Arrays by name as tensors; what is on the device stays as it is."""
    return {name: on_device(each, where) if isinstance(each, np.ndarray) else each for name, each in batch.items()}


def inference(compute: Callable[..., Any], stages: Sequence[Stage], *, stays: bool = False) -> Callable[..., Any]:
    """See `headstart.engine.device.inference`; the variables of `stages` are read as they are."""
    where = device()

    def on_arrays(*batches: Batch) -> Any:
        tensors = [put(batch, where) for batch in batches]
        with torch.no_grad():
            found = compute(*tensors)
        return found if stays else keras.tree.map_structure(lambda tensor: tensor.cpu().numpy(), found)

    return on_arrays


def input_gradient(compute: Callable[..., Any], stages: Sequence[Stage]) -> InputGradient:
    """See `headstart.engine.device.input_gradient`; the variables of `stages` are read as they are."""
    where = device()

    def on_arrays(entering: np.ndarray, others: Batch, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        point = on_device(entering, where).detach().requires_grad_()
        with torch.enable_grad():
            values = compute(point, put(others, where), on_device(weights, where))
        # As on JAX, a tensor that the output does not depend on has the gradient 0.
        (gradient,) = torch.autograd.grad(values.sum(), [point], allow_unused=True, materialize_grads=True)
        return values.detach().cpu().numpy(), gradient.cpu().numpy()

    return on_arrays


@dataclass(frozen=True)
class Together:
    """Weights of one rate and decay, by their places among all, the moments that are held of them, and what they are
    drawn to, if so."""

    group: int
    decay: float
    places: Sequence[int]
    values: list[Any]
    first: list[Any]
    second: list[Any]
    anchors: list[Any]


class InPlaceUpdate:
    """Applies gradients to an optimizer's weights and moments."""

    def __init__(self, optimizer: GroupedOptimizer) -> None:
        self._optimizer = optimizer
        self._number: Any = torch.zeros((), dtype=torch.float32, device=optimizer.variables[0].value.device)
        places: dict[tuple[int, float, bool], list[int]] = defaultdict(list)
        drawn = [anchor is not None for anchor in optimizer.anchors]
        for place, key in enumerate(zip(optimizer.groups, optimizer.decays, drawn, strict=True)):
            places[key].append(place)
        self._together = [self._gather(group, decay, places) for (group, decay, _), places in places.items()]
        self._values = [variable.value for variable in optimizer.variables]
        self._met: dict[int, Any] = {}  # of tables whose gradients are of a few rows: which rows were met

    def _gather(self, group: int, decay: float, places: Sequence[int]) -> Together:
        optimizer = self._optimizer
        values = [optimizer.variables[place].value for place in places]
        for value in values:
            value.data = value.data.contiguous()  # as the moments are: the kernel ignores strides
        first, second = (
            [moments[place] for place in places if moments] for moments in (optimizer.first, optimizer.second)
        )
        anchors = [optimizer.anchors[place] for place in places if optimizer.anchors[place] is not None]
        return Together(group, decay, places, values, first, second, anchors)

    def __call__(self, gradients: Sequence[Any], norm: Any | None = None) -> None:
        """Update once; `gradients` are in the order of the weights, `norm` is their norm together where it is known."""
        optimizer, number = self._optimizer, self._optimizer.count + 1
        self._number.fill_(number)
        rates = optimizer.rates(optimizer.count)
        with torch.no_grad():
            shrunk = None
            if clip := optimizer.rules.clip:  # what to divide by, so that the norm is at most that
                shrunk = (norm_of(gradients) if norm is None else norm).div(clip).clamp(min=1.0)
            for each in self._together:
                rate = float(rates[each.group])
                own = [gradients[place] for place in each.places]
                before = torch._foreach_sub(each.values, each.anchors) if each.anchors else []
                if isinstance(optimizer.update, Adam):
                    self._follow_adam(each, own, rate, shrunk)
                else:
                    _follow(optimizer.update, each, dense(own), rate, shrunk=shrunk)
                if before:
                    torch._foreach_add_(each.values, before, alpha=-rate * optimizer.rules.l2_sp)
            if optimizer.averages:
                share = float(optimizer.average_share(optimizer.count))
                torch._foreach_lerp_(optimizer.averages, self._values, weight=share)
        optimizer.count = number

    def _follow_adam(self, each: Together, gradients: list[Any], rate: float, shrunk: Any | None) -> None:
        """Adam and the decay; of tables whose gradients are sparse, of the rows alone that were met."""
        held = [Rows(*tensors) for tensors in zip(each.values, each.first, each.second, gradients, strict=True)]
        self._fused_adam([rows for rows in held if not rows.gradient.is_sparse], rate, each.decay, shrunk)
        for place, whole in zip(each.places, held, strict=True):
            if whole.gradient.is_sparse:
                if place not in self._met:
                    self._met[place] = met_before(whole)
                whole.value.mul_(1 - rate * each.decay)  # all rows alike, so that it is no matter which were met
                rows = chosen(whole, self._met[place])
                self._fused_adam([rows], rate, 0.0, shrunk)
                rows.put_into(whole)

    def _fused_adam(self, held: Sequence[Rows], rate: float, decay: float, shrunk: Any | None) -> None:
        """By PyTorch's own kernel."""
        if not held:
            return
        torch._fused_adamw_(
            [rows.value for rows in held],
            [rows.gradient.contiguous() for rows in held],
            [rows.first for rows in held],
            [rows.second for rows in held],
            [],
            [self._number] * len(held),
            lr=rate,
            beta1=BETA_1,
            beta2=BETA_2,
            weight_decay=decay,
            # The kernel divides the root by this correction before it adds epsilon; Keras adds it to the root alone.
            eps=EPSILON / math.sqrt(1 - BETA_2 ** (self._optimizer.count + 1)),
            amsgrad=False,
            maximize=False,
            grad_scale=shrunk,
        )


def _follow(rule: UpdateRule, each: Together, gradients: list[Any], rate: float, *, shrunk: Any | None) -> None:
    """The other rules and the decay. PyTorch's own kernels will not do: that of SGD keeps the rate out of its velocity,
    RMSprop's adds epsilon to the root."""
    if shrunk is not None:
        gradients = torch._foreach_div(gradients, shrunk)
    if each.decay:
        torch._foreach_mul_(each.values, 1 - rate * each.decay)
    match rule:
        case Sgd(momentum=0.0):
            torch._foreach_add_(each.values, gradients, alpha=-rate)
        case Sgd():
            torch._foreach_mul_(each.first, rule.momentum)
            torch._foreach_add_(each.first, gradients, alpha=rate)
            torch._foreach_sub_(each.values, each.first)
        case RmsProp():
            torch._foreach_mul_(each.second, RHO)
            torch._foreach_addcmul_(each.second, gradients, gradients, value=1 - RHO)
            roots = torch._foreach_sqrt(torch._foreach_add(each.second, ROOT_EPSILON))
            torch._foreach_addcdiv_(each.values, gradients, roots, value=-rate)
        case _:
            raise ValueError(f"no update on PyTorch follows {rule}")


def norm_of(tensors: Sequence[Any]) -> Any:
    """The norm of all numbers together, a scalar on the device; not finite where one of them is not."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(numbers_of(tensors))))


def all_finite(tensors: Sequence[Any]) -> bool:
    """True where no number is infinite or NaN; asks the device once."""
    return bool(torch.isfinite(torch.stack(torch._foreach_norm(numbers_of(tensors), float("inf")))).all())


class Found(NamedTuple):
    """What a batch, or a part of one, gives: its mean loss, that of each row, the head's outputs, and a gradient a
    weight, sparse where only some rows have one: device tensors, cut from what computed them."""

    loss: Any
    losses: Any
    outputs: dict[str, Any]
    gradients: list[Any]


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
        self, batch: Mapping[str, Any], targets: Mapping[str, Any], mask: Any, total: Any | None = None
    ) -> Found:
        """The loss is the losses' sum over `total`, by default the samples here."""
        step = self._step
        with torch.no_grad():
            fed = with_head_inputs(step.task, batch, targets)
            alive = run_network(
                step.network, fed, step.start, self._first, precision=step.precision, training=step.training
            )
        parameters = [variable.value for variable in step.trainable.values()]
        with torch.enable_grad():
            outputs = self._outputs(alive)
            losses, outputs = losses_of(step, targets, outputs)
            loss = (losses * mask).sum() / (mask.sum() if total is None else total)
        # As on JAX, a weight that the loss does not reach has the gradient 0.
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        cut = {name: each.detach() for name, each in outputs.items()}
        return Found(loss.detach(), losses.detach(), cut, gathered(gradients))

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

    def __call__(self, batch: Batch, targets: Batch, mask: np.ndarray) -> Stepped:
        """See `TrainStep`."""
        found = self._of(batch, targets, mask)
        # A finite loss can have gradients that are not: a root at zero, an exponential that overflows.
        norm = norm_of(found.gradients)
        finite = bool(torch.isfinite(torch.stack([found.loss, norm])).all())
        if finite:
            self._apply(found.gradients, norm)
        outputs = {name: tensor.cpu().numpy() for name, tensor in found.outputs.items()}
        return Stepped(float(found.loss), found.losses.cpu().numpy(), outputs, finite)

    def sync(self) -> None:
        """See `Trains`; nothing to do, the variables hold the state."""

    def reload(self) -> None:
        """See `Trains`."""
        self._apply = InPlaceUpdate(self._step.optimizer)

    def _of(self, batch: Batch, targets: Batch, mask: np.ndarray) -> Found:
        where = self._device
        if self._parts == 1:
            return self._gradients(put(batch, where), put(targets, where), on_device(mask, where))
        parts: list[Found] = []
        gradients: list[Any] = []
        for samples, encoded, real in in_parts(batch, targets, mask, self._parts):
            found = self._gradients(put(samples, where), put(encoded, where), on_device(real, where), float(mask.sum()))
            gradients = found.gradients if not gradients else added(gradients, found.gradients)
            parts.append(found._replace(gradients=[]))  # or those of all parts would be alive at once
        outputs = {name: torch.cat([each.outputs[name] for each in parts])[: len(mask)] for name in parts[0].outputs}
        losses = torch.cat([each.losses for each in parts])[: len(mask)]
        return Found(torch.stack([each.loss for each in parts]).sum(), losses, outputs, list(gradients))


def gradients_of(step: Step) -> GradientStep:
    """See `headstart.engine.device.gradient_step`."""
    found, where = TorchGradients(step), device()

    def gradients(batch: Batch, targets: Batch, mask: np.ndarray) -> tuple[float, list[np.ndarray]]:
        of_batch = found(put(batch, where), put(targets, where), on_device(mask, where))
        return float(of_batch.loss), [gradient.cpu().numpy() for gradient in dense(of_batch.gradients)]

    return gradients
