"""A compact encoder of Marian's shape for texts, and the input kind that makes pieces of words of them.

The vocabulary is learned from the training split (sentencepiece, Kudo & Richardson 2018), or that of the weights. Any
other backbone with `tokens` can read for a decoder as well: the decoder is the head of the task that it is learned for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, InputSpec
from headstart_plugins._sequences.stages import encoder_features

MOST_TOKENS = 128
PREPROCESS: Mapping[str, Any] = {"length": 4096}
"""Positions are computed, so that there is no end of them but memory's."""


@dataclass(frozen=True)
class PiecesOptions:
    """How texts become pieces of words."""

    vocabulary: int = option(
        4000,
        "Pieces of the vocabulary that is learned from the training split's texts; weights that have one keep theirs.",
        low=16,
        high=1_000_000,
    )
    joint: bool = option(
        False,
        "The vocabulary is learned from target texts too, for a task that shares it: --set task.joint=true.",
    )
    max_tokens: int = option(
        MOST_TOKENS,
        "Pieces of a text, its end among them; longer texts are split at sentences.",
        low=8,
        high=4096,
    )
    prefix: str = option(
        "",
        "What stands before each text, as published weights want it: 'translate English to German: ' of T5, '>>glg<< ' "
        "of OPUS-MT into several languages.",
    )


@dataclass(frozen=True)
class SmallOptions:
    """The shape of the encoder."""

    layers: int = option(3, "Layers of attention and feed-forward, one above the other.", low=1, high=48)
    width: int = option(256, "Numbers that each piece is told by.", low=8, high=8192)
    heads: int = option(4, "Attention heads of a layer.", low=1, high=128)
    hidden: int = option(1024, "Units of each feed-forward layer.", low=8, high=65536)
    dropout: float = option(
        0.1, "Share of numbers that is left out in training, of those that each layer adds.", low=0.0, high=0.9
    )

    def __post_init__(self) -> None:
        """Raise ValueError where heads cannot share the width."""
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no multiple of twice the heads, {self.heads}")


@hookimpl
def register_inputs() -> Iterable[InputSpec]:
    """The kind `pieces`."""
    return [
        InputSpec(
            name="seq2seq/pieces",
            summary="Texts as pieces of words, of a vocabulary that is learned from the training split.",
            options=PiecesOptions,
            build=f"{__name__}._input:build",
            reads=("text",),
            produces="pieces",
            readers=("sentencepiece",),
            flags={"max-tokens": "max_tokens"},
        )
    ]


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The encoder `small`."""
    return [
        BackboneSpec(
            name="seq2seq/small",
            summary="A compact transformer encoder of Marian's shape with a vocabulary of the user's own texts.",
            options=SmallOptions,
            build=f"{__name__}._build:build",
            takes="pieces",
            stages=None,
            features=encoder_features(None),
            preprocess=PREPROCESS,
            licence="Apache-2.0",
            family="transformer",
            any_length=True,
            tiny={"layers": 2, "width": 16, "heads": 2, "hidden": 32},
            gradient_options=("dropout",),
        )
    ]
