"""Powers in bands on PyTorch in few passes over memory, which is what operations of Keras take most of the time for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import torch

from headstart_plugins._waves import spectrum
from headstart_plugins._waves.mel import Mel

FRAMES = 500
"""Frames that are computed at once, so that what lies between two passes stays in the processor's cache."""


class Powers(keras.layers.Layer):  # type: ignore[misc]  # keras is not read for types
    """What `Mel.of_tensor` says, of a `mel` whose power is 2: samples (batch, n) float32 to (batch, frame, band).

    Frames are windows on the samples' own memory, and the bands add up squares of real and imaginary parts as they lie
    beside each other. Where a graph is written for others it is `Mel.by_operations`. Without weights.
    """

    def __init__(self, mel: Mel, **settings: Any) -> None:
        super().__init__(**{"dtype": "float32", **settings})
        self.mel = mel
        self._hann = mel.hann.astype(np.float32)
        self._filters = np.repeat(mel.filters, 2, axis=0)

    def call(self, samples: Any) -> Any:
        """See the class."""
        mel = self.mel
        if not spectrum.transforms():
            return mel.by_operations(samples)
        count = mel.count(int(samples.shape[1]))
        frames = mel.padded(samples).unfold(1, mel.window, mel.hop)[:, :count]
        hann, filters = (torch.from_numpy(each).to(samples.device) for each in (self._hann, self._filters))
        made = []
        for few in frames.split(max(1, FRAMES // max(1, count))):
            parts = []
            for some in few.split(FRAMES, dim=1):
                waves = torch.view_as_real(torch.fft.rfft(some * hann)).flatten(-2)
                parts.append((waves * waves) @ filters)
            made.append(torch.cat(parts, dim=1))
        return torch.cat(made)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Frames of bands in place of samples."""
        return (input_shape[0], self.mel.count(int(input_shape[1] or 0)), self.mel.bands)

    def get_config(self) -> dict[str, Any]:
        """What it is built from."""
        return {**super().get_config(), "mel": asdict(self.mel)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Powers:
        """The layer of such a config."""
        return cls(**{**config, "mel": Mel(**config["mel"])})
