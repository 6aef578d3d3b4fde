"""What a search computes at each step, on PyTorch tensors: as `keras.ops` has it, without what that adds to each call,
which is more than steps of few rows take themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

concatenate = torch.cat
where = torch.where


def arange(count: int, like: Any) -> Any:
    """0 to `count` - 1 where `like` is, of the dtype of indices."""
    return torch.arange(count, device=like.device)


def whole(numbers: Any) -> Any:
    """As int32."""
    return numbers.to(torch.int32)


def largest(numbers: Any) -> Any:
    """Of the last axis."""
    return numbers.amax(-1)


def place_of_largest(numbers: Any) -> Any:
    """On the last axis; of equal ones the first."""
    return numbers.argmax(-1)


def top_k(numbers: Any, count: int) -> tuple[Any, Any]:
    """The `count` largest numbers of the last axis, largest first, and their places."""
    values, places = numbers.topk(count)
    return values, places


def rows_of(tensor: Any, rows: Any) -> Any:
    """Some rows of the first axis."""
    return tensor.index_select(0, rows)


def along(tensor: Any, places: Any, axis: int) -> Any:
    """What stands at `places` of an axis; other axes broadcast."""
    return torch.take_along_dim(tensor, places.long(), axis)


def log_softmax(logits: Any) -> Any:
    """In memory of its own."""
    return logits.float().log_softmax(-1)


def without(likely: Any, tokens: Sequence[int], value: float) -> Any:
    """`likely` with `value` for some tokens, in its own memory."""
    return likely.index_fill_(-1, torch.tensor(tokens, device=likely.device), value)
