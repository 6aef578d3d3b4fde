"""What lowered layers are made of: a layer on other layers' variables, and convolutions with what follows them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops


class Lowered(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """A layer that computes what `stock`, one or more layers in a row, does on their variables.

    Write `call`, (batch, ...) in and out as the stock layers have it, in inference mode.
    """

    def __init__(self, *stock: keras.Layer) -> None:
        super().__init__(name=stock[0].name, dtype=stock[0].dtype_policy)
        self.stock = list(stock)
        self.built = True
        self.supports_masking = all(layer.supports_masking for layer in stock)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """As the stock layers'."""
        shape: Any = input_shape
        for layer in self.stock:
            shape = layer.compute_output_shape(shape)
        return shape


class LoweredConvolution(Lowered):
    """Zeros around, a convolution, BatchNorm and activation as one: what BatchNorm comes to are a scale and a shift a
    channel.

    Gradients of kernel, gamma and beta are those of the stock layers. Write `convolve`. In training mode, where
    BatchNorm would take the batch's statistics, the stock layers run.
    """

    def __init__(self, form: Convolution) -> None:
        super().__init__(*form.stock)
        self.form = form

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """(batch, height, width, channel) in and out."""
        form = self.form
        if training and form.norm is not None and form.norm.trainable:
            for layer in self.stock:
                inputs = layer(inputs)
            return inputs
        outputs = self.convolve(inputs, *form.terms(inputs.dtype))
        return outputs if form.after is None else form.after(outputs)

    def convolve(self, inputs: Any, kernel: Any, scale: Any | None, shift: Any | None) -> Any:
        """(batch, height, width, channel), the stock layer's kernel, (channel,) or None, again; with `form.zeros`
        around the input, and up to `form.ceiling` or the `form.slope`.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Convolution:
    """What a chain of zeros or none, a convolution, BatchNorm or none, and an activation or none computes.

    `zeros` are rows and columns of zeros before and after the input. Outputs are cut to 0 .. `ceiling` where that is
    not None (infinity for ReLU), or those below 0 are taken times `slope` where that is not None (LeakyReLU); then
    comes `after`, any activation.
    """

    stock: tuple[keras.Layer, ...]
    layer: keras.Layer
    """The convolution itself."""
    norm: keras.Layer | None
    ceiling: float | None
    after: Any | None
    slope: float | None = None
    zeros: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    def terms(self, dtype: Any) -> tuple[Any, Any | None, Any | None]:
        """Kernel, and the scale and shift (channel,) of what it gives, from bias and BatchNorm's fixed statistics."""
        bias = self.layer.bias if self.layer.use_bias else None
        scale, shift = (None, bias) if self.norm is None else fixed_norm(self.norm, bias)
        return ops.cast(ops.convert_to_tensor(self.layer.kernel), dtype), _cast(scale, dtype), _cast(shift, dtype)


def fixed_norm(norm: keras.Layer, bias: Any | None = None) -> tuple[Any, Any]:
    """What BatchNorm with fixed statistics comes to, after a layer's `bias` where it has one, both (channel,): scale =
    gamma / sqrt(variance + epsilon) and shift = beta - (mean - bias) * scale."""
    scale = ops.rsqrt(norm.moving_variance + norm.epsilon)
    scale = scale * norm.gamma if norm.scale else scale
    mean = norm.moving_mean if bias is None else norm.moving_mean - bias
    return scale, norm.beta - mean * scale if norm.center else -mean * scale


def _cast(value: Any | None, dtype: Any) -> Any | None:
    return None if value is None else ops.cast(ops.convert_to_tensor(value), dtype)


def read_convolution(*chain: keras.Layer) -> Convolution | None:
    """The chain of a ZeroPadding2D, a Conv2D or DepthwiseConv2D, BatchNormalization, and ReLU, LeakyReLU or Activation,
    all but the convolution optional.

    None where it is not channels last, not float32, dilated, or has several kernels a channel, or where BatchNorm
    comes after another activation or on another axis.
    """
    is_padded = isinstance(chain[0], keras.layers.ZeroPadding2D)
    layer, *then = chain[is_padded:]
    norm = then[0] if then and isinstance(then[0], keras.layers.BatchNormalization) else None
    last = then[-1] if then and then[-1] is not norm else None
    plain = (
        layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and (layer.padding == "valid" or (layer.padding == "same" and not is_padded))
        and getattr(layer, "depth_multiplier", 1) == 1
        and all(each.compute_dtype == "float32" for each in chain)
        and (not then or layer.activation is keras.activations.linear)
        and (norm is None or norm.axis in (-1, 3))
        and (not is_padded or chain[0].data_format == "channels_last")
    )
    if not plain:
        return None
    ceiling, slope, after = _activation(layer if last is None else last)
    zeros = chain[0].padding if is_padded else ((0, 0), (0, 0))
    return Convolution(chain, layer, norm, ceiling, after, slope, zeros)


def _activation(layer: keras.Layer) -> tuple[float | None, float | None, Any | None]:
    """The upper end of what is a plain cut at zero, the slope of what is bent there, and what else is to be called."""
    if isinstance(layer, keras.layers.ReLU):
        plain = not layer.negative_slope and not layer.threshold
        return (layer.max_value or math.inf, None, None) if plain else (None, None, layer)
    if isinstance(layer, keras.layers.LeakyReLU):
        return (None, layer.negative_slope, None) if layer.negative_slope > 0 else (None, None, layer)
    known = {keras.activations.linear: None, keras.activations.relu: math.inf, keras.activations.relu6: 6.0}
    function = layer.activation
    return (known[function], None, None) if function in known else (None, None, function)


@dataclass(frozen=True)
class Extent:
    """One spatial axis of a convolution: what is padded on each side, and the number of outputs.

    TensorFlow's arithmetic: "same" gives ceil(length / stride) outputs, an odd padding has one more at the end.
    """

    before: int
    after: int
    size: int

    @classmethod
    def of(cls, length: int, kernel: int, stride: int, padding: str) -> Extent:
        """From the input's length."""
        if padding == "valid":
            return cls(0, 0, (length - kernel) // stride + 1)
        size = -(-length // stride)
        total = max((size - 1) * stride + kernel - length, 0)
        return cls(total // 2, total - total // 2, size)
