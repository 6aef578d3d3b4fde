"""GE2E: an encoder of voices, trained to tell speakers apart (Wan et al. 2018, arXiv:1710.10467).

The network and its numbers are those of Resemblyzer 0.1.4 (Apache-2.0), whose code this follows: three LSTM layers over
windows of 1.6 s of a mel spectrogram, one every 0.77 s; the mean of their embeddings is a recording's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec, InputSpec, PackageFile, WeightsSpec
from headstart_plugins._waves import CHANGES, WaveOptions

TAKES = "voice_mel"
STAGES = ("windows", "lstm1", "lstm2", "lstm3", "voice")
PREPROCESS = {"rate": 16_000, "bands": 40, "loudness": -30.0}


@dataclass(frozen=True)
class VoiceOptions(WaveOptions):
    """How recordings become the spectrograms that voices are told by."""

    voiced: bool = option(
        False,
        "Leave out long stretches without a voice, as the package that these weights come from does by webrtcvad: `pip "
        "install webrtcvad-wheels`. Nothing is left out otherwise.",
    )


@dataclass(frozen=True)
class SpeakerOptions:
    """The size of the network; published weights fit the defaults."""

    width: int = option(256, "Units of each LSTM layer.", low=4, high=4096)
    embedding: int = option(256, "Numbers that a voice is told by.", low=4, high=4096)


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The one network whose weights lie in a package."""
    weights = WeightsSpec(
        name="voices",
        origin=PackageFile("Resemblyzer", "0.1.4", "resemblyzer/pretrained.pt"),
        licence="Apache-2.0",
        source="GE2E of Resemblyzer by Resemble AI, PyPI package Resemblyzer",
        trained_on="LibriSpeech-other, VoxCeleb1 and VoxCeleb2 (speakers), as its authors state",
        size=17_090_379,
        algorithm="sha256",
        digest="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        load=f"{__name__}._weights:load",
        preprocess=PREPROCESS,
    )
    yield BackboneSpec(
        name="speaker_encoder/ge2e",
        summary="GE2E, three LSTM layers that tell voices apart, of sounds at 16 kHz.",
        options=SpeakerOptions,
        build=f"{__name__}._build:build",
        takes=TAKES,
        stages=STAGES,
        weightless=STAGES[:1],
        features=(
            FeatureSpec("pooled", "voice", "pooled", ("batch", "channel"), 256),
            FeatureSpec("tokens", "voice", "x", ("batch", "time", "channel"), 256, stride=77, mask="mask"),
        ),
        preprocess=PREPROCESS,
        licence="Apache-2.0",
        weights=(weights,),
        parameters=1_420_544,
        tiny={"width": 8, "embedding": 8},
        tiny_size=2,
        family="recurrent",
    )


@hookimpl
def register_inputs() -> Iterable[InputSpec]:
    """Mel spectrograms as GE2E was trained on."""
    yield InputSpec(
        name="speaker_encoder/mel",
        summary="Recordings as powers in 40 mel bands (no logarithm), quiet ones brought to -30 dBFS: for GE2E.",
        options=VoiceOptions,
        build=f"{__name__}._kind:build",
        reads=("audio",),
        produces=TAKES,
        changes=CHANGES,
        readers=("soundfile", "soxr"),
    )
