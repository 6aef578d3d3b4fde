"""Features along their principal axes: the one decomposition that transfer scores are computed from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from headstart.errors import DataError

BLOCK = 4096
"""Records whose float64 copy is held at a time. It is fixed, so that sums are the same to the bit."""
PRINCIPAL = 64
"""Principal axes of the covariance that scores look at who look at few."""


@dataclass(frozen=True)
class Spectrum:
    """n records' features F (record, channel) = U S V', as they are, not centred.

    `energies` (axis,) float64 are the squares of the singular values, falling, all above what rounding makes; `along`
    (record, axis) float64 is F V = U S; `mean` (axis,) that of its rows. `channels` are those of the features. As
    `along' along` is diagonal, everything that is a function of the covariance is one of a diagonal matrix less one of
    rank one.
    """

    energies: np.ndarray
    along: np.ndarray
    mean: np.ndarray
    channels: int

    @property
    def count(self) -> int:
        """Records."""
        return len(self.along)

    @property
    def scatter(self) -> float:
        """The sum over records of the squared distance to their mean."""
        return max(float(self.energies.sum() - self.count * (self.mean @ self.mean)), 0.0)

    @property
    def is_constant(self) -> bool:
        """True where all records have the same features, up to rounding of float32."""
        largest = float(self.energies[0]) if len(self.energies) else 0.0
        return bool(self.scatter <= self.count * np.finfo(np.float32).eps ** 2 * largest)

    @cached_property
    def principal(self) -> np.ndarray:
        """The records less their mean along the PRINCIPAL leading axes of the covariance, or all of them where they are
        fewer: (record, axis) float64."""
        axes, turned = len(self.energies), self.energies / self.count
        if axes <= 2 * PRINCIPAL:
            values, vectors = np.linalg.eigh(np.diag(turned) - np.outer(self.mean, self.mean))
        else:
            whole = LinearOperator((axes, axes), lambda x: turned * x - self.mean * (self.mean @ x), dtype=np.float64)
            values, vectors = eigsh(whole, PRINCIPAL, which="LA", v0=np.ones(axes), tol=1e-10)
        kept = np.argsort(values)[::-1][:PRINCIPAL]
        kept = kept[values[kept] > np.finfo(np.float64).eps * axes * values.max()]
        found: np.ndarray = self.centred() @ vectors[:, kept]
        return found

    def centred(self) -> np.ndarray:
        """`along` less its mean (record, axis)."""
        gaps: np.ndarray = self.along - self.mean
        return gaps


def spectrum_of(features: np.ndarray) -> Spectrum:
    """Decompose features (record, channel) float32: one eigendecomposition of min(records, channels) squared, in
    float64.

    With more records than channels, F'F is summed over blocks; else F F' is decomposed, which has the same eigenvalues.
    Memory beside `features` is records x min(records, channels) numbers. Raises DataError where they are not finite, or
    all zero.
    """
    records, channels = features.shape
    rows = range(0, records, BLOCK)
    if not all(np.isfinite(features[start : start + BLOCK]).all() for start in rows):
        raise DataError("its features hold a NaN or an infinity")
    if records > channels:
        gram = np.zeros((channels, channels))
        for block in _blocks(features):
            gram += block.T @ block
    else:
        whole = features.astype(np.float64)
        gram = whole @ whole.T
    values, vectors = np.linalg.eigh(gram)
    kept = values > np.finfo(np.float64).eps * max(records, channels) * max(values[-1], 0.0)
    energies = values[kept][::-1]
    if not len(energies):
        raise DataError("its features are all zero")
    axes = np.ascontiguousarray(vectors[:, kept][:, ::-1])
    if records > channels:
        along = np.concatenate([block @ axes for block in _blocks(features)])
    else:
        along = axes * np.sqrt(energies)
    return Spectrum(energies, along, along.mean(axis=0), channels)


def _blocks(features: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(features), BLOCK):
        yield features[start : start + BLOCK].astype(np.float64)
