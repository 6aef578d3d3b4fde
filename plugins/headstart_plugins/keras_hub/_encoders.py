"""Transformer encoders that KerasHub holds in one layer, opened block by block so that each can learn by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Chain:
    """The attributes of an encoder: its blocks, and the layers that it runs before and after them."""

    blocks: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


CHAINS = {
    "ViTEncoder": Chain("encoder_layers", before=("dropout",), after=("layer_norm",)),
    "DINOV2Encoder": Chain("layers"),
}
"""By KerasHub's class name. What each does is its `call`; the tests compare with it. The blocks of the other two
(DeiT, DINOV3) cannot be called one by one on symbolic tensors, or need more than tokens: they stay one stage."""


def is_chain(layer: Any) -> bool:
    """Whether `layer` is an encoder that can be opened."""
    return type(layer).__name__ in CHAINS


def run_blocks(layer: Any, tokens: Any) -> Iterator[Any]:
    """The tokens (batch, time, channel) after each block, and last what the encoder gives."""
    chain = CHAINS[type(layer).__name__]
    tokens = _run([getattr(layer, name) for name in chain.before], tokens)
    for block in getattr(layer, chain.blocks):
        tokens = _run([block], tokens)
        yield tokens
    yield _run([getattr(layer, name) for name in chain.after], tokens)


def _run(layers: Sequence[Any], tokens: Any) -> Any:
    for layer in layers:
        tokens = layer(tokens)
    return tokens
