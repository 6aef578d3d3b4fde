"""The principal axes of scaled features: in them a convex loss is well conditioned, and a ridge path is a division: a
regression for each of its strengths from one eigendecomposition, and what it says of left-out samples.

Counts, means and centred products of features and targets, that the axes are found from, are summed over blocks of rows
in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import DTypeLike

from headstart.engine.batch import concatenated
from headstart.engine.linear.rows import Rows
from headstart.errors import DataError
from headstart.specs import Batch

Values = Callable[[Batch], np.ndarray]
"""Encoded targets (block, ...) to the numbers (block, output) that they stand for, such as indicators of classes."""


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
        count = self.count + other.count
        weight = other.count / count
        gap, target_gap = other.mean - self.mean, other.target_mean - self.target_mean
        share = self.count * weight
        return Moments(
            count,
            self.mean + weight * gap,
            self.target_mean + weight * target_gap,
            self.scatter + other.scatter + share * np.outer(gap, gap),
            self.cross + other.cross + share * np.outer(gap, target_gap),
        )


def moments_of(blocks: Iterable[tuple[np.ndarray, Batch]], values: Values) -> Moments:
    """Sums over all blocks, one record a block, merged in their order; memory as for one block and one record."""
    return reduce(Moments.merge, (_block_moments(features, values(targets)) for features, targets in blocks))


def _block_moments(features: np.ndarray, outputs: np.ndarray) -> Moments:
    rows, answers = features.astype(np.float64), outputs.astype(np.float64)
    mean, target_mean = rows.mean(axis=0), answers.mean(axis=0)
    rows -= mean
    answers -= target_mean
    return Moments(len(rows), mean, target_mean, rows.T @ rows, rows.T @ answers)


@dataclass(frozen=True)
class Scaling:
    """Scaled features are (x - `shift`) / `scale`, both (channel,) float32, so that single precision can follow it."""

    shift: np.ndarray
    scale: np.ndarray

    def apply(self, features: np.ndarray, dtype: DTypeLike = np.float64) -> np.ndarray:
        """Features (..., channel) scaled, computed in `dtype`."""
        scaled = features.astype(dtype)
        scaled -= self.shift.astype(dtype)
        scaled /= self.scale.astype(dtype)
        return scaled

    def fold(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (channel, output) and bias (output,), float32, that give on raw features what these give on scaled."""
        folded = (kernel / self.scale.astype(np.float64)[:, None]).astype(np.float32)
        return folded, (bias - self.shift.astype(np.float64) @ folded.astype(np.float64)).astype(np.float32)

    def unfold(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The reverse of `fold`, in float64."""
        raw = kernel.astype(np.float64)
        return raw * self.scale.astype(np.float64)[:, None], bias + self.shift.astype(np.float64) @ raw


CHUNK = 512
"""Channels that are read at a time where there are few rows."""
ROWS = 512
"""Rows that are turned to the axes at a time: more would need room for as many scaled ones."""


@dataclass(frozen=True)
class EigenBasis:
    """Variances of scaled features along their principal axes: `values` (axis,), falling, and `basis` (channel, axis).

    `centre` (channel,) is the mean of the scaled features, all but zero. `target_mean` (output,) is the outputs' mean,
    `cross` (axis, output) their covariance with the features along each axis. `scores` are the centred features along
    the axes, (row, axis), where rows are no more than channels; else None. Axes without variance are left out. float64.
    """

    count: int
    scaling: Scaling
    centre: np.ndarray
    values: np.ndarray
    basis: np.ndarray
    target_mean: np.ndarray
    cross: np.ndarray
    scores: np.ndarray | None

    def project(self, features: np.ndarray) -> np.ndarray:
        """Raw features (..., channel) along the axes, (..., axis)."""
        along = np.empty((*features.shape[:-1], len(self.values)))
        for start in range(0, len(features), ROWS):
            rows = slice(start, start + ROWS)
            scaled = self.scaling.apply(features[rows])
            scaled -= self.centre
            np.matmul(scaled, self.basis, out=along[rows])
        return along

    def fold(self, weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (channel, output) and bias (output,) float32 on raw features, from those on projected ones."""
        kernel = self.basis @ weights
        return self.scaling.fold(kernel, bias - self.centre @ kernel)

    def unfold(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (axis, output) and bias on projected features, from those on raw ones."""
        scaled, shifted = self.scaling.unfold(kernel, bias)
        return self.basis.T @ scaled, shifted + self.centre @ scaled


def eigenbasis_of(rows: Rows, values: Values) -> EigenBasis:
    """Decompose `rows`, their outputs given by `values`; one eigendecomposition of min(rows, channels) squared.

    Memory beside the rows is that of a block and of channels x min(rows, channels) numbers. With no more rows than
    channels the Gram matrix of the rows is decomposed instead of the covariance, which has the same eigenvalues.
    Raises DataError naming a channel that is not finite.
    """
    return _of_few(rows, values) if len(rows) <= rows.channels else _of_many(rows, values)


def _of_many(rows: Rows, values: Values) -> EigenBasis:
    sums = moments_of(rows.blocks(), values)
    covariance = sums.scatter / sums.count
    scaling = _finite_scaling(sums.mean, np.diagonal(covariance))
    scale = scaling.scale.astype(np.float64)
    covariance /= scale
    covariance /= scale[:, None]
    eigenvalues, basis = _decompose(covariance, rows.channels)
    return EigenBasis(
        sums.count,
        scaling,
        scaling.apply(sums.mean),
        eigenvalues,
        basis,
        sums.target_mean,
        basis.T @ (sums.cross / sums.count / scale[:, None]),
        None,
    )


def _of_few(rows: Rows, values: Values) -> EigenBasis:
    chunks = [slice(start, start + CHUNK) for start in range(0, rows.channels, CHUNK)]
    centre, variance = np.empty(rows.channels), np.empty(rows.channels)
    for chunk in chunks:
        part = rows.columns(chunk.start, chunk.stop)
        centre[chunk] = part.mean(axis=0)
        variance[chunk] = part.var(axis=0)
    scaling = _finite_scaling(centre, variance)
    scale = scaling.scale.astype(np.float64)
    gram = np.zeros((len(rows), len(rows)))
    for chunk in chunks:
        part = (rows.columns(chunk.start, chunk.stop) - centre[chunk]) / scale[chunk]
        gram += part @ part.T
    eigenvalues, axes = _decompose(gram, rows.channels)
    lengths = np.sqrt(eigenvalues)
    basis = np.empty((rows.channels, len(lengths)))
    for chunk in chunks:
        part = (rows.columns(chunk.start, chunk.stop) - centre[chunk]) / scale[chunk]
        basis[chunk] = part.T @ axes / lengths
    outputs = values(rows.targets).astype(np.float64)
    target_mean = outputs.mean(axis=0)
    return EigenBasis(
        len(rows),
        scaling,
        scaling.apply(centre),
        eigenvalues / len(rows),
        basis,
        target_mean,
        lengths[:, None] * (axes.T @ (outputs - target_mean)) / len(rows),
        axes * lengths,
    )


def _finite_scaling(mean: np.ndarray, variance: np.ndarray) -> Scaling:
    """The scaling for channels of these means and population variances (channel,).

    A channel's scale is its standard deviation, but never below the root mean square of all channels' standard
    deviations: a channel that is all but silent in training would otherwise be blown up a millionfold, and shout
    where it is not silent. On EfficientNet-Lite0 features of 96 digits this floor raises the validation accuracy
    from 0.76 to 0.83, and lowers the loss from 1.82 to 0.52.
    """
    bad = np.flatnonzero(~np.isfinite(variance))
    if len(bad):
        raise DataError(
            f"{len(bad)} of {len(mean)} channels of the features hold a NaN or an infinity, channel {bad[0]} first",
            hint="look for samples with broken values, and check the weights with `headstart weights verify`",
        )
    floor = float(np.sqrt(variance.mean()))
    scale = np.maximum(np.sqrt(variance), floor if floor > 0.0 else 1.0)
    return Scaling(mean.astype(np.float32), scale.astype(np.float32))


def _decompose(matrix: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, falling, and eigenvectors as columns; without those that rounding could have made."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > np.finfo(np.float64).eps * max(len(matrix), channels) * max(values[-1], 0.0)
    return values[kept][::-1], np.ascontiguousarray(vectors[:, kept][:, ::-1])


BATCH = 256
"""Samples whose left-out answers are computed at a time."""


@dataclass(frozen=True)
class LeftOut:
    """`answers` (strength, sample, output): of the plain view of each sample, by a ridge that saw none of its views.

    `targets` (sample, ...) are theirs, encoded.
    """

    answers: np.ndarray
    targets: Batch


def ridge_weights(spectrum: EigenBasis, strength: float) -> np.ndarray:
    """Weights W (axis, output) that minimise mean |y - W'z - b|^2 + `strength` |W|^2 on projected features z.

    The bias b is free, and equals the outputs' mean (Hoerl & Kennard 1970). `strength` > 0.
    """
    return spectrum.cross / (spectrum.values + strength)[:, None]


def leave_out(spectrum: EigenBasis, rows: Rows, values: Values, strengths: Sequence[float], limit: int) -> LeftOut:
    """For each strength, the answer to each sample of a ridge on all other samples, in closed form.

    With hat matrix H over a sample's views, its residuals r become (I - H)^-1 r when it is left out: Allen 1974's
    formula, a block at a time. Scaling and `strength` times the number of rows are those of all rows, so a sample's
    own share in them stays. At most about `limit` samples are asked, evenly spaced.
    """
    every = max(1, math.ceil(rows.samples / limit))
    answers: list[list[np.ndarray]] = []
    targets: list[Batch] = []
    for features, encoded in rows.by_sample(every, BATCH):
        along, outputs = spectrum.project(features), values(encoded).astype(np.float64)
        answers.append([_left_out(spectrum, along, outputs, strength) for strength in strengths])
        targets.append(encoded)
    return LeftOut(np.concatenate(answers, axis=1), concatenated(targets))


def _left_out(spectrum: EigenBasis, along: np.ndarray, outputs: np.ndarray, strength: float) -> np.ndarray:
    """Answers (sample, output) to first views; `along` (sample, view, axis), `outputs` (sample, output)."""
    shrunk = along / (spectrum.values + strength)
    hat = (shrunk @ along.transpose(0, 2, 1) + 1.0) / spectrum.count
    residuals = outputs[:, None] - shrunk @ spectrum.cross - spectrum.target_mean
    left = np.linalg.solve(np.eye(along.shape[1]) - hat, residuals)
    answers: np.ndarray = outputs - left[:, 0]
    return answers
