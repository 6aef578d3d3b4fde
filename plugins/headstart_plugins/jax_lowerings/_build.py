"""The same convolutions in a form that XLA compiles well on CPUs. Each holds its stock layer and owns no variables."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from headstart.engine.lowering.applied import LoweredConvolution, read_convolution


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
        from headstart_plugins.jax_lowerings._depthwise import Window, convolve

        return convolve(inputs, kernel[..., 0], Window.of(inputs.shape, self.form.layer))


class PointwiseMatmul(_Finished):
    """A 1x1 convolution as a matrix product over channels."""

    def multiply(self, inputs: Any, kernel: Any) -> Any:
        """See `_Finished`. As a product of two matrices: XLA's product over four axes has a slow gradient."""
        flat = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel[0, 0])
        return ops.reshape(flat, (-1, *inputs.shape[1:3], flat.shape[-1]))


def depthwise(layer: keras.Layer) -> keras.Layer | None:
    """A `ShiftedDepthwise`, or None where the stock layer does something that it does not."""
    form = read_convolution(layer)
    return None if form is None else ShiftedDepthwise(form)


def pointwise(layer: keras.Layer) -> keras.Layer | None:
    """A `PointwiseMatmul`, or None where the convolution is not 1x1, is strided or has groups."""
    form = read_convolution(layer)
    plain = tuple(layer.kernel_size) == (1, 1) and tuple(layer.strides) == (1, 1) and layer.groups == 1
    return PointwiseMatmul(form) if form is not None and plain else None
