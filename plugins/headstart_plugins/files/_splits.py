"""The names people give to the sides of a split."""

from __future__ import annotations

from collections.abc import Mapping

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""Accepted name, in lower case -> ours."""
