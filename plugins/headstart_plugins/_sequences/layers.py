"""Layers that Keras does not have: positions as sines and as learned distances, and what scores of attention get."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from headstart_plugins._token_layers import LOWEST


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
        return keras.KerasTensor((*tokens.shape[:2], 2 * self.heads), "float32")

    def call(self, tokens: Any) -> Any:
        """From tokens (batch, time, ...): for each distance from 0 to time - 1 what a key so far behind a query gets,
        and beside it one so far ahead: (batch, time, 2 head), the same in each row.

        By distance, since a row of a longer batch then begins as it would alone.
        """
        batch, time = ops.shape(tokens)[:2]
        found = ops.concatenate([self.of_distances(time), self.of_distances(time, ahead=True)], axis=1)
        return ops.broadcast_to(found[None], (batch, time, 2 * self.heads))

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
    """From what distances get, (batch, time, 2 head), see `RelativeBias`, and the mask of tokens (batch, time) bool
    what scores of attention get, (batch, head, query, key) float32; far below all others where a key is not to be
    seen."""

    def __init__(self, *, causal: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.causal = causal

    def compute_output_spec(self, reach: Any, mask: Any = None) -> Any:
        """See Keras."""
        batch, time, both = reach.shape
        return keras.KerasTensor((batch, both // 2, time, time), "float32")

    def call(self, reach: Any, mask: Any = None) -> Any:
        """See the class."""
        time, heads = ops.shape(reach)[1], reach.shape[2] // 2
        place = ops.arange(time, dtype="int32")
        apart = place[:, None] - place[None, :]  # how far the key is behind the query
        by_head = ops.transpose(reach, (0, 2, 1))
        found = ops.take(by_head[:, :heads], ops.maximum(apart, 0), axis=2)
        if self.causal:
            found = ops.where(apart >= 0, found, LOWEST)
        else:
            found = ops.where(apart >= 0, found, ops.take(by_head[:, heads:], ops.maximum(-apart, 0), axis=2))
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
