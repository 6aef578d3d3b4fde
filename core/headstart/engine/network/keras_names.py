"""Keras' own names for what nobody named: recognised, and replaced by names that do not depend on the process."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import keras

UNNAMED = "variable"
"""What Keras calls a weight that nobody named, with a number from the second one on."""
_UNNAMED = re.compile(rf"{UNNAMED}(?:_(\d+))?")


def kind_of(operation: Any) -> str:
    """The stem of the names that Keras makes for an unnamed operation, as in `batch_normalization`."""
    name = re.sub(r"\W+", "", type(operation).__name__)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def own_number(operation: Any) -> int | None:
    """The number that Keras gave an unnamed operation (0 where it wrote none); None for a given name."""
    match = re.fullmatch(re.escape(kind_of(operation)) + r"(?:_(\d+))?", operation.name)
    return int(match[1] or 0) if match else None


def stable_paths(layer: keras.Layer, paths: Sequence[str]) -> tuple[str, ...]:
    """`paths` of the weights inside a composite `layer`, such as `mlp/dense_7/kernel`, without Keras' counters.

    A sublayer that Keras numbered itself gets its place among its kind below the same parent: `dense` for the first,
    `dense_1` for the next; so does a weight that nobody named, such as the scale of a ConvNeXt block: `variable`.
    Counters only grow, so that order is the order of making.
    """
    inside = layer._flatten_layers(include_self=False)
    numbers = {sub.name: (kind_of(sub), number) for sub in inside if (number := own_number(sub)) is not None}
    numbers |= {
        name: (UNNAMED, int(match[1] or 0))
        for name in {path.rpartition("/")[2] for path in paths}
        if (match := _UNNAMED.fullmatch(name))
    }
    ranks = _ranks(paths, numbers)
    return tuple(_renamed(path, numbers, ranks) for path in paths)


def _ranks(paths: Sequence[str], numbers: Mapping[str, tuple[str, int]]) -> dict[tuple[str, str], int]:
    """The place of each numbered segment among its kind, by (parent path, segment)."""
    siblings: dict[tuple[str, str], set[tuple[int, str]]] = defaultdict(set)
    for path in paths:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            if part in numbers:
                kind, number = numbers[part]
                siblings["/".join(parts[:depth]), kind].add((number, part))
    return {
        (parent, part): rank for (parent, _), found in siblings.items() for rank, (_, part) in enumerate(sorted(found))
    }


def _renamed(path: str, numbers: Mapping[str, tuple[str, int]], ranks: Mapping[tuple[str, str], int]) -> str:
    parts, renamed = path.split("/"), []
    for depth, part in enumerate(parts):
        rank = ranks.get(("/".join(parts[:depth]), part))
        kind = numbers[part][0] if rank is not None else part
        renamed.append(f"{kind}_{rank}" if rank else kind)
    return "/".join(renamed)
