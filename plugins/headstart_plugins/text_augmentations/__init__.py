"""Ways to vary training texts: words left out, tokens masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import AugmentationSpec

BUILD = "headstart_plugins.text_augmentations._build:"


@dataclass(frozen=True)
class DropoutOptions:
    """How many words go."""

    share: float = option(
        0.05, "The chance of each word to be left out; a `not` may be one: larger ones wrong labels.", low=0.0, high=0.5
    )
    probability: float = option(0.5, "Share of the texts that vary at all.", low=0.0, high=1.0)


@dataclass(frozen=True)
class MaskingOptions:
    """How many tokens are masked."""

    share: float = option(
        0.1, "The chance of each token to be masked; 0.15 is what BERT was trained with.", low=0.0, high=0.5
    )
    probability: float = option(0.5, "Share of the texts that vary at all.", low=0.0, high=1.0)


@hookimpl
def register_augmentations() -> Iterable[AugmentationSpec]:
    """Both."""
    return [
        AugmentationSpec(
            name="text_augmentations/word_dropout",
            summary="Leaves a few words out of half of the texts. Labels of topic and style survive that; one that "
            "depends on a single word, such as `not`, may not: keep the share small.",
            options=DropoutOptions,
            build=BUILD + "WordDropout",
            draws=frozenset({"drop_words"}),
        ),
        AugmentationSpec(
            name="text_augmentations/token_masking",
            summary="Masks a few tokens of half of the texts, for tokenizers with a mask token. A label that depends "
            "on a single word may not survive: keep the share small.",
            options=MaskingOptions,
            build=BUILD + "TokenMasking",
            draws=frozenset({"mask_tokens"}),
        ),
    ]
