"""Recordings to the mel spectrograms of GE2E, written after Resemblyzer 0.1.4 (`audio.py`) and compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.errors import UsageError
from headstart.specs import InputRequest
from headstart_plugins._waves.changes import masked
from headstart_plugins._waves.kind import WaveKind
from headstart_plugins._waves.mel import Mel
from headstart_plugins.speaker_encoder import VoiceOptions

SECONDS = 5.0
"""Of a window, in which five partial ones of the network lie; those of longer recordings are averaged."""
WINDOW, HOP = 0.025, 0.01
SILENCE = np.float32(1e-20)
"""In place of samples that are 0: too little for any power, and told from the zeros that fill a window up."""
FULL = 32767
"""What samples are rounded to for the detector: 16 bits."""
FRAME, SMOOTHED, LONGEST_GAP = 0.03, 8, 6
"""Of the detector: seconds of a decision; decisions that are averaged; and by how many a stretch is widened."""


def build(request: InputRequest) -> MelKind:
    """The kind for these weights. Raises UsageError where the detector of voices is asked for and not installed."""
    return MelKind(request.preprocess, request.options)


class MelKind(WaveKind):
    """Fulfils `headstart.specs.InputKind` as a WaveKind. Its stage gives "mel" (batch, frame, 40) float32, powers that
    are 0 or more, and "present" (batch,) int32: the samples of the recording that are in the window."""

    def __init__(self, preprocess: Mapping[str, Any], options: VoiceOptions) -> None:
        rate = int(preprocess["rate"])
        self._loudness = float(preprocess["loudness"])
        self._voiced = options.voiced
        if self._voiced:
            _detector()  # a missing package is told now, not at the first recording
        mel = Mel(rate, round(WINDOW * rate), round(HOP * rate), bands=int(preprocess["bands"]), pad="zero")
        super().__init__(mel, round((options.seconds or SECONDS) * rate), options)

    def conditioned(self, samples: np.ndarray) -> np.ndarray:
        """Quiet recordings louder, loud ones as they are; with the detector without long stretches of no voice. Nowhere
        0, see SILENCE."""
        power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
        level = 10 * np.log10(power) if power else 0.0
        if power and level < self._loudness:
            samples = (samples * 10 ** ((self._loudness - level) / 20)).astype(np.float32)
        if self._voiced:
            samples = voiced(samples, self.rate, _detector())
        return np.where(samples == 0, SILENCE, samples)

    def features(self, samples: Any, masks: Any) -> Mapping[str, Any]:
        """See the class."""
        from keras import ops

        padded = ops.pad(samples, ((0, 0), (0, self.mel.hop)))  # one more frame, which sees the last samples too
        return {"mel": masked(self.mel.of_tensor(padded), masks), "present": present(samples)}


def present(samples: Any) -> Any:
    """Of symbolic samples (batch, n) float32 the place after the last one that is not 0, at least 1, (batch,) int32:
    zeros behind a recording fill its window up, and it has none itself."""
    from keras import ops

    places = np.arange(1, samples.shape[1] + 1, dtype=np.int32)[None]
    return ops.max(ops.where(ops.not_equal(samples, 0.0), places, 1), axis=1)


def _detector() -> Any:
    try:
        import webrtcvad
    except ImportError as exc:
        raise UsageError(
            "input.voiced needs the package webrtcvad, which is not installed",
            hint="pip install webrtcvad-wheels, or leave input.voiced out",
        ) from exc
    return webrtcvad.Vad(mode=3)


def voiced(samples: np.ndarray, rate: int, detector: Any) -> np.ndarray:
    """`samples` (n,) float32 without long stretches in which the `detector` hears no voice; as they are where it hears
    none at all, which the reference leaves empty. The `detector` is a new one for each recording: those of
    webrtcvad-wheels 2.0.14 learn how loud noise is, and decide on a frame by all that they have heard."""
    size = round(FRAME * rate)
    count = len(samples) // size
    whole = samples[: count * size]
    raw = np.round(np.clip(whole, -1, 1) * FULL).astype("<i2").reshape(count, size)
    flags = np.array([detector.is_speech(frame.tobytes(), rate) for frame in raw], np.float64)
    padded = np.concatenate([np.zeros((SMOOTHED - 1) // 2), flags, np.zeros(SMOOTHED // 2)])
    smooth = np.convolve(padded, np.ones(SMOOTHED) / SMOOTHED, "valid") if count else flags
    near = np.convolve(np.round(smooth), np.ones(LONGEST_GAP + 1), "same") > 0 if count else flags > 0
    kept = np.repeat(near, size)
    return whole[kept] if kept.any() else samples
