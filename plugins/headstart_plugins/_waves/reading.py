"""Any recording to mono float32 samples at one rate: odd ones by a fixed conversion that is noted, bad ones refused.

Files are decoded as float32 from their beginning: as whole numbers libsndfile leaves float files unscaled and wraps
what Vorbis overshoots, and seeking in compressed files may land elsewhere (seen with soundfile 0.14).
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DataError, UsageError
from headstart.specs import Sample
from headstart_plugins._sound_suffixes import UNREAD

BLOCK = 1 << 18
"""Samples decoded at once, a channel: what is not seekable has to be read in blocks."""
LOUDEST = 16.0
"""Samples of -1 to 1 may overshoot; what goes beyond this was never meant so."""
QUIET = 1e-3
FULL = 0.99
CLIPPED = 1e-3
"""Share of samples that repeat the one before at full scale from which a sound counts as clipped."""
SHORT = 0.1
STREAMED = 0x7FFF0000
"""Bytes or more that programs which cannot know them yet write into the header of a WAV."""
SLACK = 4 * 1152
"""Samples by which the length in an MP3's header may be off: its encoder's delay and padding."""
UNKNOWN = 1 << 48
"""Samples or more that stand for a length that libsndfile does not know."""
RATES = (1_000, 768_000)

SILENT = "warning: with hardly any sound (its peak is below -60 dB of full scale)"
OVERLOADED = "warning: clipped at full scale"
BRIEF = "warning: shorter than 0.1 s"
CUT_OFF = "warning: without the mark of an Ogg file's end, as where it was cut off"
SAVE_AS = "convert it with `ffmpeg -i IN OUT.flac`, or leave it out"


@dataclass(frozen=True)
class Wave:
    """A recording as read: `samples` (n,) float32, mono, `rate` a second; the `original_rate`, and its `seconds`."""

    samples: np.ndarray
    rate: int
    original_rate: int
    seconds: float


def read_sound(payload: Any, where: str, rate: int, max_minutes: int) -> Sample:
    """`payload` as a Sample of `Wave` at `rate`: a path, encoded bytes, or an array (n,) or (n, channel) with its rate,
    as a pair, or as a mapping of `array` and `sampling_rate` (or `rate`).

    Channels are averaged, other rates resampled (soxr, high quality). Raises DataError naming `where` for what is no
    sound, empty, truncated, longer than `max_minutes`, or has samples of no known scale; UsageError where the extra
    `sound` is not installed.
    """
    notes: list[str] = []
    channels, own_rate = _decoded(payload, where, max_minutes, notes)
    if not len(channels):
        raise DataError(f"{where}: a sound without samples", hint="leave it out, or copy it again from where it came")
    peak = float(np.abs(channels).max())
    if not np.isfinite(peak):
        raise DataError(f"{where}: samples that are not finite", hint="export it again, or leave it out")
    if peak > LOUDEST:
        raise DataError(
            f"{where}: samples of up to {peak:,.0f}; floating-point samples run from -1 to 1",
            hint="whole numbers were stored as floats: divide them by their full scale (32768 for 16 bits) in a copy",
        )
    if peak < QUIET:
        notes.append(SILENT)
    if _is_clipped(channels):
        notes.append(OVERLOADED)
    if channels.shape[1] > 1:
        notes.append(f"made mono: the mean of {channels.shape[1]} channels")
    mono = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1, dtype=np.float32)
    seconds = len(mono) / own_rate
    if own_rate != rate:
        notes.append(f"resampled from {own_rate:,} Hz")
    samples = resampled(mono, own_rate, rate)
    if not len(samples):
        raise DataError(f"{where}: a sound of {len(mono)} samples is too short to be resampled", hint="leave it out")
    if seconds < SHORT:
        notes.append(BRIEF)
    return Sample(Wave(samples, rate, own_rate, seconds), tuple(notes))


def resampled(samples: np.ndarray, rate: float, to: float) -> np.ndarray:
    """`samples` (n,) float32 of `rate` a second as (round(n * to / rate),) at `to`, by the SoX resampler."""
    if rate == to:
        return np.ascontiguousarray(samples, np.float32)
    soxr = extra("soxr")
    made: np.ndarray = soxr.resample(np.ascontiguousarray(samples, np.float32), rate, to, quality="HQ")
    return made


def extra(name: str) -> Any:
    """A package of the extra `sound`. Raises UsageError that says how to install it."""
    import importlib

    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as exc:  # OSError: the library that it loads is not there
        raise UsageError(
            f"sounds are read by {name}, which is not installed", hint='pip install "headstart[sound]"'
        ) from exc


def _decoded(payload: Any, where: str, max_minutes: int, notes: list[str]) -> tuple[np.ndarray, int]:
    """Samples (n, channel) float32 and their rate."""
    if isinstance(payload, Mapping):
        payload = _unpacked(payload)
    if isinstance(payload, tuple | list) and len(payload) == 2 and isinstance(payload[0], np.ndarray):
        return _of_array(payload[0], payload[1], where, max_minutes)
    if isinstance(payload, np.ndarray):
        raise DataError(f"{where}: an array without its rate", hint="give the pair (array, rate), such as (x, 16000)")
    if isinstance(payload, str | Path):
        path = Path(payload)
        try:
            info = path.stat()
        except OSError as exc:
            raise DataError(f"{where}: cannot be read: {exc.strerror or exc}") from exc
        if not stat.S_ISREG(info.st_mode):
            raise DataError(f"{where}: not a regular file")
        if info.st_size == 0:
            raise DataError(f"{where}: an empty file", hint="copy it again from where it came, or leave it out")
        return _of_file(os.fsencode(path), path.suffix, where, max_minutes, notes)
    if isinstance(payload, bytes):
        if not payload:
            raise DataError(f"{where}: an empty file", hint="copy it again from where it came, or leave it out")
        return _of_file(io.BytesIO(payload), Path(where).suffix, where, max_minutes, notes)
    raise DataError(
        f"{where}: a sound is a path, encoded bytes, or an array with its rate; received {type(payload).__name__}",
        hint="give the pair (array, rate), such as (x, 16000)",
    )


def _unpacked(payload: Mapping[str, Any]) -> Any:
    """What a mapping holds, as `datasets` and others name it: an array and its rate, else bytes, else a path."""
    rate = payload.get("sampling_rate", payload.get("rate"))
    if payload.get("array") is not None and rate is not None:
        return np.asarray(payload["array"]), rate
    if isinstance(payload.get("bytes"), bytes):
        return payload["bytes"]
    if isinstance(payload.get("path"), str | Path):
        return Path(payload["path"])
    return payload


def _of_array(array: np.ndarray, rate: Any, where: str, max_minutes: int) -> tuple[np.ndarray, int]:
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer | float) or rate != int(rate):
        raise DataError(f"{where}: the rate is {rate!r}; expected a whole number of samples a second")
    channels = array[:, None] if array.ndim == 1 else array
    if channels.ndim != 2 or channels.shape[1] > max(16, len(channels) // 4):
        hint = "transpose it if channels come first" if array.ndim == 2 else None
        raise DataError(
            f"{where}: an array of shape {array.shape}; expected (samples,) or (samples, channels)", hint=hint
        )
    if array.dtype in (np.int16, np.int32):  # whole numbers have one scale; floats are -1 to 1
        channels = channels.astype(np.float64) / -float(np.iinfo(array.dtype).min)
    elif array.dtype.kind != "f":
        raise DataError(
            f"{where}: samples are {array.dtype}; expected int16, int32, or floats from -1 to 1",
            hint="convert them to float32 from -1 to 1",
        )
    _check_length(len(channels), _checked_rate(int(rate), where), where, max_minutes)
    return channels.astype(np.float32), int(rate)


def _checked_rate(rate: int, where: str) -> int:
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"{where}: {rate:,} samples a second; expected {RATES[0]:,} to {RATES[1]:,}")
    return rate


def _check_length(count: int, rate: int, where: str, max_minutes: int) -> None:
    if count > max_minutes * 60 * rate:
        raise DataError(
            f"{where}: {count / rate / 60:,.0f} minutes; expected {max_minutes} at most",
            hint="cut it into parts, or raise input.max_minutes",
        )


def _of_file(source: Any, suffix: str, where: str, max_minutes: int, notes: list[str]) -> tuple[np.ndarray, int]:
    soundfile = extra("soundfile")
    headerless = {"samplerate": 8_000, "channels": 1, "format": "RAW", "subtype": "GSM610"}
    try:
        with soundfile.SoundFile(source, **(headerless if suffix.lower() == ".gsm" else {})) as file:
            rate = _checked_rate(int(file.samplerate), where)
            declared, form = int(file.frames), str(file.format)
            told = str(file.extra_info)
            if declared < UNKNOWN:
                _check_length(declared, rate, where, max_minutes)
            blocks, count = [], 0
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
                count += len(block)
                _check_length(count, rate, where, max_minutes)
            channels = np.concatenate(blocks) if blocks else np.zeros((0, int(file.channels)), np.float32)
    except soundfile.LibsndfileError as exc:
        if suffix.lower() in UNREAD:
            raise DataError(f"{where}: {suffix} files are not read", hint=SAVE_AS) from exc
        raise DataError(f"{where}: no sound that can be read: {exc.error_string.rstrip('.')}", hint=SAVE_AS) from exc
    except (RuntimeError, ValueError, TypeError) as exc:  # what soundfile makes of files that contradict themselves
        raise DataError(f"{where}: corrupt sound: {exc}", hint=SAVE_AS) from exc
    _check_whole(form, told, declared, len(channels), rate, where)
    if "end-of-stream" in told.lower() and len(channels):
        notes.append(CUT_OFF)
    return channels, rate


def _check_whole(form: str, told: str, declared: int, count: int, rate: int, where: str) -> None:
    """Raise DataError for a file that ends before what its header says."""
    promised = re.search(r"data : (\d+) \(should be (\d+)\)", told)  # libsndfile's log of a WAV: bytes
    share = Fraction(count, declared) if declared else Fraction(1)
    if promised and int(promised[2]) < int(promised[1]) < STREAMED:
        share = Fraction(int(promised[2]), int(promised[1]))
    elif not (form == "MP3" and declared - count > SLACK):
        return
    raise DataError(
        f"{where}: truncated: {count / rate:.2f} s are there, {float(share):.0%} of what its header says",
        hint="copy it again from where it came, or leave it out",
    )


def _is_clipped(channels: np.ndarray) -> bool:
    """Whether more than 1 in 1,000 samples repeat the one before at full scale, as only flat tops do."""
    full = np.abs(channels[1:]) >= FULL
    if not full.any():
        return False
    return float((full & (channels[1:] == channels[:-1])).mean()) > CLIPPED
