"""What an encoder is built from, as plain values: all that `config.json` says of it."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.options import option
from headstart_plugins._sequences import ACTIVATIONS, NORMS, POSITIONS


@dataclass(frozen=True)
class EncoderOptions:
    """The shape of the encoder; see `_sequences.StackConfig`, whose fields these are."""

    vocabulary: int = option(58101, "Rows of the token embedding.", low=8, high=10_000_000)
    width: int = option(512, "Numbers that each token is told by.", low=4, high=65536)
    layers: int = option(6, "Layers of attention and feed-forward layers, one above the other.", low=1, high=200)
    heads: int = option(8, "Attention heads of a layer.", low=1, high=512)
    hidden: int = option(2048, "Units of each feed-forward layer.", low=4, high=262144)
    head_size: int | None = option(None, "Numbers of an attention head; width / heads if unset.", low=1, high=4096)
    score_scale: float | None = option(
        None, "What scores of attention are multiplied by; head_size ** -0.5 if unset.", low=0.0, high=1.0
    )
    pre_norm: bool = option(False, "Norms stand before attention and feed-forward layers, and one at the end.")
    norm: str = option("layer", "Of mean and deviation, or of the root of squares alone.", choices=NORMS)
    epsilon: float = option(1e-5, "Added to the variance in each norm.", low=0.0, high=1e-2)
    positions: str = option("sines", "How tokens tell where they stand.", choices=POSITIONS)
    buckets: int = option(32, "Of distances, for relative positions.", low=4, high=4096)
    farthest: int = option(128, "Distance from which on all are in one bucket.", low=4, high=1_000_000)
    embedding_scale: float = option(1.0, "What embeddings are multiplied by.", low=0.0, high=1e4)
    activation: str = option("relu", "Of the feed-forward layers.", choices=ACTIVATIONS)
    gated: bool = option(False, "The feed-forward layer multiplies its units by as many gates.")
    bias: bool = option(True, "Products have biases.")
    dropout: float = option(
        0.1, "Share of numbers that is left out in training, of those that each layer adds.", low=0.0, high=0.9
    )
