"""Layers that Keras does not have: positions of several kinds, and what a token may see."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
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


class Sines(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Adds positions that are not learned to tokens (batch, time, width): the sines of falling frequencies in the first
    half of the numbers, the cosines in the second, as Marian has them."""

    def compute_output_spec(self, tokens: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor(tokens.shape, tokens.dtype)

    def call(self, tokens: Any) -> Any:
        """The same shape and dtype."""
        return tokens + ops.cast(sines(ops.shape(tokens)[1], tokens.shape[-1]), tokens.dtype)


def sines(count: Any, width: int) -> Any:
    """Positions 0 to `count` - 1 as (count, width) float32, see `Sines`; of an odd width there is one sine more."""
    place = np.arange(width)
    half = width // 2 + width % 2
    speed = np.power(10000.0, -2.0 * (place % half) / width).astype(np.float32)
    angle = ops.arange(count, dtype="float32")[:, None] * ops.convert_to_tensor(speed)
    return ops.where(place < half, ops.sin(angle), ops.cos(angle))


class RelativeBias(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """T5's relative positions (Raffel et al. 2020, arXiv:1910.10683): a learned number a head for each bucket of
    distances between two tokens.

    Half of the buckets are of single distances, the others grow with the logarithm up to `farthest`. With `both` sides
    one half of them all is of keys before the query, the other of keys after it.
    """

    def __init__(self, heads: int, buckets: int, farthest: int, *, both: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.heads, self.buckets, self.farthest, self.both = heads, buckets, farthest, both

    def build(self, input_shape: Any) -> None:
        """Make the table (bucket, head)."""
        self.table = self.add_weight(name="embeddings", shape=(self.buckets, self.heads), initializer="uniform")

    def compute_output_spec(self, tokens: Any) -> Any:
        """See Keras."""
        reach = keras.KerasTensor((*tokens.shape[:2], self.heads), "float32")
        return {"behind": reach, "ahead": reach}

    def call(self, tokens: Any) -> Any:
        """From tokens (batch, time, ...): for each distance from 0 to time - 1 what a key so far `behind` a query gets,
        and one so far `ahead`: each (batch, time, head), the same in each row.

        By distance, since a row of a longer batch then begins as it would alone.
        """
        time = ops.shape(tokens)[1]
        return {
            name: ops.broadcast_to(found[None], (ops.shape(tokens)[0], time, self.heads))
            for name, found in (("behind", self.of_distances(time)), ("ahead", self.of_distances(time, ahead=True)))
        }

    def of_distances(self, count: Any, *, ahead: bool = False) -> Any:
        """What distances 0 to `count` - 1 get, (count, head) float32."""
        kept = self.buckets // 2 if self.both else self.buckets
        firsts = ops.convert_to_tensor(_first_distances(kept, self.farthest))
        bucket = ops.sum(ops.cast(ops.arange(count, dtype="int32")[:, None] >= firsts, "int32"), axis=1)
        if ahead:  # without room for them, keys ahead are as near as can be; a decoder sees none
            bucket = ops.where(bucket > 0, bucket + kept, 0) if self.both else ops.zeros_like(bucket)
        return ops.take(ops.convert_to_tensor(self.table), bucket, axis=0)

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        own = {"heads": self.heads, "buckets": self.buckets, "farthest": self.farthest, "both": self.both}
        return {**super().get_config(), **own}


def _first_distances(buckets: int, farthest: int) -> np.ndarray:
    """The distance from which on each bucket but the first is taken, (bucket - 1,) int32; as T5 has it, in float32."""
    distance, single = np.arange(farthest + 1), buckets // 2
    far = np.log(np.maximum(distance, 1).astype(np.float32) / single) / math.log(farthest / single) * (buckets - single)
    bucket = np.where(distance < single, distance, np.minimum(single + far.astype(np.int64), buckets - 1))
    return np.searchsorted(bucket, np.arange(1, buckets)).astype(np.int32)


class Scores(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """From what distances get, `behind` and `ahead` (batch, time, head), and the mask of tokens (batch, time) bool what
    scores of attention get, (batch, head, query, key) float32; far below all others where a key is not to be seen."""

    def __init__(self, *, causal: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.causal = causal

    def compute_output_spec(self, behind: Any, ahead: Any, mask: Any = None) -> Any:
        """See Keras."""
        batch, time, heads = behind.shape
        return keras.KerasTensor((batch, heads, time, time), "float32")

    def call(self, behind: Any, ahead: Any, mask: Any = None) -> Any:
        """See the class."""
        time = ops.shape(behind)[1]
        place = ops.arange(time, dtype="int32")
        apart = place[:, None] - place[None, :]  # how far the key is behind the query
        by_head = [ops.transpose(each, (0, 2, 1)) for each in (behind, ahead)]
        near = [ops.take(each, ops.maximum(way, 0), axis=2) for each, way in zip(by_head, (apart, -apart), strict=True)]
        found = ops.where(apart >= 0, *near)
        if self.causal:
            found = ops.where(apart >= 0, found, LOWEST)
        return found if mask is None else ops.where(mask[:, None, None, :], found, LOWEST)

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "causal": self.causal}


class AddedBias(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Adds a learned number a channel, at first 0."""

    def build(self, input_shape: Any) -> None:
        """Make the numbers (channel,)."""
        self.bias = self.add_weight(name="bias", shape=(input_shape[-1],), initializer="zeros")

    def compute_output_spec(self, numbers: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor(numbers.shape, numbers.dtype)

    def call(self, numbers: Any) -> Any:
        """(..., channel), of the same dtype."""
        return numbers + ops.cast(self.bias, numbers.dtype)


class Multiplied(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Multiplies by a number."""

    def __init__(self, by: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.by = by

    def compute_output_spec(self, numbers: Any) -> Any:
        """See Keras."""
        return keras.KerasTensor(numbers.shape, numbers.dtype)

    def call(self, numbers: Any) -> Any:
        """The same shape and dtype."""
        return numbers * self.by

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), "by": self.by}
