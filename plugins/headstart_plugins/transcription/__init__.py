"""The task `transcription`: what is said in a recording, by a decoder that comes trained with its encoder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec

NAME, HEAD = "transcription/transcription", "decoder"


@dataclass(frozen=True)
class TranscriptionOptions:
    """How targets are read, how the decoder learns, and how answers are looked for."""

    most: int = option(
        128, "Tokens of a target in training, its end among them; longer ones are cut, which is told.", low=4, high=448
    )
    language: str = option("en", "What is spoken, as the decoder names it; those for English alone know no other.")
    label_smoothing: float = option(
        0.0, "Share of the target that is spread over all tokens, in training alone.", low=0.0, high=0.9
    )
    form: Literal["spoken", "written"] = option(
        "spoken",
        "What error rates compare: spoken leaves case and punctuation out, written keeps them. What is learned is in "
        "the data to the letter.",
    )
    beams: int = option(
        1, "Sequences that are followed at once where an answer is looked for; 1 is greedy.", low=1, high=64
    )
    longest: int = option(200, "Tokens of what is said in one window, at most.", low=2, high=448)
    loops: bool = option(
        False,
        "Leave answers as they are that say one thing over and over, until there is no room for more or faster than "
        "anybody speaks; unless set, such an answer has it once, which its segment tells.",
    )
    times: bool = option(
        False,
        "Have the decoder say when each stretch of speech begins and ends, by the rules that it learned: segments are "
        "these then, and not whole windows.",
    )
    srt: bool = option(
        False,
        "Write subtitles beside answers with --out: a file in SubRip's format, an entry a segment with its times.",
    )


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer transcription."""
    return [
        TaskSpec(
            name=NAME,
            summary="What is said in a recording, as text: by a pretrained decoder such as Whisper's.",
            options=TranscriptionOptions,
            build=f"{__name__}._task:build",
            features=("tokens",),
            targets="targets/text",
            heads=(HEAD,),
            batch_size=8,
            answer_options=("beams", "longest", "form", "loops", "times", "srt"),
            file_options=("srt",),
            gradient_options=("label_smoothing",),
            comes_trained=True,
        )
    ]
