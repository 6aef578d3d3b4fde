"""What a transformer is built from, as plain values: all that `config.json` and the files beside it say."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.options import option

ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu")
POOLINGS = ("mean", "cls", "max", "last", "pooler")


@dataclass(frozen=True)
class TransformerOptions:
    """The shape of the network, and how its tokens are pooled."""

    vocabulary: int = option(30522, "Rows of the token embedding.", low=8, high=10_000_000)
    width: int = option(384, "Numbers that each token is told by.", low=4, high=65536)
    blocks: int = option(6, "Blocks of attention and feed-forward layers, one above the other.", low=1, high=200)
    heads: int = option(12, "Attention heads of a block.", low=1, high=512)
    hidden: int = option(1536, "Units of each feed-forward layer.", low=4, high=262144)
    positions: int = option(512, "Most tokens that there are positions for.", low=8, high=1_000_000)
    first_position: int = option(0, "The row of the first token in the table of positions.", low=0, high=16)
    types: int = option(2, "Rows of the embedding of token types; 0: there is none.", low=0, high=1024)
    activation: str = option("gelu", "Of the feed-forward layers.", choices=ACTIVATIONS)
    epsilon: float = option(1e-12, "Added to the variance in each norm.", low=0.0, high=1e-2)
    pre_norm: bool = option(False, "Norms stand before attention and feed-forward layers, and one at the end.")
    causal: bool = option(False, "A token sees those before it alone.")
    bias: bool = option(True, "Layers and norms have biases.")
    gated: bool = option(False, "The feed-forward layer multiplies its units by as many gates.")
    rotary: float = option(0.0, "Base of rotary positions, in place of a table; 0: none.", low=0.0, high=1e9)
    local_rotary: float = option(0.0, "The same for blocks of local attention.", low=0.0, high=1e9)
    local_window: int = option(0, "Tokens around its own that local attention sees; 0: all see all.", low=0, high=65536)
    global_every: int = option(1, "Every so many blocks one sees all tokens, the lowest first.", low=1, high=200)
    pooling: str = option(
        "mean", "What of the tokens is pooled; pooler: the first, through BERT's layer with tanh.", choices=POOLINGS
    )
    normalise: bool = option(False, "The pooled features are brought to length 1.")

    def __post_init__(self) -> None:
        """Raise ValueError where heads cannot share the width."""
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if self.rotary and self.width // self.heads % 2:
            raise ValueError(f"rotary positions turn pairs, and a head has {self.width // self.heads} numbers")
