"""The text input kind: texts, and pairs of them, to the token ids that a language model was trained on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import InputSpec


@dataclass(frozen=True)
class TextOptions:
    """What a user can choose about reading texts; the tokenizer belongs to the weights."""

    max_tokens: int | None = option(
        None,
        "Tokens that a text is cut to, special ones among them; what the weights were meant for if unset.",
        low=8,
        high=65536,
    )


@hookimpl
def register_inputs() -> Iterable[InputSpec]:
    """The kind `text`."""
    return [
        InputSpec(
            name="text/text",
            summary="Texts or pairs of texts, as the token ids of the weights' own tokenizer.",
            options=TextOptions,
            build="headstart_plugins.text._build:build",
            reads=("text",),
            produces="tokens",
            changes={
                "drop_words": "Leaves words out, all pieces of each: (share, seed), the share of the words in 0 to 1, "
                "and the whole number from 0 to 2**53 that picks them. One word of each text stays.",
                "mask_tokens": "Puts the tokenizer's mask in the place of tokens: (share, seed), as for drop_words. "
                "One token of each text stays.",
            },
            readers=("tokenizers",),
            flags={"max-tokens": "max_tokens"},
            native=True,
        )
    ]
