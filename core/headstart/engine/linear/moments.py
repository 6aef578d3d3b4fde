"""Counts, means and centred products of features and targets, summed over blocks of rows in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from headstart.engine.batch import Batch

Values = Callable[[Batch], np.ndarray]
"""Encoded targets (block, ...) to the numbers (block, output) that they stand for, such as indicators of classes."""


@dataclass(frozen=True)
class ChannelMoments:
    """`count` rows: their `mean` (channel,), and the sum of squared deviations from it, `squares` (channel,)."""

    count: int
    mean: np.ndarray
    squares: np.ndarray

    def merge(self, other: ChannelMoments) -> ChannelMoments:
        """The moments of both sets of rows; see `Moments.merge`."""
        count, gap, weight = _joined(self.count, other.count, self.mean, other.mean)
        squares = self.squares + other.squares + self.count * weight * gap**2
        return ChannelMoments(count, self.mean + weight * gap, squares)


@dataclass(frozen=True)
class Moments:
    """`count` rows: the means of features x (channel,) and outputs y (output,), and products of deviations from them.

    `scatter` (channel, channel) is the sum of (x - mean)(x - mean)', `cross` (channel, output) that of
    (x - mean)(y - target_mean)'. All float64.
    """

    count: int
    mean: np.ndarray
    target_mean: np.ndarray
    scatter: np.ndarray
    cross: np.ndarray

    def merge(self, other: Moments) -> Moments:
        """The sums of both sets of rows: pairwise update of centred products (Chan, Golub & LeVeque 1983, eq. 2.1).

        Nothing large is ever subtracted from something large, so features far from zero lose no digits.
        """
        count, gap, weight = _joined(self.count, other.count, self.mean, other.mean)
        target_gap = other.target_mean - self.target_mean
        share = self.count * weight
        return Moments(
            count,
            self.mean + weight * gap,
            self.target_mean + weight * target_gap,
            self.scatter + other.scatter + share * np.outer(gap, gap),
            self.cross + other.cross + share * np.outer(gap, target_gap),
        )


def channel_moments_of(blocks: Iterable[tuple[np.ndarray, Batch]]) -> ChannelMoments:
    """Moments of the features of all blocks, merged in their order; memory as for one block."""
    return reduce(ChannelMoments.merge, (_channels_of(features) for features, _ in blocks))


def moments_of(blocks: Iterable[tuple[np.ndarray, Batch]], values: Values) -> Moments:
    """Sums over all blocks, one record a block, merged in their order; memory as for one block and one record."""
    return reduce(Moments.merge, (_block_moments(features, values(targets)) for features, targets in blocks))


def _channels_of(features: np.ndarray) -> ChannelMoments:
    rows = features.astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    return ChannelMoments(len(rows), mean, np.einsum("nc,nc->c", rows, rows))


def _block_moments(features: np.ndarray, outputs: np.ndarray) -> Moments:
    rows, answers = features.astype(np.float64), outputs.astype(np.float64)
    mean, target_mean = rows.mean(axis=0), answers.mean(axis=0)
    rows -= mean
    answers -= target_mean
    return Moments(len(rows), mean, target_mean, rows.T @ rows, rows.T @ answers)


def _joined(mine: int, yours: int, mean: np.ndarray, other: np.ndarray) -> tuple[int, np.ndarray, float]:
    """Rows of both, the distance between their means, and the second one's share of the rows."""
    return mine + yours, other - mean, yours / (mine + yours)
