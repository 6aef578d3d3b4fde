"""Speech of several accents, spoken by engines or recorded: `accents`, `other_accents` and `prompts_fr`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec, Tolerances

ACCENTS = ("en-029", "en-gb", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-us")
"""English as espeak-ng speaks it: the Caribbean, Great Britain, Scotland, Lancaster, the West Midlands, received
pronunciation, and America."""


@dataclass(frozen=True)
class MakeAccentsOptions:
    """What is spoken."""

    voices: int = option(
        3, "Voices that each sentence of train is spoken in, of eight; all accents have the same ones.", low=1, high=8
    )


@dataclass(frozen=True)
class MakeOtherOptions:
    """Who speaks."""

    engines: tuple[str, ...] = option(
        ("flite",), "Engines that speak: flite in four voices, festival in two more, both American."
    )

    def __post_init__(self) -> None:
        """Raises ValueError for other engines, for one that is named twice, and where nobody speaks."""
        is_twice = len(set(self.engines)) < len(self.engines)  # each clip would have two rows
        if not self.engines or is_twice or set(self.engines) - {"flite", "festival"}:
            raise ValueError(f"engines is {', '.join(self.engines) or 'empty'}; expected flite, festival or both")


@dataclass(frozen=True)
class AccentOptions(Tolerances):
    """What is learned of speech with accents."""

    target: Literal["accent", "text"] = option("accent", "What is learned: the accent, or the words that are said.")
    accents: tuple[str, ...] = option((), "Only these accents, such as en-us; all if unset.")


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Three sets of speech, each made first."""
    return [
        DatasetSpec(
            name="sound_sets/accents",
            summary="124 sentences in seven accents of English and thirteen voices, those of test in neither train nor "
            "val; spoken by espeak-ng (Debian).",
            options=AccentOptions,
            build="headstart_plugins.sound_sets._accents:build",
            make="headstart_plugins.sound_sets._accents:make",
            make_options=MakeAccentsOptions,
            medium="audio",
            targets=("targets/class", "targets/text"),
            takes_path=False,
            licence="sentences Apache-2.0, spoken by a program under the GPL-3",
        ),
        DatasetSpec(
            name="sound_sets/other_accents",
            summary="The sentences of test of `accents` in voices of other engines, American and Scottish; spoken by "
            "flite, and festival where that is asked for (Debian).",
            options=AccentOptions,
            build="headstart_plugins.sound_sets._accents:build_other",
            make="headstart_plugins.sound_sets._accents:make_other",
            make_options=MakeOtherOptions,
            medium="audio",
            targets=("targets/class", "targets/text"),
            takes_path=False,
            licence="sentences Apache-2.0, spoken by a program and voices of Carnegie Mellon University (BSD-like)",
        ),
        DatasetSpec(
            name="sound_sets/prompts_fr",
            summary="Recorded prompts of telephones in French of Canada and of France, one speaker each, held out by "
            "prompt; from Debian's asterisk packages.",
            build="headstart_plugins.sound_sets._prompts:build",
            make="headstart_plugins.sound_sets._prompts:make",
            medium="audio",
            targets=("targets/class",),
            takes_path=False,
            licence="CC-BY-SA-3.0 (June Wallack, Canada), BSD-like (Armelle Desjardins, France), as the packages state",
        ),
    ]
