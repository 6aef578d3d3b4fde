"""What contracts ask of values: that they are equal, of a declared form, plain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def is_same(one: Any, other: Any) -> bool:
    """Equal to the bit: of arrays the dtype, the shape and every value, NaN being equal to itself."""
    import numpy as np

    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        both = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        if not both or one.dtype != other.dtype or one.shape != other.shape:
            return False
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


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


def _listed(value: Any) -> Any:
    """`value` with tuples as lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {name: _listed(each) for name, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, list | tuple) else value
