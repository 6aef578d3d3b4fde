"""What is wrong with a draw, or with a sample that it was applied to, in words for its author."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.host.guard import describe
from headstart.specs import Augmentation, Change, Drawn, InputKind, JudgesChanges, Mix, MixesSamples
from headstart.testing.augmentations.drawing import Draw

if TYPE_CHECKING:
    import numpy as np


def draw_problem(augmentation: Augmentation, draw: Draw, declared: Collection[str]) -> str | None:
    """Why this draw has no sound form, `declared` being the changes that its spec names; None where it has."""
    try:
        drawn = augmentation.draw(*draw)
    except Exception as exc:  # of the author's code
        return f"draw{draw} raises {describe(exc)}"
    problem = next(_form_problems(drawn, declared), None) if isinstance(drawn, Drawn) else "that is no Drawn"
    return f"draw{draw} gives {drawn}: {problem}" if problem else None


def _form_problems(drawn: Drawn, declared: Collection[str]) -> Iterator[str]:
    if not isinstance(drawn.changes, tuple) or not all(isinstance(each, Change) for each in drawn.changes):
        yield "`changes` is no tuple of Change"
        return
    if other := [change.name for change in drawn.changes if change.name not in declared]:
        yield f"{other[0]!r} is not among the `draws` of its spec, {sorted(declared)}"
    if drawn.mix is not None and (problem := _mix_problem(drawn.mix)):
        yield problem


def _mix_problem(mix: Any) -> str | None:
    if not isinstance(mix, Mix):
        return "`mix` is no Mix"
    if not _are_numbers((mix.partner, mix.share)) or not (0 <= mix.partner < 1 and 0 <= mix.share <= 1):
        return f"it mixes with partner {mix.partner} and share {mix.share}; expected [0, 1) and [0, 1]"
    return None


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, float | int) and math.isfinite(value) for value in values)


def refusal(drawn: Drawn, kind: InputKind, sample: Mapping[str, np.ndarray]) -> str | None:
    """What the input kind says where it cannot apply a draw to a sample; None where it can."""
    try:
        kind.transform({name: array.copy() for name, array in sample.items()}, drawn.changes)
        if drawn.mix is not None and isinstance(kind, MixesSamples):
            kind.own_share(drawn.mix)
    except HeadstartError as exc:
        return exc.message
    except Exception as exc:  # of the kind's author, or of a value that it does not expect
        return f"applying it raises {describe(exc)}"
    return None


def forbidden(drawn: Drawn, kind: InputKind) -> tuple[str, str] | None:
    """What a draw does that not every dataset's labels survive, and the symmetry that would allow it; None where it
    does no such thing, or the input kind cannot tell."""
    found = kind.symmetries(drawn.changes) if isinstance(kind, JudgesChanges) else {}
    return next(((what, symmetry) for symmetry, what in found.items()), None)


def array_problem(before: Any, after: Any, *, only_moved: bool) -> str | None:
    """How an array that was varied differs from the sample's in kind.

    Range: what is only moved and interpolated lies between what was there; whole numbers may be rounded by one. What
    changes values may leave it, and whatever else is in range of the type.
    """
    import numpy as np

    if problem := form_problem(before, after):
        return problem
    if before.dtype.kind == "f" and not np.isfinite(after).all():
        return "has values that are not finite"
    slack = 1.0 if before.dtype.kind in "iu" else 1e-3 * float(before.max() - before.min())
    low, high = float(after.min()), float(after.max())
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
