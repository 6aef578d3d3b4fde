"""Builds the kind `spectrogram` from an image backbone's preprocessing and the user's options."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.specs import InputRequest
from headstart_plugins._picture_preprocess import Preprocess, parse
from headstart_plugins._waves.changes import masked
from headstart_plugins._waves.kind import WaveKind
from headstart_plugins._waves.mel import Mel
from headstart_plugins.sound import SpectrogramOptions

SECONDS = 3.0
FRAME = 0.036
"""Seconds of a frame: long enough to part the harmonics of a voice, short enough for its consonants."""
QUIET = 1e-6
"""The power that cells are compared with where none is louder: near silence makes no picture."""
GRAIN = 16
"""Samples that a hop is a multiple of, so that frames are cut from whole pieces."""


def build(request: InputRequest) -> SpectrogramKind:
    """The kind for one set of weights. Raises UsageError where `preprocess` has a value it does not know."""
    options = request.options if request.options is not None else SpectrogramOptions()
    preprocess = parse(request.preprocess)
    if options.size is not None:
        preprocess = dataclasses.replace(preprocess, height=options.size, width=options.size)
    return SpectrogramKind(preprocess, options)


class SpectrogramKind(WaveKind):
    """A window of sound as a picture (height, width, 3): a frame a column, the lowest band in the bottom row.

    Cells are powers in mel bands (Slaney) in decibels below the window's loudest, from black to white, then scaled as
    the weights' pixels 0..255 are; where a window is all but silent all is black. The hop follows from the window's
    length and the picture's width, so windows are up to a hop's rounding longer than asked for.
    """

    def __init__(self, preprocess: Preprocess, options: SpectrogramOptions) -> None:
        self._preprocess, self._decibels = preprocess, options.decibels
        seconds = SECONDS if options.seconds is None else options.seconds
        hop = max(1, round(seconds * options.rate / preprocess.width / GRAIN)) * GRAIN
        width = hop * max(2, round(FRAME * options.rate / hop))
        mel = Mel(options.rate, width, hop, options.bands, low=40.0, pad="zero", frames=preprocess.width)
        super().__init__(mel, hop * preprocess.width, options)
        ends = [
            level * scale + offset
            for scale, offset in zip(preprocess.scale, preprocess.offset, strict=True)
            for level in (0, 255)
        ]
        self.output_ranges: Mapping[str, tuple[float, float]] = {"image": (min(ends), max(ends))}

    def features(self, samples: Any, masks: Any) -> Mapping[str, Any]:
        """{"image": (batch, height, width, 3) float32}."""
        import keras
        from keras import ops

        black = QUIET * 10 ** (-self._decibels / 10)
        powers = ops.log10(ops.maximum(self.mel.of_tensor(samples), black))
        loudest = ops.maximum(ops.max(powers, axis=(1, 2), keepdims=True), math.log10(QUIET))
        shares = ops.maximum((powers - loudest) * (10 / self._decibels) + 1, 0.0)
        cells = ops.transpose(masked(shares, masks), (0, 2, 1))  # (batch, band, frame)
        picture = ops.matmul(stretching(self.mel.bands, self._preprocess.height), cells)
        pixels = ops.expand_dims(picture * 255.0, -1)
        grey = ops.concatenate([pixels, pixels, pixels], axis=-1)
        scale, offset = list(self._preprocess.scale), list(self._preprocess.offset)
        return {"image": keras.layers.Rescaling(scale, offset=offset, dtype="float32")(grey)}


def stretching(bands: int, height: int) -> np.ndarray:
    """(height, band) float32: rows of a picture from its bands, the highest above, linearly between their middles."""
    places = np.clip((np.arange(height) + 0.5) * bands / height - 0.5, 0, bands - 1)
    below = np.minimum(places.astype(int), bands - 2)
    made = np.zeros((height, bands), np.float32)
    made[np.arange(height), below] = 1 - (places - below)
    made[np.arange(height), below + 1] = places - below
    return np.ascontiguousarray(made[::-1])
