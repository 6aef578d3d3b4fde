"""A convolution with shift and ReLU, and its gradients in the order that costs least memory traffic."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from headstart_plugins.torch_lowerings._depthwise import kernel_gradient, pays


class Shape(NamedTuple):
    """How a convolution moves; `padding` is zeros on both sides of (height, width), `ceiling` the upper end of a cut
    at zero, or None."""

    strides: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    ceiling: float | None


def convolve(inputs: Any, weights: Any, shift: Any | None, shape: Shape) -> Any:
    """(batch, height, width, channel) in and out; `weights` (out, in a group, height, width), `shift` (out,)."""
    return _Convolve.apply(inputs, weights, shift, shape)


def _first(channels_last: Any) -> Any:
    """The same memory, axes as PyTorch's convolutions name them."""
    return channels_last.permute(0, 3, 1, 2)


class _Convolve(torch.autograd.Function):  # type: ignore[misc]  # torch is not read
    """The shift's gradient is a sum of its own, since oneDNN's takes longer than the rest."""

    @staticmethod
    def forward(ctx: Any, inputs: Any, weights: Any, shift: Any | None, shape: Shape) -> Any:
        images = _first(inputs)
        outputs = functional.conv2d(images, weights, shift, shape.strides, shape.padding, 1, shape.groups)
        if shape.ceiling is not None:
            functional.hardtanh_(outputs, 0.0, shape.ceiling)
        ctx.shape = shape
        ctx.save_for_backward(images, weights, None if shape.ceiling is None else outputs)
        return outputs.permute(0, 2, 3, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        images, weights, outputs = ctx.saved_tensors
        shape: Shape = ctx.shape
        flow = _first(gradient)
        if outputs is not None:
            flow = torch.ops.aten.hardtanh_backward(flow, outputs, 0.0, shape.ceiling)
        wanted = ctx.needs_input_grad[:2]
        to_inputs, to_weights = _gradients(flow, images, weights, shape, wanted)
        to_shift = flow.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return None if to_inputs is None else to_inputs.permute(0, 2, 3, 1), to_weights, to_shift, None


def _gradients(flow: Any, images: Any, weights: Any, shape: Shape, wanted: tuple[bool, bool]) -> tuple[Any, Any]:
    own = wanted[1] and pays(weights, shape.strides)
    to_inputs, to_weights, _ = torch.ops.aten.convolution_backward(
        flow, images, weights, None, shape.strides, shape.padding, (1, 1), False, (0, 0), shape.groups,
        (wanted[0], wanted[1] and not own, False),
    )  # fmt: skip
    return to_inputs, kernel_gradient(flow, images, weights, shape.padding) if own else to_weights
