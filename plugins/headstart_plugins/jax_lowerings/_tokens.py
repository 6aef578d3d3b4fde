"""Products of many rows with a kernel in a form whose gradients XLA compiles well on CPUs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from headstart.engine.lowering.applied import Lowered


class FlatDense(Lowered):
    """A Dense layer over (batch, time, in) as a product of two matrices.

    The gradient of a kernel over two axes, batch and time, takes longer than over one (jax 0.10, CPU).
    """

    def call(self, inputs: Any) -> Any:
        """(batch, time, in) to (batch, time, out)."""
        (layer,) = self.stock
        kernel = ops.cast(ops.convert_to_tensor(layer.kernel), inputs.dtype)
        outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel)
        if layer.bias is not None:
            outputs = outputs + ops.cast(ops.convert_to_tensor(layer.bias), inputs.dtype)
        outputs = ops.reshape(outputs, (*inputs.shape[:-1], outputs.shape[-1]))
        return outputs if layer.activation is None else layer.activation(outputs)


def dense(layer: keras.Layer) -> keras.Layer | None:
    """A `FlatDense`, or None where a row is a sample, and for layers outside of a graph or in another type."""
    plain = layer.compute_dtype == "float32" and not layer.lora_enabled and layer.quantization_mode is None
    try:
        axes = len(layer.input.shape)
    except AttributeError:  # never called on a tensor of a graph
        return None
    return FlatDense(layer) if plain and axes > 2 else None
