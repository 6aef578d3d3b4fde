"""Convolutions on views: (batch, height, width, channel) in memory is what PyTorch calls channels last.

Zeros around, scale, shift and ReLU are part of them, and gradients come in the order that costs least memory traffic. The scale is
multiplied into the kernel, which is small, instead of the outputs (Jacob et al. 2018, section 3.2, fold BatchNorm so).
Then the gradient of the scale is that of the scaled kernel times the kernel, summed a channel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import torch
from torch.nn import functional

from headstart.engine.lowering.applied import Extent, Lowered, LoweredConvolution, read_convolution

SIDE, PART = 5, 3
STARTS = (0, SIDE - PART)
"""Where the parts begin; the middle row and column are in two of them."""
CHUNK = 2_400_000
"""Bytes of input that are worked on at a time, so that its shifted copies stay in the processor's cache."""


def pays(weights: Any, strides: tuple[int, int]) -> bool:
    """True for (channel, 1, 5, 5) on the CPU at stride 1."""
    return tuple(weights.shape[1:]) == (1, SIDE, SIDE) and tuple(strides) == (1, 1) and weights.device.type == "cpu"


def kernel_gradient(flow: Any, images: Any, weights: Any, padding: tuple[int, int]) -> Any:
    """(channel, 1, 5, 5), from the gradient of the outputs and the inputs, both (batch, channel, height, width)."""
    rows, columns = padding
    total = torch.zeros_like(weights)
    samples = max(1, CHUNK // (images[0].numel() * images.element_size()))
    for start in range(0, len(images), samples):
        padded = functional.pad(images[start : start + samples], (columns, columns, rows, rows))
        _add_parts(total, flow[start : start + samples], padded)
    total[:, :, PART - 1] /= 2
    total[:, :, :, PART - 1] /= 2
    return total


def _add_parts(total: Any, flow: Any, padded: Any) -> None:
    height, width = (length + PART - 1 for length in flow.shape[2:])
    for row in STARTS:
        for column in STARTS:
            seen = padded[:, :, row : row + height, column : column + width]
            part = total[:, :, row : row + PART, column : column + PART]
            part += torch.ops.aten.convolution_backward(
                flow, seen, part, None, (1, 1), (0, 0), (1, 1), False, (0, 0), len(part), (False, True, False)
            )[1]


class Shape(NamedTuple):
    """How a convolution moves; `padding` is zeros on both sides of (height, width), `ceiling` the upper end of a cut
    at zero, or None, `slope` what outputs below zero are taken times, or None. `depthwise` kernels are (height, width,
    channel, 1), others (height, width, in, out)."""

    strides: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    depthwise: bool
    ceiling: float | None
    slope: float | None

    @property
    def bends(self) -> bool:
        """Whether the outputs tell their own gradient."""
        return self.ceiling is not None or self.slope is not None


class Convolve(torch.autograd.Function):  # type: ignore[misc]  # torch is not read
    """(batch, height, width, channel) in and out; `scale` and `shift` (channel,) or None.

    The shift's gradient is a sum of its own, since oneDNN's takes longer than the rest.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Any, kernel: Any, scale: Any | None, shift: Any | None, shape: Shape) -> Any:
        images = inputs.permute(0, 3, 1, 2)  # the same memory, axes as PyTorch's convolutions name them
        weights = _out_first(kernel, shape)
        if scale is not None:
            weights = _scaled(weights, scale, like=torch.channels_last)
        else:
            weights = weights.contiguous(memory_format=torch.channels_last)  # once, for both ways
        outputs = functional.conv2d(images, weights, shift, shape.strides, shape.padding, 1, shape.groups)
        if shape.ceiling is not None:
            functional.hardtanh_(outputs, 0.0, shape.ceiling)
        elif shape.slope is not None:
            functional.leaky_relu_(outputs, shape.slope)
        ctx.shape = shape
        ctx.save_for_backward(images, weights, outputs if shape.bends else None, kernel, scale)
        return outputs.permute(0, 2, 3, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        images, weights, outputs, kernel, scale = ctx.saved_tensors
        shape: Shape = ctx.shape
        flow = gradient.permute(0, 3, 1, 2)
        if shape.ceiling is not None:
            flow = torch.ops.aten.hardtanh_backward(flow, outputs, 0.0, shape.ceiling)
        elif shape.slope is not None:
            flow = torch.ops.aten.leaky_relu_backward(flow, outputs, shape.slope, True)
        for_inputs, for_kernel, for_scale, for_shift, _ = ctx.needs_input_grad
        to_inputs, to_weights = _gradients(flow, images, weights, shape, (for_inputs, for_kernel or for_scale))
        to_scale = (to_weights * _out_first(kernel, shape)).sum((1, 2, 3)) if for_scale else None
        if for_kernel and scale is not None:
            to_weights = _scaled(to_weights, scale)
        return (
            to_inputs.permute(0, 2, 3, 1) if for_inputs else None,
            (to_weights.permute(2, 3, 0, 1) if shape.depthwise else to_weights.permute(2, 3, 1, 0))
            if for_kernel
            else None,
            to_scale,
            flow.sum((0, 2, 3)) if for_shift else None,
            None,
        )


def _out_first(kernel: Any, shape: Shape) -> Any:
    return kernel.permute(2, 3, 0, 1) if shape.depthwise else kernel.permute(3, 2, 0, 1)


def _scaled(weights: Any, scale: Any, like: Any = torch.preserve_format) -> Any:
    """One pass that also brings the product into the memory format that the next operation wants."""
    return torch.mul(weights, scale[:, None, None, None], out=torch.empty_like(weights, memory_format=like))


def _gradients(flow: Any, images: Any, weights: Any, shape: Shape, wanted: tuple[bool, bool]) -> tuple[Any, Any]:
    own = wanted[1] and pays(weights, shape.strides)
    to_inputs, to_weights, _ = torch.ops.aten.convolution_backward(
        flow,
        images,
        weights,
        None,
        shape.strides,
        shape.padding,
        (1, 1),
        False,
        (0, 0),
        shape.groups,
        (wanted[0], wanted[1] and not own, False),
    )
    return to_inputs, kernel_gradient(flow, images, weights, shape.padding) if own else to_weights


class TorchConvolution(LoweredConvolution):
    """Zeros, a convolution, BatchNorm and ReLU in one step forward and one back; the scale goes into the kernel.

    Keras copies the input of each k x k convolution into the padded one, and computes BatchNorm as three more passes.
    """

    def convolve(self, inputs: Any, kernel: Any, scale: Any | None, shift: Any | None) -> Any:
        """See `LoweredConvolution`."""
        layer = self.form.layer
        (top, bottom), (left, right) = self.form.zeros
        lengths = (inputs.shape[1] + top + bottom, inputs.shape[2] + left + right)
        sides = zip(lengths, layer.kernel_size, layer.strides, strict=True)
        rows, columns = (Extent.of(*each, layer.padding) for each in sides)
        top, bottom, left, right = top + rows.before, bottom + rows.after, left + columns.before, right + columns.after
        if (top, left) == (bottom, right):
            padding = (top, left)
        else:
            inputs = functional.pad(inputs, (0, 0, left, right, top, bottom))
            padding = (0, 0)
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        groups = kernel.shape[2] if depthwise else layer.groups
        shape = Shape(tuple(layer.strides), padding, groups, depthwise, self.form.ceiling, self.form.slope)
        return Convolve.apply(inputs, kernel, scale, shift, shape)


def convolution(*chain: keras.Layer) -> keras.Layer | None:
    """A `TorchConvolution`, or None where the layers do something that it does not."""
    form = read_convolution(*chain)
    return None if form is None else TorchConvolution(form)


class TorchPooling(Lowered):
    """The same pooling on the memory of (batch, height, width, channel) as it is.

    Keras brings it into the order channels first, which pools more slowly, and what follows copies it back.
    """

    def call(self, inputs: Any) -> Any:
        """(batch, height, width, channel) in and out."""
        (layer,) = self.stock
        pool = functional.max_pool2d if isinstance(layer, keras.layers.MaxPooling2D) else functional.avg_pool2d
        return pool(inputs.permute(0, 3, 1, 2), layer.pool_size, layer.strides).permute(0, 2, 3, 1)


def pooling(layer: keras.Layer) -> keras.Layer | None:
    """A `TorchPooling`, or None for one that pads or whose channels come first."""
    plain = (layer.padding, layer.data_format) == ("valid", "channels_last")
    return TorchPooling(layer) if plain else None
