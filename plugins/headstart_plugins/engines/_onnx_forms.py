"""Layers computed in a form that ONNX Runtime can merge into convolutions.

Keras on PyTorch computes BatchNorm and rescaling on channels-last tensors, as elementwise operations between the
transposes of its convolutions. As batch normalisation over axis 1, the transposes meet and cancel in the exported
graph, and ONNX Runtime folds each normalisation into the convolution before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import torch
from torch.nn import functional

Call = Callable[..., Any]


@contextlib.contextmanager
def channels_first(models: Iterable[keras.Model]) -> Iterator[None]:
    """While open, every layer of `models` that has such a form computes in it, for inference only."""
    changed = []
    try:
        for layer in [layer for model in models for layer in model._flatten_layers()]:
            form = _form(layer)
            if form is not None:
                vars(layer)["call"] = form  # shadows the method, past Keras' tracking of attributes
                changed.append(layer)
        yield
    finally:
        for layer in changed:
            vars(layer).pop("call", None)


def _form(layer: keras.layers.Layer) -> Call | None:
    """The other way to compute exactly the class it is, in float32; None where there is none."""
    if layer.compute_dtype != "float32":
        return None
    if type(layer) is keras.layers.BatchNormalization:
        return _norm(layer)
    return _scaling(layer) if type(layer) is keras.layers.Rescaling else None


def _norm(layer: keras.layers.BatchNormalization) -> Call:
    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        affine = _Affine(
            mean=layer.moving_mean.value,
            variance=layer.moving_variance.value,
            scale=layer.gamma.value if layer.scale else None,
            offset=layer.beta.value if layer.center else None,
            epsilon=layer.epsilon,
        )
        return _apply(affine, inputs, layer.axis)

    return call


def _scaling(layer: keras.layers.Rescaling) -> Call | None:
    """Where it has a scale and an offset for each channel, the last axis."""
    by_channel = isinstance(layer.scale, list | tuple) and isinstance(layer.offset, list | tuple)
    if not by_channel or keras.config.image_data_format() != "channels_last":
        return None

    def call(inputs: Any) -> Any:
        scale, offset = (keras.ops.convert_to_tensor(each, "float32") for each in (layer.scale, layer.offset))
        affine = _Affine(torch.zeros_like(scale), torch.ones_like(scale), scale, offset, epsilon=0.0)
        return _apply(affine, keras.ops.cast(inputs, "float32"), -1)

    return call


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
