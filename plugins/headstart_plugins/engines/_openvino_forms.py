"""Layers in the operations that OpenVINO has for them, where Keras' OpenVINO backend writes many small ones."""

from __future__ import annotations

from typing import Any

import keras

from headstart.engine.lowering.applied import Lowered
from headstart.errors import EngineRefusal
from headstart_plugins.engines._reasons import HINT


class OneNormalisation(Lowered):
    """A LayerNormalization over the last axis as one MVN, a scale and a shift.

    Keras 3.15 writes it as nine operations, which OpenVINO 2026 leaves apart.
    """

    def call(self, inputs: Any) -> Any:
        """(..., channel) in and out."""
        import openvino.opset15 as ov

        (layer,) = self.stock
        wrap = private_core().OpenVINOKerasTensor
        found = ov.mvn(inputs.output, ov.constant([-1]), True, layer.epsilon, "inside_sqrt").output(0)
        outputs = wrap(found)
        outputs = outputs if layer.gamma is None else outputs * keras.ops.convert_to_tensor(layer.gamma)
        return outputs if layer.beta is None else outputs + keras.ops.convert_to_tensor(layer.beta)


def normalisation(layer: keras.Layer) -> keras.Layer | None:
    """A `OneNormalisation`, or None for other axes, root mean squares and other types."""
    plain = list(layer.axis) == [-1] and layer.compute_dtype == "float32" and not getattr(layer, "rms_scaling", False)
    return OneNormalisation(layer) if plain else None


def private_core() -> Any:
    """The module of Keras that wraps tensors of a graph; it is none of Keras' public interface."""
    try:
        from keras.src.backend.openvino import core
    except ImportError as exc:
        raise EngineRefusal(
            f"this release of Keras has no OpenVINO backend as it is used here: {exc}", hint=HINT
        ) from exc
    return core
