"""Convolutions in a form that XLA compiles well on CPUs. Each holds its stock layer and owns no variables.

A depthwise convolution and its two gradients are sums of shifted products. What JAX derives from the first is slow in
two places on CPUs: the gradient of the kernel reads both arrays once for each kernel position, against the grain, and
that of a strided input works on zeros.

The gradient of any other kernel is a convolution whose batch is the inputs' channels. As JAX derives it, its axes are
in an order of their own, which XLA for CPUs brings into that of images, but not within a loop: there it takes tens of
times as long (findings/xla_kernel_gradients_are_slow_in_loops.sh). So there both gradients are written in the order of
images; outside of loops XLA makes something faster of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras
from keras import ops

from headstart.engine.lowering.applied import Extent, LoweredConvolution, read_convolution
from headstart.engine.lowering.loops import is_within_loop

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How the kernel meets an input of `length` (height, width): zeros around it, steps, and how many outputs."""

    length: Pair
    kernel: Pair
    strides: Pair
    before: Pair
    after: Pair
    size: Pair

    @classmethod
    def of(cls, shape: tuple[int, ...], layer: Any) -> Window:
        """For inputs (batch, height, width, channel) of a Keras layer."""
        length, kernel, strides = (_pair(each) for each in (shape[1:3], layer.kernel_size, layer.strides))
        rows, columns = (Extent.of(*each, layer.padding) for each in zip(length, kernel, strides, strict=True))
        before, after = (rows.before, columns.before), (rows.after, columns.after)
        return cls(length, kernel, strides, before, after, (rows.size, columns.size))

    def seen(self, axis: int, offset: int) -> slice:
        """The padded input's positions that kernel position `offset` meets."""
        stride = self.strides[axis]
        return slice(offset, offset + (self.size[axis] - 1) * stride + 1, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(inputs: Any, kernel: Any, window: Window) -> Any:
    """(batch, height, width, channel) and (height, width, channel) to (batch, height, width, channel)."""
    padded = _padded(inputs, window.before, window.after)
    return _sum(
        padded[:, window.seen(0, i), window.seen(1, j)] * kernel[i, j]
        for i in range(window.kernel[0])
        for j in range(window.kernel[1])
    )


def _forward(inputs: Any, kernel: Any, window: Window) -> tuple[Any, tuple[Any, Any]]:
    return convolve(inputs, kernel, window), (inputs, kernel)


def _backward(window: Window, kept: tuple[Any, Any], flow: Any) -> tuple[Any, Any]:
    inputs, kernel = kept
    return _to_inputs(flow, kernel, window), _to_kernel(inputs, flow, window)


convolve.defvjp(_forward, _backward)


def _pair(numbers: Iterable[int]) -> Pair:
    first, second = numbers
    return first, second


def _padded(images: Any, before: Pair, after: Pair) -> Any:
    return jnp.pad(images, ((0, 0), *zip(before, after, strict=True), (0, 0)))


def _sum(parts: Iterator[Any]) -> Any:
    return functools.reduce(lambda total, part: total + part, parts)


def _to_inputs(flow: Any, kernel: Any, window: Window) -> Any:
    """Each of stride x stride phases of the padded input is met by its own kernel positions; then they interleave."""
    (rows, columns), (height, width) = window.strides, window.length
    counts = _pair(
        -(-(first + length + last) // stride)
        for first, length, last, stride in zip(window.before, window.length, window.after, window.strides, strict=True)
    )
    reach = _pair((kernel - 1) // stride for kernel, stride in zip(window.kernel, window.strides, strict=True))
    padded = _padded(flow, reach, _pair(max(n - size, 0) for n, size in zip(counts, window.size, strict=True)))

    def phase(row: int, column: int) -> Any:
        taps = [
            padded[:, reach[0] - p : reach[0] - p + counts[0], reach[1] - q : reach[1] - q + counts[1]] * kernel[i, j]
            for p, i in enumerate(range(row, window.kernel[0], rows))
            for q, j in enumerate(range(column, window.kernel[1], columns))
        ]
        return _sum(iter(taps)) if taps else jnp.zeros((len(flow), *counts, flow.shape[-1]), flow.dtype)

    phases = [jnp.stack([phase(row, column) for column in range(columns)], axis=3) for row in range(rows)]
    whole = jnp.stack(phases, axis=2).reshape(-1, counts[0] * rows, counts[1] * columns, flow.shape[-1])
    top, left = window.before
    return whole[:, top : top + height, left : left + width]


def _to_kernel(inputs: Any, flow: Any, window: Window) -> Any:
    """Image by image, and row by row of the kernel: the products stay in the processor's cache, and a product with
    ones sums them along the grain.
    """
    ones = jnp.ones((1, window.size[0] * window.size[1]), flow.dtype)
    span = window.seen(0, 0).stop

    def add_image(total: Any, pair: tuple[Any, Any]) -> tuple[Any, None]:
        image, gradient = pair
        padded = _padded(image[None], window.before, window.after)[0]

        def row(_: None, i: Any) -> tuple[None, Any]:
            rows = jax.lax.dynamic_slice_in_dim(padded, i, span, axis=0)[:: window.strides[0]]
            products = (rows[:, window.seen(1, j)] * gradient for j in range(window.kernel[1]))
            return None, jnp.stack([(ones @ each.reshape(-1, each.shape[-1]))[0] for each in products])

        return total + jax.lax.scan(row, None, jnp.arange(window.kernel[0]))[1], None

    start = jnp.zeros((*window.kernel, flow.shape[-1]), flow.dtype)
    return jax.lax.scan(add_image, start, (inputs, flow))[0]


def _correlate(inputs: Any, kernel: Any, window: Window) -> Any:
    """(batch, height, width, channel) and (height, width, channel, filter) to (batch, height, width, filter)."""
    return _images(inputs, kernel, [*zip(window.before, window.after, strict=True)], strides=window.strides)


correlate = jax.custom_vjp(_correlate, nondiff_argnums=(2,))


def _correlate_forward(inputs: Any, kernel: Any, window: Window) -> tuple[Any, tuple[Any, Any]]:
    return correlate(inputs, kernel, window), (inputs, kernel)


def _correlate_backward(window: Window, kept: tuple[Any, Any], flow: Any) -> tuple[Any, Any]:
    inputs, kernel = kept
    around = []
    for axis in (0, 1):
        first, size = window.kernel[axis] - 1 - window.before[axis], (window.size[axis] - 1) * window.strides[axis]
        around.append((first, window.length[axis] + window.before[axis] - size - 1))
    turned = jnp.swapaxes(jnp.flip(kernel, (0, 1)), 2, 3)
    to_inputs = _images(flow, turned, around, zeros_between=window.strides)
    # channels as the batch, the batch as channels
    images, filters = jnp.transpose(inputs, (3, 1, 2, 0)), jnp.transpose(flow, (1, 2, 0, 3))
    padding = [*zip(window.before, window.after, strict=True)]
    to_kernel = _images(images, filters, padding, steps_within=window.strides)
    to_kernel = to_kernel[:, : window.kernel[0], : window.kernel[1]]  # a stride may leave rows that no output meets
    return to_inputs, jnp.transpose(to_kernel, (1, 2, 0, 3))


correlate.defvjp(_correlate_forward, _correlate_backward)


def _images(
    images: Any,
    kernel: Any,
    padding: list[Pair],
    *,
    strides: Pair = (1, 1),
    zeros_between: Pair = (1, 1),
    steps_within: Pair = (1, 1),
) -> Any:
    """A convolution whose axes are in the one order that XLA for CPUs computes well everywhere."""
    order = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, kernel, strides, padding, zeros_between, steps_within, order)


class _Finished(LoweredConvolution):
    """Scale, shift and ReLU as operations of their own, which XLA merges into those around them."""

    def convolve(self, inputs: Any, kernel: Any, scale: Any | None, shift: Any | None) -> Any:
        """See `LoweredConvolution`."""
        outputs = self.multiply(inputs, kernel)
        outputs = outputs if scale is None else outputs * scale
        outputs = outputs if shift is None else outputs + shift
        return outputs if self.form.ceiling is None else ops.clip(outputs, 0.0, self.form.ceiling)

    def multiply(self, inputs: Any, kernel: Any) -> Any:
        """(batch, height, width, channel) in and out: the convolution alone."""
        raise NotImplementedError


class ShiftedDepthwise(_Finished):
    """A depthwise convolution as a sum over kernel positions: shifted input times one row of weights each.

    XLA's grouped convolution on CPUs works channel by channel; the sum is one fused loop over memory.
    """

    def multiply(self, inputs: Any, kernel: Any) -> Any:
        """See `_Finished`."""
        return convolve(inputs, kernel[..., 0], Window.of(inputs.shape, self.form.layer))


class PointwiseMatmul(_Finished):
    """A 1x1 convolution as a matrix product over channels."""

    def multiply(self, inputs: Any, kernel: Any) -> Any:
        """See `_Finished`. As a product of two matrices: XLA's product over four axes has a slow gradient."""
        flat = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel[0, 0])
        return ops.reshape(flat, (-1, *inputs.shape[1:3], flat.shape[-1]))


class OrderedConvolution(_Finished):
    """A convolution whose gradients have their axes in the order of images within a loop."""

    def multiply(self, inputs: Any, kernel: Any) -> Any:
        """See `_Finished`."""
        window = Window.of(inputs.shape, self.form.layer)
        return (correlate if is_within_loop() else _correlate)(inputs, kernel, window)


def depthwise(layer: keras.Layer) -> keras.Layer | None:
    """A `ShiftedDepthwise`, or None where the stock layer does something that it does not."""
    form = read_convolution(layer)
    return None if form is None else ShiftedDepthwise(form)


def convolution(layer: keras.Layer) -> keras.Layer | None:
    """A `PointwiseMatmul` or an `OrderedConvolution`, or None where the stock layer has groups or does something else
    that these do not."""
    form = read_convolution(layer)
    if form is None or layer.groups != 1:
        return None
    pointwise = tuple(layer.kernel_size) == (1, 1) and tuple(layer.strides) == (1, 1)
    return PointwiseMatmul(form) if pointwise else OrderedConvolution(form)
