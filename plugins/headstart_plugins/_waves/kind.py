"""The base of input kinds that read sounds."""

from __future__ import annotations

import io
import wave
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from headstart.data.folders import walk
from headstart.errors import PluginError, UsageError
from headstart.specs import Change, Mix, Prepared, Preview, Sample, Shown, TensorSpec
from headstart_plugins._contact_sheet import Tile, contact_sheet, png
from headstart_plugins._sound_suffixes import is_sound
from headstart_plugins._waves import WaveOptions
from headstart_plugins._waves.changes import NO_MASKS, varied
from headstart_plugins._waves.mel import Mel
from headstart_plugins._waves.pictures import drawn_in_words, fingerprint_of, spectrogram
from headstart_plugins._waves.reading import Wave, read_sound
from headstart_plugins._waves.windows import starts

if TYPE_CHECKING:
    import keras

PREVIEW_SECONDS = 6.0
SHEET_SIDE = 260


class WaveKind(ABC):
    """Fulfils `headstart.specs.InputKind`, PreparesSeveral, MixesSamples, JudgesChanges, DrawsSheets and
    ShowsDetail but for `features` and `output_ranges`, which a kind of its own gives. A Sample's value is a `Wave`.

    Tensors of a row: "samples" (n,) float32, mono, -1 to 1, zeros behind a sound that is shorter; and "masks" (2, 200)
    float32: 1 for each half per cent of the window, and of the bands, that an augmentation hides.

    `rate` is that of the weights, `window` and `hop` are in samples, `mel` is how powers in bands come of samples:
    reports draw these whatever the features are.
    """

    hint = "are the samples from -1 to 1, at the rate that is stated for them? Nothing else may scale them"
    output_ranges: Mapping[str, tuple[float, float]] = {}

    def __init__(self, mel: Mel, window: int, options: WaveOptions) -> None:
        self.mel, self.rate, self.window = mel, mel.rate, window
        self._hop = window if options.hop is None else max(1, round(options.hop * self.rate))
        self._chosen = {} if options.hop is None else {"hop": options.hop}
        self._max_windows, self._max_minutes = options.max_windows, options.max_minutes
        self.tensors: Mapping[str, TensorSpec] = {
            "samples": TensorSpec((window,), "float32"),
            "masks": TensorSpec(NO_MASKS.shape, "float32"),
        }

    @abstractmethod
    def features(self, samples: Any, masks: Any) -> Mapping[str, Any]:
        """Symbolic samples (batch, n) and masks (batch, 2, 200), float32, to the tensors that a backbone takes."""

    def conditioned(self, samples: np.ndarray) -> np.ndarray:
        """All samples (n,) float32 of a recording as windows are cut from them: where weights want another loudness, or
        no silence."""
        return samples

    def pieces(self, samples: np.ndarray) -> Sequence[tuple[int, int]]:
        """Where the windows of a recording (n,) lie: the first sample of each, and the one behind its last."""
        places = starts(len(samples), self.window, self._hop, self._max_windows)
        return [(start, min(start + self.window, len(samples))) for start in places]

    def read(self, payload: Any, where: str) -> Sample:
        """A recording as a `Wave` at the weights' rate; how odd ones are converted stands in `reading`. One that is too
        long for its windows has a note."""
        sample = read_sound(payload, where, self.rate, self._max_minutes)
        note = self.not_all(sample.value.samples)
        return replace(sample, notes=(*sample.notes, note)) if note else sample

    def not_all(self, samples: np.ndarray) -> str | None:
        """What a note says of samples (n,) float32 of which `pieces` leaves some out; None where it has all."""
        most = self._max_windows
        wanted = max(0, len(samples) - self.window) / self._hop + 1
        return f"longer than {most} windows: so many are heard, evenly spread" if wanted > most else None

    def prepare(self, sample: Sample) -> Prepared:
        """The first of the windows."""
        return self.prepare_several(sample)[0]

    def prepare_several(self, sample: Sample) -> Sequence[Prepared]:
        """A row a window. Facts are the `seconds` of the recording, the `start` and `end` in seconds of what is in the
        window, its number as `window`, counted from 0, of so many `windows`; and the seconds from one to the next as
        `hop`, where the user chose them."""
        read: Wave = sample.value
        samples = self.conditioned(read.samples)
        pieces = self.pieces(samples)
        rows = []
        for number, (start, stop) in enumerate(pieces):
            piece = samples[start:stop]
            facts = {
                "seconds": read.seconds,
                "start": start / self.rate,
                "end": (start + len(piece)) / self.rate,
                "window": number,
                "windows": len(pieces),
                **self._chosen,
            }
            padded = np.pad(piece, (0, self.window - len(piece)))
            rows.append(Prepared({"samples": padded, "masks": NO_MASKS.copy()}, facts))
        return rows

    def transform(self, tensors: Mapping[str, np.ndarray], changes: Sequence[Change]) -> Mapping[str, np.ndarray]:
        """What was drawn, in order: of samples at once, masks noted for the features."""
        samples, masks = varied(tensors["samples"], tensors["masks"], self.rate, list(changes))
        return {"samples": samples, "masks": masks}

    def symmetries(self, changes: Sequence[Change]) -> Mapping[str, str]:
        """None is needed: what these do happens to every recording somewhere."""
        return {}

    def only_moves(self, changes: Sequence[Change]) -> bool:
        """Where there are none: even a shift brings silence in."""
        return not changes

    def mix(
        self, tensors: Mapping[str, np.ndarray], partner: Mapping[str, np.ndarray], mix: Mix
    ) -> Mapping[str, np.ndarray]:
        """The sum of both, weighed by their shares; sounds have no regions."""
        if mix.region is not None:
            raise PluginError(f"sounds have no region {mix.region!r}; they are mixed as a whole")
        share = np.float32(mix.share)
        return {name: share * tensors[name] + (1 - share) * partner[name] for name in tensors}

    def own_share(self, mix: Mix) -> float:
        """The share itself."""
        return mix.share

    def stage(self) -> keras.Model:
        """`features` of the tensors: stock operations and no weights, so that every engine and exporter knows it."""
        import keras

        entries = {name: keras.Input(spec.shape, dtype=spec.dtype, name=name) for name, spec in self.tensors.items()}
        return keras.Model(entries, dict(self.features(entries["samples"], entries["masks"])), name="sound")

    def find(self, raw: str | Path) -> Sequence[Path]:
        """A file itself, whatever its name; of a folder, what its suffix says is a sound. Links as in `walk`."""
        path = Path(raw)
        if not path.exists():
            raise UsageError(f"no such file or folder: {raw}")
        if not path.is_dir():
            return [path]
        return [file for file in walk(path).files if is_sound(file)]

    def fingerprint(self, sample: Sample) -> int | None:
        """See `pictures.fingerprint_of`."""
        read: Wave = sample.value
        return fingerprint_of(read.samples, read.rate)

    def preview(self, sample: Sample, changes: Sequence[Change] = ()) -> Preview:
        """A WAV of 16 bits of the first six seconds; with changes of the first window, as varied."""
        read: Wave = sample.value
        samples = self.transform(self.prepare(sample).tensors, changes)["samples"] if changes else read.samples
        return wav(samples[: int(PREVIEW_SECONDS * read.rate)], read.rate)

    def detailed_preview(self, sample: Sample) -> Preview:
        """A PNG of the spectrogram of what `preview` plays: time from left to right, low frequencies below."""
        read: Wave = sample.value
        samples = read.samples[: int(PREVIEW_SECONDS * read.rate)]
        if len(samples) < SHEET_SIDE:
            samples = np.pad(samples, (0, SHEET_SIDE - len(samples)))
        mel = replace(self._drawn_mel, hop=-(-len(samples) // SHEET_SIDE))
        return png(Image.fromarray(spectrogram(mel, samples, NO_MASKS)))

    def sheet(self, rows: Sequence[Sequence[Shown]], titles: Sequence[str]) -> Preview:
        """Spectrograms with time from left to right, low frequencies below, what is hidden in grey."""
        return contact_sheet([[self._tile(shown) for shown in row] for row in rows], titles, largest=SHEET_SIDE)

    def _tile(self, shown: Shown) -> Tile:
        pixels = spectrogram(self._drawn_mel, shown.tensors["samples"], shown.tensors["masks"])
        return Tile(pixels, shown.labels, (*drawn_in_words(shown.drawn), *shown.notes))

    @cached_property
    def _drawn_mel(self) -> Mel:
        hop = -(-self.window // SHEET_SIDE)
        return Mel(self.rate, max(self.rate // 25, hop), hop, bands=80, pad="zero", high=min(8000, self.rate / 2))


def wav(samples: np.ndarray, rate: int) -> Preview:
    """Samples (n,) float32, -1 to 1, as a sound that reports play: a WAV of 16 bits; what overshoots is clipped."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return Preview("audio/wav", stream.getvalue())
