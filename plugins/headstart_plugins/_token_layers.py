"""Layers that Keras does not have: positions from a table, rotary positions, and what a token may see."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class AddedPositions(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Adds to tokens (batch, time, width) the rows of a table from `first` on: learned absolute positions."""

    def __init__(self, positions: int, first: int = 0, **settings: Any) -> None:
        super().__init__(**settings)
        self.positions, self.first = positions, first

    def build(self, input_shape: Any) -> None:
        """Make the table (position, width)."""
        self.table = self.add_weight(
            name="embeddings", shape=(self.first + self.positions, input_shape[-1]), initializer="uniform"
        )

    def compute_output_spec(self, tokens: Any) -> Any:
        """See Keras, which cannot tell it on JAX where the time is open."""
        return keras.KerasTensor(tokens.shape, tokens.dtype)

    def call(self, tokens: Any) -> Any:
        """(batch, time, width) of the same dtype. Raises ValueError for more tokens than there are positions."""
        if isinstance(tokens.shape[1], int) and tokens.shape[1] > self.positions:
            raise ValueError(f"{tokens.shape[1]} tokens, and there are {self.positions} positions")
        rows = self.first + ops.arange(ops.shape(tokens)[1], dtype="int32")  # a slice cannot be exported
        return tokens + ops.cast(ops.take(self.table, rows, axis=0), tokens.dtype)

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "positions": self.positions, "first": self.first}


class Rotary(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Turns pairs of numbers of queries or keys (batch, time, head, number) by angles that grow with time: rotary
    positions (Su et al. 2021, arXiv:2104.09864), number i paired with i + half as in GPT-NeoX.

    Angles are float32 whatever the dtype of the numbers.
    """

    def __init__(self, base: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.base = base

    def compute_output_spec(self, numbers: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor(numbers.shape, numbers.dtype)

    def call(self, numbers: Any) -> Any:
        """The same shape and dtype."""
        half = numbers.shape[-1] // 2
        speed = ops.power(self.base, -ops.arange(half, dtype="float32") / half)
        angle = ops.arange(ops.shape(numbers)[1], dtype="float32")[:, None] * speed
        cosine, sine = ops.cast(ops.cos(angle), numbers.dtype), ops.cast(ops.sin(angle), numbers.dtype)
        cosine, sine = cosine[None, :, None, :], sine[None, :, None, :]
        first, second = numbers[..., :half], numbers[..., half:]
        return ops.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "base": self.base}


class Sight(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """From the mask of real tokens (batch, time) bool, which token may see which: (batch, 1, 1 or time, time) bool.

    With `causal` none that come later; with a `window` none further away than half of it. There each sees itself, what
    is no real token too: nothing reads it, and without anything to see it would be NaN, which no mask removes again.
    """

    def __init__(self, *, causal: bool = False, window: int = 0, **settings: Any) -> None:
        super().__init__(**settings)
        self.causal, self.window = causal, window

    def compute_output_spec(self, mask: Any) -> Any:
        """See Keras."""
        batch, time = mask.shape
        return keras.KerasTensor((batch, 1, time if self.causal or self.window else 1, time), "bool")

    def call(self, mask: Any) -> Any:
        """See the class."""
        seen = mask[:, None, None, :]
        if not self.causal and not self.window:
            return seen
        place = ops.arange(ops.shape(mask)[1])
        ahead = place[None, :] - place[:, None]
        if self.causal:
            seen = ops.logical_and(seen, (ahead <= 0)[None, None])
        if self.window:
            seen = ops.logical_and(seen, (ops.abs(ahead) <= self.window // 2)[None, None])
        return ops.logical_or(seen, (ahead == 0)[None, None])

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "causal": self.causal, "window": self.window}


LOWEST = -6e4
"""Below all that norms give, and within float16."""


class Pooled(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Tokens (batch, time, width) and their mask (batch, time) bool as one (batch, width): the `mean`, the `max`, the
    first (`cls`) or the `last` of the real ones.

    Means are added up in float32: hundreds of tokens are too many for half precision.
    """

    def __init__(self, pooling: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.pooling = pooling

    def compute_output_spec(self, tokens: Any, mask: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor((tokens.shape[0], tokens.shape[2]), tokens.dtype)

    def call(self, tokens: Any, mask: Any) -> Any:
        """See the class."""
        if self.pooling == "cls":
            return tokens[:, 0]
        if self.pooling == "last":  # one row of weights instead of a gather, which engines know less well
            place = ops.arange(ops.shape(mask)[1])[None]
            last = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True) - 1
            return ops.einsum("bt,btw->bw", ops.cast(place == last, tokens.dtype), tokens)
        if self.pooling == "max":
            return ops.max(ops.where(mask[:, :, None], tokens, ops.cast(LOWEST, tokens.dtype)), axis=1)
        real = ops.cast(mask, "float32")[:, :, None]
        mean = ops.sum(ops.cast(tokens, "float32") * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)
        return ops.cast(mean, tokens.dtype)

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "pooling": self.pooling}
