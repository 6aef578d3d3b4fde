"""Sounds as pictures: a log-mel spectrogram that any image backbone takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import InputSpec
from headstart_plugins._waves import CHANGES, READERS, WaveOptions


@dataclass(frozen=True)
class SpectrogramOptions(WaveOptions):
    """How sounds become pictures."""

    size: int | None = option(
        None, "Side in pixels of the picture; the weights' native size if unset.", low=8, high=4096
    )
    rate: int = option(16_000, "Samples a second that sounds are brought to.", low=4_000, high=48_000)
    bands: int = option(
        64, "Bands of frequency, evenly spaced by ear (mel); stretched over the picture's height.", low=8, high=512
    )
    decibels: float = option(
        80.0, "Below a window's loudest cell so many decibels are shown; what is softer is black.", low=10.0, high=200.0
    )


@hookimpl
def register_inputs() -> Iterable[InputSpec]:
    """The kind `spectrogram`."""
    return [
        InputSpec(
            name="sound/spectrogram",
            summary="Sounds (WAV, FLAC, Ogg, MP3, Opus, GSM, ...) as log-mel pictures, time from left to right.",
            options=SpectrogramOptions,
            build="headstart_plugins.sound._spectrogram:build",
            changes=CHANGES,
            reads=("audio",),
            produces="image",
            readers=READERS,
            flags={"image-size": "size"},
        )
    ]
