"""The linear head on frozen features: ridge regressions along a path of strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.engine.linear.pca import EigenBasis, eigenbasis_of
from headstart.engine.linear.ridge import ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.specs import Solved

if TYPE_CHECKING:
    from headstart.specs.tasks import Batch

RIDGE = "ridge"
VALUE = "value"


def solve_heads(rows: Rows, strengths: Sequence[float]) -> Iterator[Solved]:
    """The ridge regression of each strength, strongest first: all from one eigendecomposition."""
    spectrum = eigenbasis_of(rows, _values)
    for strength in sorted(set(strengths), reverse=True):
        yield _solved(spectrum, strength)


def solve_again(rows: Rows, solved: Solved) -> Solved:
    """The same strength on other rows."""
    return _solved(eigenbasis_of(rows, _values), solved.strength)


def _values(targets: Batch) -> np.ndarray:
    return targets["number"].astype(np.float64)[:, None]


def _solved(spectrum: EigenBasis, strength: float) -> Solved:
    kernel, bias = spectrum.fold(ridge_weights(spectrum, strength), spectrum.target_mean)
    return Solved(RIDGE, strength, {"kernel": kernel, "bias": bias}, VALUE)
