"""Whisper's encoder (Radford et al. 2022, arXiv:2212.04356): two convolutions over the frames of a spectrogram, sines
as positions, and blocks of attention whose norms stand before; a stage for the front, one a block, one at the end.

As in the reference, blocks attend to the padding behind a short clip too, which is silence to them; what is a clip's
own is told by the mask, and its mean is what is pooled.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins._token_layers import Pooled
from headstart_plugins.whisper._options import EncoderOptions
from headstart_plugins.whisper._stages import FRONT, POOL, block_names

EPSILON = 1e-5
"""Of every norm."""
LONGEST = 10_000.0
"""Of the wavelengths of positions, in positions over 2 pi."""


def build(request: BackboneRequest) -> Backbone:
    """mel (batch, frame, band) float32 and mask (batch, frame) bool, True where a frame is of the clip, to tokens "x"
    (batch, frame / 2, width) with their mask, and "pooled" (batch, width).

    Raises ValueError for an odd number of frames, or more than there are positions for.
    """
    options: EncoderOptions = request.options
    frames, bands = request.inputs["mel"].shape
    blocks = [Stage(name, _block(options, frames // 2)) for name in block_names(options.blocks)]
    return Backbone((Stage(FRONT, _front(options, frames, bands)), *blocks, Stage(POOL, _pool(options, frames // 2))))


def _front(options: EncoderOptions, frames: int, bands: int) -> keras.Model:
    mel = keras.Input((frames, bands), name="mel")
    mask = keras.Input((frames,), dtype="bool", name="mask")
    x = mel
    for name, stride in (("conv1", 1), ("conv2", 2)):
        # Zeros on both sides: "same" puts none before the first frame where the stride is 2.
        x = layers.ZeroPadding1D(1)(x)
        x = ops.gelu(layers.Conv1D(options.width, 3, strides=stride, name=name)(x), approximate=False)
    x = FixedPositions(options.positions, name="position")(x)
    return keras.Model({"mel": mel, "mask": mask}, {"x": x, "mask": EverySecond()(mask)})


def _block(options: EncoderOptions, positions: int) -> keras.Model:
    x, mask = _entries(options, positions)
    seen = _norm("attention_norm")(x)
    parts = {}
    for name in ("query", "key", "value"):
        part = layers.Dense(options.width, use_bias=name != "key", name=name)(seen)
        parts[name] = layers.Reshape((positions, options.heads, options.width // options.heads))(part)
    found = ops.dot_product_attention(parts["query"], parts["key"], parts["value"])
    found = layers.Dense(options.width, name="attention_output")(layers.Reshape((positions, options.width))(found))
    middle = layers.add([x, found])
    hidden = ops.gelu(layers.Dense(options.hidden, name="hidden")(_norm("norm")(middle)), approximate=False)
    found = layers.add([middle, layers.Dense(options.width, name="output")(hidden)])
    return keras.Model({"x": x, "mask": mask}, {"x": found, "mask": layers.Identity()(mask)})


def _pool(options: EncoderOptions, positions: int) -> keras.Model:
    x, mask = _entries(options, positions)
    last = _norm("norm")(x)
    pooled = Pooled("mean")(last, mask)
    return keras.Model({"x": x, "mask": mask}, {"x": last, "mask": layers.Identity()(mask), "pooled": pooled})


def _entries(options: EncoderOptions, positions: int) -> tuple[Any, Any]:
    return keras.Input((positions, options.width), name="x"), keras.Input((positions,), dtype="bool", name="mask")


def _norm(name: str) -> layers.Layer:
    return layers.LayerNormalization(epsilon=EPSILON, name=name)


def sinusoids(positions: int, width: int) -> np.ndarray:
    """(position, width) float32: sines in the first half and cosines in the second, of wavelengths from 2 pi to LONGEST
    times that (Whisper's own `sinusoids`)."""
    half = width // 2
    speed = LONGEST ** (-np.arange(half) / max(half - 1, 1))
    angle = np.arange(positions)[:, None] * speed
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


class FixedPositions(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Adds to tokens (batch, time, width) the first rows of a table that no training changes.

    The table begins as `sinusoids`; weights bring their own, so that half precision of a file is theirs too.
    """

    def __init__(self, positions: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.positions = positions

    def build(self, input_shape: Any) -> None:
        """Make the table (position, width). Raises ValueError for more tokens than it has rows."""
        _, time, width = input_shape
        if time > self.positions:
            raise ValueError(f"{time} positions are needed for this window, and there are {self.positions}")
        self.table = self.add_weight(
            name="embeddings",
            shape=(self.positions, width),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(sinusoids(*shape), dtype),
            trainable=False,
        )

    def call(self, tokens: Any) -> Any:
        """(batch, time, width) of the same dtype."""
        return tokens + ops.cast(self.table[: tokens.shape[1]], tokens.dtype)

    def compute_output_spec(self, tokens: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor(tokens.shape, tokens.dtype)

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "positions": self.positions}


class EverySecond(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """From the mask of frames (batch, frame) bool that of positions (batch, frame / 2), each around its frame."""

    def call(self, mask: Any) -> Any:
        """See the class."""
        return mask[:, ::2]

    def compute_output_spec(self, mask: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor((mask.shape[0], (mask.shape[1] + 1) // 2), mask.dtype)
