"""Layers computed in a form that ONNX Runtime can merge into convolutions.

Keras on PyTorch computes BatchNorm and rescaling on channels-last tensors, as elementwise operations between the
transposes of its convolutions. As batch normalisation over axis 1, the transposes meet and cancel in the exported
graph, and ONNX Runtime folds each normalisation into the convolution before it.

Processor time of a picture without these forms, as a multiple of that with them: EfficientNet-Lite0 1.8 (9.4 ms to
5.1), MobileNetV2 2.0, EfficientNetB0 1.6, ResNet50 1.2 (`tests/benchmarks/layout.py`: medians of 9 rounds in turn, 224
px, float32, one thread, onnxruntime 1.32.0).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import torch
from torch.nn import functional

Call = Callable[..., Any]


def _norm(layer: keras.layers.BatchNormalization) -> Call:
    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        axis = layer.axis % inputs.ndim  # the exporter takes no negative one
        first = functional.batch_norm(
            inputs.movedim(axis, 1),
            layer.moving_mean.value,
            layer.moving_variance.value,
            layer.gamma.value if layer.scale else None,
            layer.beta.value if layer.center else None,
            eps=layer.epsilon,
        )
        return first.movedim(1, axis)

    return call


def _scaling(layer: keras.layers.Rescaling) -> Call | None:
    """Where it has a scale and an offset for each channel, the last axis."""
    by_channel = isinstance(layer.scale, list | tuple) and isinstance(layer.offset, list | tuple)
    if not by_channel or keras.config.image_data_format() != "channels_last":
        return None

    def call(inputs: Any) -> Any:
        scale, offset = (keras.ops.convert_to_tensor(each, "float32") for each in (layer.scale, layer.offset))
        mean, variance, last = torch.zeros_like(scale), torch.ones_like(scale), inputs.ndim - 1
        first = keras.ops.cast(inputs, "float32").movedim(last, 1)
        return functional.batch_norm(first, mean, variance, scale, offset, eps=0.0).movedim(1, last)

    return call


FORMS: Mapping[type, Callable[[Any], Call | None]] = {
    keras.layers.BatchNormalization: _norm,
    keras.layers.Rescaling: _scaling,
}
"""The other way to compute exactly these classes, not those below them, in float32; None where there is none."""


@contextlib.contextmanager
def channels_first(models: Iterable[keras.Model]) -> Iterator[None]:
    """While open, every layer of `models` that has such a form computes in it, for inference only."""
    changed = []
    try:
        for layer in [layer for model in models for layer in model._flatten_layers()]:
            make = FORMS.get(type(layer)) if layer.compute_dtype == "float32" else None
            form = None if make is None else make(layer)
            if form is not None:
                vars(layer)["call"] = form  # shadows the method, past Keras' tracking of attributes
                changed.append(layer)
        yield
    finally:
        for layer in changed:
            vars(layer).pop("call", None)
