"""Recordings to Whisper's log-mel spectrograms, compared with transformers' extractor and openai-whisper's formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.errors import UsageError
from headstart.specs import InputRequest, Prepared, Sample
from headstart_plugins._waves.changes import masked
from headstart_plugins._waves.kind import WaveKind
from headstart_plugins._waves.mel import Mel
from headstart_plugins._waves.windows import parted_in_silence
from headstart_plugins.whisper._options import LogMelOptions

STEP = 2
"""Frames of a position of the network: a window holds a whole number of them."""
LEAST = 1e-10
"""Powers below this count as this."""
CUT = "warning: heard no further than its first"
RANGE = 8.0
"""Powers of ten below the loudest of a window that are told apart."""


def build(request: InputRequest) -> LogMelKind:
    """The kind for these weights. Raises UsageError for a window that is longer than they take."""
    return LogMelKind(request.preprocess, request.options)


class LogMelKind(WaveKind):
    """Fulfils `headstart.specs.InputKind` as a WaveKind. Its stage gives "mel" (batch, frame, band) float32, about -1
    to 1.5, and "mask" (batch, frame) bool, True where a frame is of the recording and not of the silence behind it.

    With `seconds` the window is shorter than the weights' own, and so is all that the network computes: it has seen
    longer silence after short speech, and no ends without any.
    """

    def __init__(self, preprocess: Mapping[str, Any], options: LogMelOptions) -> None:
        rate, hop, most = int(preprocess["rate"]), int(preprocess["hop"]), float(preprocess["seconds"])
        seconds = options.seconds or most
        if seconds > most:
            raise UsageError(
                f"input.seconds: these weights take {most:g} seconds at most, not {seconds:g}",
                hint="leave it out: longer recordings are heard in several windows",
            )
        position = STEP * hop
        window = max(1, round(seconds * rate / position)) * position
        mel = Mel(rate, int(preprocess["window"]), hop, bands=int(preprocess["bands"]), frames=window // hop)
        super().__init__(mel, window, options)
        self._most, self._is_parted = options.max_windows, options.hop is None

    def not_all(self, samples: np.ndarray) -> str | None:
        """Without a `hop` the end is not heard."""
        if not self._is_parted:
            return super().not_all(samples)
        return f"{CUT} {self._most} windows" if len(self._parts(samples)) > self._most else None

    def pieces(self, samples: np.ndarray) -> Sequence[tuple[int, int]]:
        """One window behind the other, each ending where it is quiet, so that no word is heard in halves; with a `hop`
        as in other kinds."""
        return self._parts(samples)[: self._most] if self._is_parted else super().pieces(samples)

    def _parts(self, samples: np.ndarray) -> Sequence[tuple[int, int]]:
        return parted_in_silence(samples, self.window, self.rate)

    def prepare_several(self, sample: Sample) -> Sequence[Prepared]:
        """As a WaveKind does; among the facts of the first of several rows are the `spans` of all, (start, end) in
        seconds."""
        first, *others = super().prepare_several(sample)
        if not others:
            return [first]
        spans = [[row.facts["start"], row.facts["end"]] for row in (first, *others)]
        return [replace(first, facts={**first.facts, "spans": spans}), *others]

    def features(self, samples: Any, masks: Any) -> Mapping[str, Any]:
        """See the class."""
        from keras import ops

        powers = ops.log(ops.maximum(self.mel.of_tensor(samples), LEAST)) / np.float32(np.log(10))
        loudest = ops.max(powers, axis=(1, 2), keepdims=True)
        mel = (ops.maximum(powers, loudest - RANGE) + 4.0) / 4.0
        return {"mel": masked(mel, masks), "mask": frames_of(samples, self.mel.hop)}


def frames_of(samples: Any, hop: int) -> Any:
    """Of symbolic samples (batch, n) float32 the mask (batch, n / hop) bool of frames that begin before the last sample
    that is not 0: zeros behind a recording fill its window up. The first frame is always one."""
    from keras import ops

    count = samples.shape[1] // hop
    frames = ops.reshape(samples[:, : count * hop], (-1, count, hop))
    places = np.arange(1, count + 1, dtype=np.int32)[None]
    used = ops.max(ops.where(ops.any(ops.not_equal(frames, 0.0), axis=2), places, 1), axis=1, keepdims=True)
    return ops.less_equal(places, used)
