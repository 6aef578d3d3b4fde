"""Where the windows of a spectrogram lie: as `VoiceEncoder.compute_partial_slices` of Resemblyzer 0.1.4 has them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

FRAMES = 160
"""Of a window: 1.6 s."""
STEP = 77
"""Frames from one window to the next: 1.3 a second."""
SAMPLES = 160
"""Of a frame's hop."""
COVERED = 0.75
"""The share of its last window that a recording must fill, if it is not the only one."""


def window_count(frames: int) -> int:
    """The windows of so many frames, when all of them are of a recording."""
    return max(1, -(-max(1, frames - FRAMES + STEP + 1) // STEP))


class CutWindows(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A spectrogram "mel" (batch, frame, band) as windows (batch, window, FRAMES, band), and their mask (batch, window)
    bool: those that a recording of `present` (batch,) int32 samples has. The others hold zeros."""

    def call(self, mel: Any, present: Any) -> dict[str, Any]:
        """See the class."""
        frames = mel.shape[1]
        count = window_count(frames)
        padded = ops.pad(mel, ((0, 0), (0, max(0, (count - 1) * STEP + FRAMES - frames)), (0, 0)))
        windows = [padded[:, start : start + FRAMES] for start in range(0, count * STEP, STEP)]
        used = (present + SAMPLES) // SAMPLES  # frames of so many samples: ceil((present + 1) / SAMPLES)
        there = ops.maximum(used - FRAMES + STEP + 1, 1)
        there = (there + STEP - 1) // STEP
        last = (there - 1) * STEP * SAMPLES
        is_thin = ops.cast(present - last, "float32") < COVERED * FRAMES * SAMPLES
        kept = ops.where(ops.logical_and(is_thin, there > 1), there - 1, there)
        mask = ops.arange(count, dtype="int32")[None] < kept[:, None]
        return {"x": ops.where(mask[:, :, None, None], ops.stack(windows, axis=1), 0.0), "mask": mask}

    def compute_output_spec(self, mel: Any, present: Any) -> dict[str, Any]:
        """See Keras."""
        batch, frames, bands = mel.shape
        count = window_count(frames)
        windows = keras.KerasTensor((batch, count, FRAMES, bands), mel.dtype)
        return {"x": windows, "mask": keras.KerasTensor((batch, count), "bool")}
