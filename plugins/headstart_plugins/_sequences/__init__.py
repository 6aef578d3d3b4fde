"""Sequences of tokens read and written by transformers: encoders as backbones, decoders as heads, and how a task trains
such a head and generates from it. For plugins whose answer is a sequence; knows no field, and is no plugin.

A task composes, with a `DecoderConfig` that says what its head is:

- `decoder.decoder(config, features, seed)`: the head, a Functional model from "tokens" (batch, time, channel), their
  mask "tokens.mask" where there is one, and "previous" (batch, most) int32 to "logits" (batch, most, vocabulary);
- `lengths_up_to(most)` for `Trims` and `TrimsTargets`, `targets.teacher_inputs(next_tokens, start)` for `FeedsTargets`,
  and `targets.loss_by_mean_length(...)` for `Task.loss`;
- `decoding.start(config, head, features, most=...)` and `decoding.step(...)` for `Generates`.

`encoder.encoder_stages(config)` are the stages of a backbone that reads tokens, `stages` what they are called and give;
`layers` has what Keras lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu")
NORMS = ("layer", "rms")
POSITIONS = ("sines", "table", "relative", "none")
SHORTEST = 16
"""Tokens of the smallest length that a batch is cut to where lengths are static."""


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """The shape of an encoder, and what it shares with a decoder: a stack of transformer layers on embedded tokens.

    With the defaults it is that of Vaswani et al. (2017, arXiv:1706.03762) as Marian builds it: norms after each sum,
    sines as positions. Norms before attention and feed-forward layers (`pre_norm`) come with one at the end.

    - `head_size` are the numbers of an attention head, None: `width` / `heads`; `score_scale` is what products of
      queries and keys are multiplied by, None: `head_size` ** -0.5 (T5: 1).
    - `positions`: "sines" and "table" (of `most_positions` rows from `first_position` on) are added to the embeddings,
      which are multiplied by `embedding_scale` before; "relative" are T5's: scores of self-attention get a learned
      number for how far apart two tokens are, in `buckets` of distances that grow up to `farthest`, the same in all
      layers.
    - `gated`: the feed-forward layer multiplies its activated units by as many others (T5 v1.1).
    - `bias` is that of all products, `key_bias` that of keys where the others have one (Whisper: none).
    - `dropout` acts on embeddings and on what is added to them, `hidden_dropout` on units of feed-forward layers; in
      training alone. That of attention weights is left out, as fused attention does.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    head_size: int | None = None
    score_scale: float | None = None
    pre_norm: bool = False
    norm: str = "layer"
    epsilon: float = 1e-5
    positions: str = "sines"
    most_positions: int = 512
    first_position: int = 0
    buckets: int = 32
    farthest: int = 128
    embedding_scale: float = 1.0
    activation: str = "relu"
    gated: bool = False
    bias: bool = True
    key_bias: bool = True
    dropout: float = 0.0
    hidden_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a choice that is not known, and where heads cannot share the width."""
        for name, known in (("activation", ACTIVATIONS), ("norm", NORMS), ("positions", POSITIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r}; known are {', '.join(known)}")
        if self.head_size is None and self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")

    @property
    def size(self) -> int:
        """Numbers of an attention head."""
        return self.head_size or self.width // self.heads

    @property
    def scale(self) -> float:
        """What scores of attention are multiplied by."""
        return float(self.size**-0.5 if self.score_scale is None else self.score_scale)


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(StackConfig):
    """The shape of a decoder: that of its stack, and how its last numbers become logits.

    `tied`: by the table of embeddings, else by one of their own; they are multiplied by `logits_scale` before (T5,
    tied: `width` ** -0.5). `logits_bias`: Marian's, a number a token.
    """

    tied: bool = True
    logits_scale: float = 1.0
    logits_bias: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> DecoderConfig:
        """What `asdict` gave, whatever another version says besides. Raises TypeError and ValueError where it is not
        whole."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in document.items() if name in known})


def lengths_up_to(most: int) -> tuple[int, ...]:
    """The few lengths that texts of up to `most` tokens are cut to: doubled from SHORTEST on."""
    return (*(SHORTEST << power for power in range(16) if SHORTEST << power < most), most)
