"""The network: windows cut from a spectrogram, three LSTM layers over each, and what their last states say of a voice.

Between stages a row holds all its windows, so that a cut, a cache and a batch keep to recordings.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins._token_layers import Pooled
from headstart_plugins.speaker_encoder._windows import FRAMES, CutWindows, window_count

LEAST = 1e-12
"""Below a norm: an embedding of zeros stays what it is."""


def build(request: BackboneRequest) -> Backbone:
    """mel (batch, frame, band) float32 and present (batch,) int32 samples to "x" (batch, window, embedding), the
    embeddings of windows, each of length 1, their mask (batch, window) bool, and "pooled", their mean, of length 1."""
    options = request.options
    frames, bands = request.inputs["mel"].shape
    count = window_count(frames)
    mel, present = keras.Input((frames, bands), name="mel"), keras.Input((), dtype="int32", name="present")
    cut = CutWindows(name="windows")(mel, present)
    stages = [Stage("windows", keras.Model({"mel": mel, "present": present}, cut))]
    width = bands
    for number in (1, 2, 3):
        x, mask = _entries((count, FRAMES, width), count)
        width = options.width
        sequence = layers.LSTM(width, return_sequences=number < 3, name="lstm")(ops.reshape(x, (-1, *x.shape[2:])))
        joined = ops.reshape(sequence, (-1, count, *sequence.shape[1:]))
        # Windows in which nothing is stay zeros: an LSTM that computes those once has less to do.
        joined = ops.where(ops.reshape(mask, (-1, count, *(1 for _ in sequence.shape[1:]))), joined, 0.0)
        stages.append(Stage(f"lstm{number}", _model(x, mask, {"x": joined})))
    x, mask = _entries((count, width), count)
    voices = layers.Dense(options.embedding, activation="relu", name="linear")(x)
    voices = layers.UnitNormalization(axis=-1)(voices)
    pooled = layers.UnitNormalization(axis=-1)(Pooled("mean")(voices, mask))
    return Backbone((*stages, Stage("voice", _model(x, mask, {"x": voices, "pooled": pooled}))))


def _entries(shape: tuple[int, ...], count: int) -> tuple[Any, Any]:
    return keras.Input(shape, name="x"), keras.Input((count,), dtype="bool", name="mask")


def _model(x: Any, mask: Any, outputs: dict[str, Any]) -> keras.Model:
    return keras.Model({"x": x, "mask": mask}, {**outputs, "mask": layers.Identity()(mask)})
