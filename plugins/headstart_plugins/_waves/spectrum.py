"""Spectra of frames in a stage: by a fast transform where the backend has one, else by products of matrices."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
from keras import ops


class PowerSpectrum(keras.layers.Layer):  # type: ignore[misc]  # keras is not read for types
    """Frames (batch, frame, window) float32 to squares of the magnitudes of their discrete Fourier transform (batch,
    frame, window // 2 + 1) under a periodic Hann window. Without weights.

    PyTorch and JAX have fast transforms of real numbers. Where a graph is written for others, or another backend
    computes, it is two products of matrices, folded by the symmetry of the window: every engine and exporter knows
    these. Both are as far from the definition in float64.
    """

    def __init__(self, window: int, **settings: Any) -> None:
        super().__init__(**{"dtype": "float32", **settings})
        self.window = window
        self._hann = np.sin(np.pi * np.arange(window) / window) ** 2

    def call(self, frames: Any) -> Any:
        """See the class."""
        if transforms():
            real, imaginary = ops.rfft(frames * ops.convert_to_tensor(self._hann, dtype="float32"))
        else:
            # By the window's symmetry sample n and window - n share a weight: their sum has the cosines, their
            # difference the sines, and each product is half as large. Sample 0 has the weight 0.
            half, (cosines, sines) = self.window // 2, folded(self._hann)
            early, late = frames[:, :, 1 : half + 1], ops.flip(frames[:, :, self.window - half :], axis=-1)
            real = ops.matmul(early + late, cosines)
            imaginary = ops.matmul(early - late, sines)
        return real * real + imaginary * imaginary

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """A frequency in place of each two samples, and one more."""
        return (*input_shape[:-1], self.window // 2 + 1)

    def get_config(self) -> dict[str, Any]:
        """What it is built from."""
        return {**super().get_config(), "window": self.window}


def folded(hann: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines (half, frequency) float32 times the weights `hann` (window,), half being window // 2. Of an
    even window the middle sample is its own mirror image, so its weight is halved."""
    window = len(hann)
    half = window // 2
    places, numbers = np.arange(1, half + 1)[:, None], np.arange(half + 1)[None, :]
    weights = hann[1 : half + 1].copy()
    if window % 2 == 0:
        weights[-1] /= 2
    # the angle is taken modulo the window in whole numbers: of large ones the cosine would be less exact
    angles = 2 * np.pi * (places * numbers % window) / window
    cosines, sines = (weights[:, None] * wave(angles) for wave in (np.cos, np.sin))
    return cosines.astype(np.float32), sines.astype(np.float32)


def transforms() -> bool:
    """Whether the backend has a fast transform, and computes now instead of writing a graph as ONNX, for which
    PyTorch's exporter knows none."""
    if keras.backend.backend() != "torch":
        return bool(keras.backend.backend() == "jax")
    # who exports has loaded it; to load it here would take seconds: it walks over all modules and so wakes those that
    # `headstart.keras_import` lets wait (PyTorch 2.13: torch.onnx.ops, by inspect.getmodule)
    exporting = sys.modules.get("torch.onnx")
    return exporting is None or not exporting.is_in_onnx_export()
