"""The first weights of a decoder, of those that one for another vocabulary has learned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.errors import DataError
from headstart.specs import TakenOver
from headstart_plugins.translation._vocabulary import Vocabulary


def take_over(
    other: Vocabulary,
    own: Vocabulary,
    learned: Mapping[str, np.ndarray],
    first: Mapping[str, np.ndarray],
    *,
    rows: tuple[int, int],
) -> TakenOver:
    """All arrays as they were `learned`; of those with an axis of pieces the rows of the pieces that both know, and for
    another piece the mean of those that the other vocabulary spells it with, or what it has at `first`. That axis has
    so many `rows` there and here, no fewer than there are pieces.

    Raises DataError naming two shapes that do not fit: only the vocabulary may differ.
    """
    places = {piece: place for place, piece in enumerate(other.pieces)}
    kept = [piece for piece in own.pieces if piece in places]
    added = [piece for piece in own.pieces if piece not in places]
    spelled = [_spelled(other, piece) for piece in own.pieces]
    known = {*own.pieces}
    arrays = {}
    for name, array in first.items():
        given = learned.get(name)
        if given is not None and given.shape == array.shape and list(own.pieces) == list(other.pieces):
            arrays[name] = given
            continue
        axis = None if given is None or given.ndim != array.ndim else _axis(given, array, *rows)
        if given is not None and axis is None and given.shape == array.shape:
            arrays[name] = given
            continue
        if given is None or axis is None:
            raise DataError(
                f"{name} of the other run's decoder has the shape {None if given is None else given.shape}, this "
                f"one's has {array.shape}",
                hint="both need the same layers, and features of the same width: leave --head-from out for a new "
                "decoder, or name the run's own --backbone",
            )
        begun, taken = np.moveaxis(array, axis, 0).copy(), np.moveaxis(given, axis, 0)
        for place, piece in enumerate(own.pieces):
            if piece in places:
                begun[place] = taken[places[piece]]
            elif spelled[place]:
                begun[place] = taken[spelled[place]].mean(axis=0)
        arrays[name] = np.ascontiguousarray(np.moveaxis(begun, 0, axis))
    left_out = [piece for piece in other.pieces if piece not in known]
    return TakenOver(arrays, kept, added, left_out)


def _axis(given: np.ndarray, array: np.ndarray, before: int, now: int) -> int | None:
    """The axis of pieces, where two arrays differ along one alone; None where there is none."""
    for axis in range(array.ndim):
        rest = [place for place in range(array.ndim) if place != axis]
        same = all(given.shape[place] == array.shape[place] for place in rest)
        if same and (given.shape[axis], array.shape[axis]) == (before, now):
            return axis
    return None


def _spelled(other: Vocabulary, piece: str) -> list[int]:
    """The ids by which another vocabulary spells a piece; none where it lacks a letter."""
    if piece.startswith("<") and piece.endswith(">"):
        return []
    (ids,) = other.encode([piece.replace("▁", " ").strip()])
    if not piece.startswith("▁") and ids and other.pieces[ids[0]] == "▁":
        ids = ids[1:]
    return [] if any(other.pieces[each] == "<unk>" for each in ids) else ids
