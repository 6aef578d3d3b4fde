"""Ridge regression for a whole path of strengths from one eigendecomposition, and what it says of left-out samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.engine.batch import concatenated
from headstart.engine.linear.pca import EigenBasis, Values
from headstart.engine.linear.rows import Rows
from headstart.specs import Batch

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
