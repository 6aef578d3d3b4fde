"""The task `translation`: a text answered with a text, by a decoder on the tokens of any text backbone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from headstart.errors import Problem
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import PRETRAINED, TaskSpec

if TYPE_CHECKING:
    from headstart.recipe import Recipe

NAME = "translation/translation"
FREEZABLE = ("embeddings", "self_attention", "cross_attention", "feed_forward", "norms")
"""Parts of a decoder that can stay as they are."""
OF_A_NEW_ONE = ("vocabulary", "joint", "parent_vocabulary", "layers", "width", "heads", "hidden")
"""Options that a decoder which comes trained has no use for."""
ANSWERING = ("beams", "length_penalty", "answers", "longest", "tokenize")


@dataclass(frozen=True)
class TranslationOptions:
    """How targets are read, what the decoder is, how it learns, and how answers are looked for."""

    vocabulary: int = option(
        4000,
        "Pieces of the vocabulary that is learned from the training split's targets.",
        low=16,
        high=1_000_000,
    )
    joint: bool = option(
        False, "Sources and targets share the input kind's vocabulary; it needs --set input.joint=true."
    )
    parent_vocabulary: Literal["kept", "joined", "new"] = option(
        "joined",
        "What becomes of the vocabulary of the run whose head it goes on from (--head-from): it is kept as it is; the "
        "pieces that these targets have and it lacks are added; or one of these targets alone takes its place. Pieces "
        "that both have keep their embeddings, and a new one begins as the mean of those that spell it.",
    )
    most: int = option(
        128, "Pieces of a target in training, its end among them; longer ones are cut, which is told.", low=4, high=4096
    )
    layers: int = option(3, "Layers of a new decoder.", low=1, high=48)
    width: int = option(256, "Numbers that each piece is told by, in a new decoder.", low=8, high=8192)
    heads: int = option(4, "Attention heads of a layer of a new decoder.", low=1, high=128)
    hidden: int = option(1024, "Units of each feed-forward layer of a new decoder.", low=8, high=65536)
    dropout: float = option(
        0.1, "Share of numbers that is left out in training, of those that each layer adds.", low=0.0, high=0.9
    )
    label_smoothing: float = option(
        0.1, "Share of the target that is spread over all pieces, in training alone.", low=0.0, high=0.9
    )
    freeze: tuple[str, ...] = option((), f"Parts of the decoder that do not learn: of {', '.join(FREEZABLE)}.")
    beams: int = option(
        4, "Sequences that are followed at once where an answer is looked for; 1 is greedy.", low=1, high=64
    )
    length_penalty: float = option(
        1.0, "Answers are scored by the sum of log p over their length to this power.", low=0.0, high=10.0
    )
    answers: int = option(1, "How many answers are given, the best first; no more than beams.", low=1, high=64)
    longest: int | None = option(
        None, "Pieces of an answer at most; if unset, as many as in training.", low=2, high=4096
    )
    chrf_on_val: bool = option(
        False,
        "After each epoch val is translated, greedily, and chrF chooses; if unset, the loss does. It takes longer.",
    )
    tokenize: Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"] = option(
        "13a", "How BLEU finds words: zh, ja-mecab and ko-mecab for Chinese, Japanese and Korean targets."
    )

    def __post_init__(self) -> None:
        """Raise ValueError where heads cannot share the width, for parts that there are not, and for more answers than
        beams."""
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no multiple of twice the heads, {self.heads}")
        if unknown := [part for part in self.freeze if part not in FREEZABLE]:
            raise ValueError(f"freeze names {unknown[0]!r}; expected some of {', '.join(FREEZABLE)}")
        if self.answers > self.beams:
            raise ValueError(f"answers is {self.answers}, and beams finds {self.beams}; ask for as many beams")


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer translation."""
    return [
        TaskSpec(
            name=NAME,
            summary="A text answered with a text, a piece at a time: machine translation, by a transformer decoder.",
            options=TranslationOptions,
            build=f"{__name__}._task:build",
            features=("tokens",),
            targets="targets/text",
            heads=("decoder",),
            batch_size=32,
            answer_options=ANSWERING,
            gradient_options=("dropout", "label_smoothing", "freeze", "chrf_on_val"),
            default=True,
        )
    ]


@hookimpl
def check_recipe(recipe: Recipe) -> Iterable[Problem]:
    """A shared vocabulary is learned where sources are read, so both must say so; a decoder that comes trained has its
    own vocabulary and shape."""
    if recipe.task != NAME:
        return
    usual, given = TranslationOptions(), recipe.table("task")
    if recipe.head == PRETRAINED:
        message = "the decoder that comes with the weights has its own vocabulary and shape"
        for name in OF_A_NEW_ONE:
            if name in given and given[name] != getattr(usual, name):
                yield Problem(f"task.{name}", message, "leave it out, or --head decoder for a new one", idle=True)
        return
    if not given.get("joint") or recipe.table("input").get("joint"):
        return
    message = "sources and targets can share a vocabulary only where it is learned from both"
    yield Problem("task.joint", message, "add --set input.joint=true, with --backbone seq2seq/small")
