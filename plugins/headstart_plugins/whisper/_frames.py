"""Which frames of a window hold a recording."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class InFrames(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """From samples (batch, n) float32 the mask (batch, n / hop) bool of frames that begin before the last sample that is
    not 0: zeros behind a recording fill its window up. The first frame is always one."""

    def __init__(self, hop: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.hop = hop

    def call(self, samples: Any) -> Any:
        """See the class."""
        count = samples.shape[1] // self.hop
        frames = ops.reshape(samples[:, : count * self.hop], (-1, count, self.hop))
        places = ops.arange(1, count + 1, dtype="int32")
        used = ops.max(ops.where(ops.any(ops.not_equal(frames, 0.0), axis=2), places, 1), axis=1, keepdims=True)
        return places[None] <= used

    def compute_output_spec(self, samples: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor((samples.shape[0], samples.shape[1] // self.hop), "bool")

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "hop": self.hop}
