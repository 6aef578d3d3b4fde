"""How much of a window holds a recording."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Present(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """The place after the last sample (batch, n) float32 that is not 0, at least 1, as (batch,) int32: zeros behind a
    recording are what fills the window up."""

    def call(self, samples: Any) -> Any:
        """See the class."""
        places = ops.arange(1, samples.shape[1] + 1, dtype="int32")
        return ops.maximum(ops.max(ops.where(ops.not_equal(samples, 0.0), places, 0), axis=1), 1)

    def compute_output_spec(self, samples: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor((samples.shape[0],), "int32")
