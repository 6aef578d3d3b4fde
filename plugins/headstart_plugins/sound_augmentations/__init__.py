"""Ways to vary training sounds: noise, loudness, time, speed, rooms, and masks over their features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import AugmentationSpec

BUILD = "headstart_plugins.sound_augmentations._build:"


def require_order(low: float, high: float, names: str) -> None:
    """Raises ValueError where the ends of a range are exchanged."""
    if low > high:
        raise ValueError(f"{names} are {low:g} and {high:g}: the first is above the second")


@dataclass(frozen=True)
class NoiseOptions:
    """How much noise."""

    lowest: float = option(5.0, "Smallest ratio of the sound's power to the noise's, in decibels.", low=-20.0, high=80)
    highest: float = option(30.0, "Largest ratio, in decibels.", low=-20.0, high=80.0)
    probability: float = option(0.5, "Share of the sounds that get noise.", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        """Raises ValueError for an empty range."""
        require_order(self.lowest, self.highest, "lowest and highest")


@dataclass(frozen=True)
class GainOptions:
    """How much louder or softer."""

    decibels: float = option(6.0, "Louder or softer by up to so many decibels.", low=0.0, high=60.0)


@dataclass(frozen=True)
class ShiftOptions:
    """How far in time."""

    seconds: float = option(0.2, "Earlier or later by up to so many seconds.", low=0.0, high=60.0)


@dataclass(frozen=True)
class SpeedOptions:
    """How much faster or slower."""

    factor: float = option(
        1.1, "The largest factor; the smallest is 1 divided by it. Pitch moves with it.", low=1.0, high=4.0
    )
    probability: float = option(0.5, "Share of the sounds that change.", low=0.0, high=1.0)


@dataclass(frozen=True)
class ReverberationOptions:
    """What rooms."""

    shortest: float = option(0.1, "Seconds in which echoes fall by 60 decibels, at least.", low=0.01, high=10.0)
    longest: float = option(0.8, "The same, at most.", low=0.01, high=10.0)
    wettest: float = option(0.0, "Decibels of the direct sound above its echoes, at least.", low=-20.0, high=60.0)
    driest: float = option(20.0, "The same, at most.", low=-20.0, high=60.0)
    probability: float = option(0.5, "Share of the sounds that are heard in a room.", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        """Raises ValueError for an empty range."""
        require_order(self.shortest, self.longest, "shortest and longest")
        require_order(self.wettest, self.driest, "wettest and driest")


@dataclass(frozen=True)
class MaskingOptions:
    """How much is hidden."""

    times: int = option(2, "Stretches of time that are hidden.", low=0, high=4)
    time_share: float = option(0.1, "Largest share of the window that one hides.", low=0.0, high=1.0)
    bands: int = option(2, "Stretches of bands that are hidden.", low=0, high=4)
    band_share: float = option(0.2, "Largest share of the bands that one hides.", low=0.0, high=1.0)


@hookimpl
def register_augmentations() -> Iterable[AugmentationSpec]:
    """All six."""
    return [
        AugmentationSpec(
            name="sound_augmentations/noise",
            summary="White noise under half of the sounds, 5 to 30 dB below them.",
            options=NoiseOptions,
            build=BUILD + "Noise",
            draws=frozenset({"noise"}),
        ),
        AugmentationSpec(
            name="sound_augmentations/gain",
            summary="Louder or softer by up to 6 dB; without effect where features do not depend on loudness.",
            options=GainOptions,
            build=BUILD + "Gain",
            draws=frozenset({"gain"}),
        ),
        AugmentationSpec(
            name="sound_augmentations/time_shift",
            summary="Earlier or later by up to 0.2 s, with silence where the sound was.",
            options=ShiftOptions,
            build=BUILD + "TimeShift",
            draws=frozenset({"shift"}),
        ),
        AugmentationSpec(
            name="sound_augmentations/speed",
            summary="Half of the sounds up to 10 % faster or slower, and higher or lower with it. A label that hangs "
            "on pitch, such as who speaks, may not survive.",
            options=SpeedOptions,
            build=BUILD + "Speed",
            draws=frozenset({"speed"}),
        ),
        AugmentationSpec(
            name="sound_augmentations/reverberation",
            summary="Half of the sounds as in a room, by a synthetic response of 0.1 to 0.8 s.",
            options=ReverberationOptions,
            build=BUILD + "Reverberation",
            draws=frozenset({"reverberation"}),
        ),
        AugmentationSpec(
            name="sound_augmentations/spec_augment",
            summary="Two stretches of time and two of frequency hidden in the features (SpecAugment).",
            options=MaskingOptions,
            build=BUILD + "SpecAugment",
            draws=frozenset({"mask_times", "mask_bands"}),
        ),
    ]
