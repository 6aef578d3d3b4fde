"""What is wrong with a draw, or with a sample that it was applied to, in words for its author."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from headstart.host.guard import describe
from headstart.specs import Augmentation, Colour, ColourName, Erased, Mix, Transform
from headstart.testing.augmentations.drawing import Draw

FLAT = 1e-3
"""Share of the sample's area below which a draw leaves nothing to see."""
STRENGTHS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("brightness", "contrast", "saturation", "sharpness"), (0.0, math.inf)),
    "hue": (-0.5, 0.5),
    "posterize": (1.0, 8.0),
    "solarize": (0.0, 256.0),
}
INVERTING = ("invert", "solarize")


def draw_problem(augmentation: Augmentation, draw: Draw) -> str | None:
    """Why this draw gives no sound transform; None where it does."""
    try:
        drawn = augmentation.draw(*draw)
    except Exception as exc:  # of the author's code
        return f"draw{draw} raises {describe(exc)}"
    problem = next(_problems(drawn), None) if isinstance(drawn, Transform) else "that is no Transform"
    return f"draw{draw} gives {drawn}: {problem}" if problem else None


def _problems(drawn: Transform) -> Iterator[str]:
    if problem := _matrix_problem(drawn):
        yield problem
    for name, kind, found in (("colours", Colour, drawn.colours), ("erased", Erased, drawn.erased)):
        if not isinstance(found, tuple) or not all(isinstance(each, kind) for each in found):
            yield f"`{name}` is no tuple of {kind.__name__}"
            return
    yield from (problem for each in drawn.colours if (problem := _colour_problem(each)))
    yield from (problem for each in drawn.erased if (problem := _erased_problem(each)))
    if drawn.mix is not None and (problem := _mix_problem(drawn.mix)):
        yield problem


def _matrix_problem(drawn: Transform) -> str | None:
    rows = drawn.matrix
    if len(rows) != 3 or any(len(row) != 3 for row in rows):
        return "the matrix is not (3, 3)"
    if not _are_numbers(value for row in rows for value in row):
        return "not all of its values are finite numbers"
    if tuple(rows[2]) != (0, 0, 1):
        return "the last row is not (0, 0, 1)"
    return "it flattens the sample to a line or a point" if abs(determinant(rows)) < FLAT else None


def _colour_problem(colour: Colour) -> str | None:
    if colour.name not in get_args(ColourName):
        return f"there is no colour {colour.name!r}; expected {', '.join(get_args(ColourName))}"
    low, high = STRENGTHS.get(colour.name, (-math.inf, math.inf))
    if not _are_numbers((colour.strength,)) or not low <= colour.strength <= high:
        return f"the strength of {colour.name} is {colour.strength}; expected a number from {low:g} to {high:g}"
    return None


def _erased_problem(erased: Erased) -> str | None:
    if erased.fill not in ("mean", "noise"):
        return f"it erases with {erased.fill!r}; expected mean or noise"
    if not isinstance(erased.seed, int) or not 0 <= erased.seed <= 2**53:
        return f"the seed of noise is {erased.seed}; expected a whole number from 0 to 2**53"
    return _box_problem(erased.box)


def _mix_problem(mix: Any) -> str | None:
    if not isinstance(mix, Mix):
        return "`mix` is no Mix"
    if not _are_numbers((mix.partner, mix.share)) or not (0 <= mix.partner < 1 and 0 <= mix.share <= 1):
        return f"it mixes with partner {mix.partner} and share {mix.share}; expected [0, 1) and [0, 1]"
    return None if mix.box is None else _box_problem(mix.box)


def _box_problem(box: Any) -> str | None:
    if len(box) == 4 and _are_numbers(box) and box[0] <= box[2] and box[1] <= box[3]:
        return None
    return f"the box is {box}; expected left <= right and top <= bottom as left, top, right, bottom"


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, float | int) and math.isfinite(value) for value in values)


def determinant(matrix: Any) -> float:
    """Of the upper left 2 x 2 part: negative where a sample is mirrored."""
    return float(matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0])


def forbidden(drawn: Transform) -> tuple[str, str] | None:
    """What a draw does that not every dataset's labels survive, and the symmetry that would allow it."""
    if determinant(drawn.matrix) < 0:
        return f"mirrors the sample: {drawn.matrix}", "horizontal_flip"
    if drawn.matrix[0][0] + drawn.matrix[1][1] < 0:
        return f"turns the sample by more than 90 degrees: {drawn.matrix}", "rotation"
    if inverting := [colour for colour in drawn.colours if colour.name in INVERTING]:
        return f"inverts values: {inverting[0]}", "colour_inversion"
    return None


def array_problem(before: Any, after: Any, drawn: Transform) -> str | None:
    """How an array varied by `drawn` differs from the sample's in kind.

    Range: what is interpolated lies between what was there; whole numbers may be rounded by one. What changes values
    may leave it, and whatever else is in range of the type.
    """
    import numpy as np

    if problem := form_problem(before, after):
        return problem
    if before.dtype.kind == "f" and not np.isfinite(after).all():
        return "has values that are not finite"
    slack = 1.0 if before.dtype.kind in "iu" else 1e-3 * float(before.max() - before.min())
    low, high = float(after.min()), float(after.max())
    only_moved = not (drawn.colours or drawn.erased)
    if only_moved and not (float(before.min()) - slack <= low and high <= float(before.max()) + slack):
        return f"has values from {low:g} to {high:g}, where the sample has {before.min():g} to {before.max():g}"
    return "leaves nothing of it: every value is the same" if _is_plain(after) and not _is_plain(before) else None


def _is_plain(array: Any) -> bool:
    """Whether nothing is to be seen: one value, or one for each of the last axis, as a picture of one colour has."""
    first = array.reshape(-1, array.shape[-1])[0] if array.ndim > 1 else array[0]
    return bool((array == first).all())


def form_problem(before: Any, after: Any) -> str | None:
    """How an array differs from the sample's in shape or type."""
    if (after.shape, after.dtype) != (before.shape, before.dtype):
        return f"has the shape {after.shape} and type {after.dtype}, not {before.shape} and {before.dtype}"
    return None


def mixed_problem(own: Any, partner: Any, after: Any, share: float) -> str | None:
    """How an array that was mixed of two is no mixture of them, of which `share` is the first's.

    Each value lies between the two, and their mean is moved by the share: both within rounding.
    """
    import numpy as np

    if problem := form_problem(own, after):
        return problem
    first, second, found = (np.asarray(each, np.float64) for each in (own, partner, after))
    slack = 1.0 if own.dtype.kind in "iub" else 1e-3 * float(np.ptp([first, second]))
    if (found < np.minimum(first, second) - slack).any() or (found > np.maximum(first, second) + slack).any():
        return "has values that are not between those of the two samples"
    if share == 1.0 and np.abs(found - first).max() > slack:
        return "differs from the sample where all of it is to be its own"
    return None
