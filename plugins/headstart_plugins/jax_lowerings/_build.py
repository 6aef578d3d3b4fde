"""The same convolutions in a form that XLA compiles well on CPUs. Each holds its stock layer and owns no variables."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Lowered(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """A layer that computes what `stock` does, on the stock layer's variables."""

    def __init__(self, stock: keras.layers.Layer) -> None:
        super().__init__(name=stock.name)
        self.stock = stock
        self.built = True

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """As the stock layer's."""
        return self.stock.compute_output_shape(input_shape)


class ShiftedDepthwise(Lowered):
    """A depthwise convolution as a sum over kernel positions: shifted input times one row of weights each.

    Maps (batch, height, width, channel) float32 as its stock `DepthwiseConv2D` does. XLA's grouped convolution on CPUs
    works channel by channel; the sum is one fused loop over memory.
    """

    def call(self, inputs: Any) -> Any:
        """(batch, height, width, channel) in and out."""
        stock = self.stock
        rows, columns = stock.kernel_size
        strides = stock.strides
        height = _extent(inputs.shape[1], rows, strides[0], stock.padding)
        width = _extent(inputs.shape[2], columns, strides[1], stock.padding)
        padded = ops.pad(inputs, ((0, 0), height.padding, width.padding, (0, 0)))
        kernel = stock.kernel[..., 0]
        total = None
        for i in range(rows):
            for j in range(columns):
                window = padded[:, height.window(i), width.window(j), :]
                part = window * kernel[i, j]
                total = part if total is None else total + part
        if stock.use_bias:
            total = total + stock.bias
        return stock.activation(total)


class _Extent:
    """One spatial axis: how much is padded on each side, and which slice of the padded input meets a kernel row."""

    def __init__(self, padding: tuple[int, int], size: int, stride: int) -> None:
        self.padding, self._size, self._stride = padding, size, stride

    def window(self, offset: int) -> slice:
        """The input positions that kernel position `offset` sees."""
        return slice(offset, offset + (self._size - 1) * self._stride + 1, self._stride)


def _extent(length: int, kernel: int, stride: int, padding: str) -> _Extent:
    """TensorFlow's arithmetic: "same" pads for ceil(length / stride) positions, the odd one at the end."""
    if padding == "valid":
        return _Extent((0, 0), (length - kernel) // stride + 1, stride)
    size = -(-length // stride)
    total = max((size - 1) * stride + kernel - length, 0)
    return _Extent((total // 2, total - total // 2), size, stride)


class PointwiseMatmul(Lowered):
    """A 1x1 convolution as a matrix product over channels; (batch, height, width, channel) in and out."""

    def call(self, inputs: Any) -> Any:
        """(batch, height, width, channel) in and out."""
        stock = self.stock
        outputs = ops.matmul(inputs, stock.kernel[0, 0])
        if stock.use_bias:
            outputs = outputs + stock.bias
        return stock.activation(outputs)


def depthwise(layer: keras.Layer) -> keras.Layer | None:
    """A `ShiftedDepthwise`, or None where the stock layer does something that it does not."""
    plain = (
        layer.depth_multiplier == 1
        and layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.padding in ("same", "valid")
    )
    return ShiftedDepthwise(layer) if plain else None


def pointwise(layer: keras.Layer) -> keras.Layer | None:
    """A `PointwiseMatmul`, or None where the convolution is not 1x1, is strided or has groups."""
    plain = (
        tuple(layer.kernel_size) == (1, 1)
        and tuple(layer.strides) == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )
    return PointwiseMatmul(layer) if plain else None
