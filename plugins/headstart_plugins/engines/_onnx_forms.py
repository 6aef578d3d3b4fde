"""Layers in a form that ONNX Runtime can merge into convolutions; each holds its stock layer and owns no variables.

Keras on PyTorch computes BatchNorm and rescaling on channels-last tensors, as elementwise operations between the
transposes of its convolutions. As batch normalisation over axis 1, the transposes meet and cancel in the exported
graph, and ONNX Runtime folds each normalisation into the convolution before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import torch
from torch.nn import functional


@dataclass(frozen=True)
class _Affine:
    """What is done to each channel: (value - mean) / sqrt(variance + epsilon) * scale + offset."""

    mean: torch.Tensor
    variance: torch.Tensor
    scale: torch.Tensor | None
    offset: torch.Tensor | None
    epsilon: float


def _apply(affine: _Affine, values: torch.Tensor, axis: int) -> torch.Tensor:
    """`affine` over the channels at `axis` of (batch, ...) values."""
    axes = list(range(values.ndim))
    there = [0, axis % values.ndim, *(each for each in axes[1:] if each != axis % values.ndim)]
    back = [there.index(each) for each in axes]
    first = functional.batch_norm(
        values.permute(there), affine.mean, affine.variance, affine.scale, affine.offset, eps=affine.epsilon
    )
    return first.permute(back)


class _Form(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """A layer that computes what `stock` does in inference."""

    def __init__(self, stock: keras.layers.Layer) -> None:
        super().__init__(name=stock.name, dtype=stock.dtype_policy)
        self.stock = stock
        self.built = True

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """As the stock layer's."""
        return self.stock.compute_output_shape(input_shape)


class ChannelNorm(_Form):
    """A `BatchNormalization` in inference, whatever its axis."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Shapes and dtype as they come; `training` and `mask` say nothing to fixed statistics."""
        stock = self.stock
        affine = _Affine(
            mean=stock.moving_mean.value,
            variance=stock.moving_variance.value,
            scale=stock.gamma.value if stock.scale else None,
            offset=stock.beta.value if stock.center else None,
            epsilon=stock.epsilon,
        )
        return _apply(affine, inputs, stock.axis)


class ChannelScale(_Form):
    """A `Rescaling` with one scale and offset for each channel, the last axis."""

    def call(self, inputs: Any) -> Any:
        """(batch, ..., channel) of any type in, the layer's type out."""
        scale, offset = (keras.ops.convert_to_tensor(each, "float32") for each in (self.stock.scale, self.stock.offset))
        affine = _Affine(torch.zeros_like(scale), torch.ones_like(scale), scale, offset, epsilon=0.0)
        return _apply(affine, keras.ops.cast(inputs, "float32"), -1)


def norm(layer: keras.layers.BatchNormalization) -> keras.layers.Layer | None:
    """The rule for `BatchNormalization`, where it computes in float32."""
    return ChannelNorm(layer) if layer.compute_dtype == "float32" else None


def scaling(layer: keras.layers.Rescaling) -> keras.layers.Layer | None:
    """The rule for `Rescaling`, where it is by channel and in float32."""
    by_channel = isinstance(layer.scale, list | tuple) and isinstance(layer.offset, list | tuple)
    last = keras.config.image_data_format() == "channels_last"
    return ChannelScale(layer) if by_channel and last and layer.compute_dtype == "float32" else None


RULES = {"BatchNormalization": norm, "Rescaling": scaling}
"""By class name, as `headstart.engine.lowering.lower` takes them."""
