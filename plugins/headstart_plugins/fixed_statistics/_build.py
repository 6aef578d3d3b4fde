"""BatchNorm whose statistics never move, while gamma and beta learn.

Stock BatchNorm has one switch for both: `trainable` with `training`. In inference mode with weights that learn, which
is how stages run here, what it computes is a line a channel: x * scale + shift.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from headstart.engine.lowering.applied import Lowered, fixed_norm


class FixedStatsBatchNorm(Lowered):
    """x * scale + shift, with scale = gamma / sqrt(variance + epsilon) and shift = beta - mean * scale.

    Gradients of gamma and beta are those of the stock layer: sum(g * (x - mean) / sqrt(variance + epsilon)) and sum(g).
    In training mode, where the policy for BatchNorm is that statistics move, the stock layer runs.
    """

    supports_masking = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any | None = None) -> Any:
        """(batch, ..., channel) in and out; `mask` (batch, ...) matters to statistics alone."""
        (norm,) = self.stock
        if training and norm.trainable:
            return norm(inputs, training=training, mask=mask)
        scale, shift = fixed_norm(norm)
        # Stock BatchNorm computes in float32 whatever its inputs are, and so does this product.
        return ops.cast(inputs * scale + shift, self.compute_dtype)


def fixed_statistics(layer: keras.Layer) -> keras.Layer | None:
    """A `FixedStatsBatchNorm`; None where channels are not the last axis, or numbers are not float32."""
    last = layer.axis in (-1, layer.input_spec.ndim - 1)
    return FixedStatsBatchNorm(layer) if last and layer.compute_dtype == "float32" else None
