"""What a search computes at each step, as its program is traced; see `headstart.engine.torch.arithmetic`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax, nn

concatenate = jnp.concatenate
where = jnp.where


def arange(count: int, like: Any) -> Any:
    """0 to `count` - 1, of the dtype of indices."""
    return jnp.arange(count, dtype="int32")


def whole(numbers: Any) -> Any:
    """As int32."""
    return numbers.astype("int32")


def largest(numbers: Any) -> Any:
    """Of the last axis."""
    return numbers.max(-1)


def place_of_largest(numbers: Any) -> Any:
    """On the last axis; of equal ones the first."""
    return numbers.argmax(-1).astype("int32")


def top_k(numbers: Any, count: int) -> tuple[Any, Any]:
    """The `count` largest numbers of the last axis, largest first, and their places."""
    values, places = lax.top_k(numbers, count)
    return values, places


def rows_of(tensor: Any, rows: Any) -> Any:
    """Some rows of the first axis."""
    return jnp.take(tensor, rows, axis=0)


def along(tensor: Any, places: Any, axis: int) -> Any:
    """What stands at `places` of an axis; other axes broadcast."""
    return jnp.take_along_axis(tensor, places, axis=axis)


def log_softmax(logits: Any) -> Any:
    """In float32."""
    return nn.log_softmax(logits.astype("float32"))


def without(likely: Any, tokens: Sequence[int], value: float) -> Any:
    """`likely` with `value`, an infinite one, for some tokens."""
    added = np.zeros(likely.shape[-1], np.float32)
    added[list(tokens)] = value
    return likely + added
