"""What contracts ask of values: that they are equal, of a declared form, plain."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

K = TypeVar("K", bound=Hashable)


def is_same(one: Any, other: Any) -> bool:
    """Equal to the bit: of arrays the dtype, the shape and every value, NaN being equal to itself."""
    import numpy as np

    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        both = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        if not both or one.dtype != other.dtype or one.shape != other.shape:
            return False
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if (
        is_dataclass(one) and not isinstance(one, type) and type(one) is type(other)
    ):  # whose own comparison has no answer where it holds arrays
        return all(is_same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def differences(expected: Mapping[K, np.ndarray], found: Mapping[K, np.ndarray]) -> list[str]:
    """The arrays that are not equal to the bit, by name, with the largest difference."""
    import numpy as np

    odd = []
    for key in expected.keys() | found.keys():
        one, other = expected.get(key), found.get(key)
        name = "/".join(key) if isinstance(key, tuple) else str(key)
        if one is None or other is None or one.shape != other.shape:
            odd.append(f"{name} is in one of them alone, or has another shape")
        elif not is_same(one, other):
            odd.append(f"{name} by {np.abs(one.astype(np.float64) - other).max():.2g}")
    return sorted(odd)


def tensors_problem(tensors: Any, specs: Mapping[str, Any], *, rows: int | None = None) -> str | None:
    """How named arrays differ from the TensorSpecs `specs`, with a batch axis of `rows` first where that is given."""
    import numpy as np

    if not isinstance(tensors, Mapping) or tensors.keys() != specs.keys():
        names = sorted(tensors) if isinstance(tensors, Mapping) else type(tensors).__name__
        return f"the arrays are {names}, not {sorted(specs)}"
    for name, spec in specs.items():
        array, shape = np.asarray(tensors[name]), tuple(spec.shape) if rows is None else (rows, *spec.shape)
        if (array.shape, str(array.dtype)) != (shape, spec.dtype):
            return f"{name!r} has the shape {array.shape} and type {array.dtype}, not {shape} and {spec.dtype}"
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{name!r} has values that are not finite"
    return None


def plain_problem(value: Any, most: int | None = None) -> str | None:
    """Why a value is no plain JSON value of at most so many bytes; None where it is one."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as exc:
        return f"no plain JSON value: {exc}"
    if json.loads(text) != _listed(value):
        return "another value once it was written as JSON and read again"
    return f"{len(text)} bytes of JSON; at most {most} are small" if most is not None and len(text) > most else None


def odd_assets(assets: Mapping[str, Path]) -> list[str]:
    """The names that lead to no file, or have a folder in them."""
    return [name for name, path in assets.items() if not Path(path).is_file() or Path(name).name != name]


def _listed(value: Any) -> Any:
    """`value` with tuples as lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {name: _listed(each) for name, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, list | tuple) else value


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
