"""Gradients of a few rows of a large table, and Adam's update of those rows alone.

The gradient of looked up rows is zero elsewhere, and so are the moments of rows that no batch has met yet: nothing but
decay moves them. PyTorch gives such gradients as sparse tensors; the numbers are those of the dense update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

FEW = 0.25
"""The share of rows, met so far, up to which gathering them is faster than going through the table."""


def gathered(gradients: Sequence[Any]) -> list[Any]:
    """Gradients, each row of a sparse one once."""
    return [each.coalesce() if each.is_sparse else each for each in gradients]


def numbers_of(tensors: Sequence[Any]) -> list[Any]:
    """What is not zero by itself: the stored rows of sparse tensors, others as they are."""
    return [each.values() if each.is_sparse else each for each in tensors]


def dense(gradients: Sequence[Any]) -> list[Any]:
    """Gradients with all their rows."""
    return [each.to_dense() if each.is_sparse else each for each in gradients]


def added(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """Sums of gradients; sparse where both are."""
    if not any(each.is_sparse for each in (*one, *other)):
        return list(torch._foreach_add(list(one), list(other)))
    # PyTorch adds a sparse tensor to a dense one, not the other way round.
    pairs = ((yours, mine) if mine.is_sparse else (mine, yours) for mine, yours in zip(one, other, strict=True))
    return gathered([left + right for left, right in pairs])


class Rows(NamedTuple):
    """A weight (row, ...), its moments and its gradient, each of that shape; or the rows at `places` of larger ones."""

    value: Any
    first: Any
    second: Any
    gradient: Any
    places: Any | None = None

    def put_into(self, whole: Rows) -> None:
        """Write weights and moments back where they were taken from."""
        if self.places is not None:
            for table, own in zip(whole[:3], self[:3], strict=True):
                table.index_copy_(0, self.places, own)


def met_before(whole: Rows) -> Any:
    """(row,) bool: rows that a batch had, as their moments tell, which are not zero."""
    axes = tuple(range(1, whole.value.ndim))
    first, second = (torch.linalg.vector_norm(each, float("inf"), dim=axes) > 0 for each in (whole.first, whole.second))
    return first | second


def chosen(whole: Rows, met: Any) -> Rows:
    """What the update of a table with a sparse gradient concerns: copies of the rows met, all of it where they are too
    many. `met` (row,) bool learns of new ones.

    Looked up rows that nothing flows to, as of padding, are not met. Moments do not tell of them either, and the kernel
    rounds the last few numbers of a tensor in its own way: a loop that is set up anew must choose the same rows to come
    to the same bits.
    """
    rows, flow = whole.gradient.indices()[0], whole.gradient.values()
    real = flow.flatten(1).any(dim=1)
    rows, flow = rows[real], flow[real]
    met[rows] = True
    places = met.nonzero()[:, 0]
    if len(places) > FEW * len(met):
        return whole._replace(gradient=whole.gradient.to_dense())
    value, first, second = (each.index_select(0, places) for each in whole[:3])
    gradient = torch.zeros_like(value)
    gradient[torch.searchsorted(places, rows)] = flow
    return Rows(value, first, second, gradient, places)
