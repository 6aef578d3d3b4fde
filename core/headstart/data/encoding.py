"""Encoded targets: values read and encoded block by block, kept as samples and features are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from headstart.data.array_store import Append, ArrayStore
from headstart.specs import Facts, TensorSpec

BLOCK = 256
"""Rows that are encoded at once."""

Encode: TypeAlias = Callable[[Sequence[Any], Sequence[Facts], Sequence[str]], Mapping[str, np.ndarray]]
"""Values, facts and keys of some rows to (row, ...) arrays by name, as `Task.encode`."""


def encode_targets(
    encode: Encode,
    specs: Mapping[str, TensorSpec],
    *,
    values: Sequence[Any],
    facts: Sequence[Facts],
    keys: Sequence[str],
    store: ArrayStore,
) -> dict[str, np.ndarray]:
    """The encoded targets of rows, (row, ...) by name, as `specs` say: in memory while small, in files when large.

    `values`, `facts` and `keys` are parallel, by row; `values` may read each when it is asked for. Only BLOCK rows are
    held beside the arrays. Raises ValueError where `encode` gives other names, shapes or dtypes than `specs`.
    """

    def fill(append: Append) -> None:
        append({name: np.empty((0, *spec.shape), spec.dtype) for name, spec in specs.items()})
        for start in range(0, len(keys), BLOCK):
            rows = slice(start, start + BLOCK)
            found = encode(list(values[rows]), facts[rows], keys[rows])  # each value is read once
            if found.keys() != specs.keys():
                raise ValueError(f"encoded targets are {sorted(found)}; expected {sorted(specs)}")
            append(found)

    return store.keep(fill)
