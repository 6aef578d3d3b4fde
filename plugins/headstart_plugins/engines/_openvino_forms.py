"""Layers in the operations that OpenVINO has for them, where Keras' OpenVINO backend has many small ones, or none."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

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


class OnePatching(Lowered):
    """KerasHub's ViTPatchingAndEmbedding: a token a patch behind the one for the class, and their positions added.

    KerasHub 0.32 repeats the class's token as often as a shape says, which Keras 3.15 cannot trace for OpenVINO.
    """

    def call(self, inputs: Any) -> Any:
        """(batch, height, width, channel) to (batch, token, channel)."""
        import openvino.opset15 as ov

        (layer,) = self.stock
        ops, width = keras.ops, layer.hidden_dim
        tokens = ops.reshape(layer.patch_embedding(inputs), (-1, layer.num_patches, width))
        positions = ops.convert_to_tensor(layer.position_embedding.embeddings)[None]
        if not layer.use_class_token:
            return tokens + positions
        first = ops.convert_to_tensor(layer.class_token) + positions[:, :1]
        batch = ov.gather(ov.shape_of(tokens.output, "i64"), ov.constant([0]), ov.constant(0))
        shape = ov.concat([batch, ov.constant(np.array([1, width], np.int64))], 0)
        wrap = private_core().OpenVINOKerasTensor
        return ops.concatenate([wrap(ov.broadcast(first.output, shape).output(0)), tokens + positions[:, 1:]], axis=1)


def patching(layer: keras.Layer) -> keras.Layer | None:
    """A `OnePatching`, or None for pictures with their channels first and other types."""
    plain = layer.data_format == "channels_last" and layer.compute_dtype == "float32"
    return OnePatching(layer) if plain else None


FORMS = {"LayerNormalization": normalisation, "keras_hub.ViTPatchingAndEmbedding": patching}
"""By a layer's class, what it is run as where that is not None: see `headstart.engine.lowering.registry.lower`."""


def private_core() -> Any:
    """The module of Keras that wraps tensors of a graph; it is none of Keras' public interface."""
    try:
        from keras.src.backend.openvino import core
    except ImportError as exc:
        raise EngineRefusal(
            f"this release of Keras has no OpenVINO backend as it is used here: {exc}", hint=HINT
        ) from exc
    return core
