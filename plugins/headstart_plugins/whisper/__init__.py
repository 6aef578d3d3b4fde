"""Whisper (Radford et al. 2022, arXiv:2212.04356): general speech recognition, its encoder as a backbone of sounds.

`whisper/tiny_en` comes by name; any other of the family as the folder that transformers saves.
Files are read as data, without the libraries that wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, InputSpec
from headstart_plugins._waves import CHANGES
from headstart_plugins.whisper._options import LogMelOptions
from headstart_plugins.whisper._specs import OFFERED, TAKES


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """What folders are built from, and the recogniser that can be fetched by name."""
    return OFFERED


@hookimpl
def resolve_backbone(ref: str) -> BackboneSpec | None:
    """A folder whose config.json names a Whisper model."""
    from headstart_plugins.whisper._reference import resolve

    return resolve(ref)


@hookimpl
def register_inputs() -> Iterable[InputSpec]:
    """Spectrograms as Whisper was trained on."""
    yield InputSpec(
        name="whisper/log_mel",
        summary="Recordings as logarithms of powers in mel bands, below the loudest of each window: for Whisper.",
        options=LogMelOptions,
        build="headstart_plugins.whisper._kind:build",
        reads=("audio",),
        produces=TAKES,
        changes=CHANGES,
        readers=("soundfile", "soxr"),
        native=True,
    )
