"""How well answers about left-out records hit: accuracy of classes, R squared of numbers, and both resampled."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Baseline, Observed, Scored
from headstart_plugins._wilson import wilson_interval
from headstart_plugins.scores import CLASSES


def judged(observed: Observed, asked: np.ndarray, answers: np.ndarray) -> Scored:
    """The score of `answers` (record, output) about the records `asked` (record,) int64: the largest one is the class
    that is answered; of numbers R squared against their mean, the mean over outputs.

    Resampled by weighing the records that were asked, with what answers them as it is. The interval of an accuracy is
    that of as many records as there are groups: where all answers are right, no weights spread them. The baseline is
    one answer to all: the commonest class (first of equals), or the mean, whose R squared is 0.
    """
    weights = np.vstack([np.ones(len(asked)), observed.weights[:, asked]])
    weights /= weights.sum(axis=1, keepdims=True)
    if observed.form == CLASSES:
        right = answers.argmax(axis=1) == observed.targets[asked]
        share, groups = float(right.mean()), len(np.unique(observed.groups[asked]))
        commonest = int(np.bincount(observed.targets).argmax())
        baseline = Baseline(float(np.mean(observed.targets[asked] == commonest)), "always the commonest class")
        return Scored(share, weights[1:] @ right, wilson_interval(share, groups), baseline)
    true = observed.targets[asked]
    errors = weights @ (true - answers) ** 2
    spread = weights @ true**2 - (weights @ true) ** 2
    if not np.all(spread > 0.0):
        raise DataError("the numbers that are asked about are all the same")
    found = (1.0 - errors / spread).mean(axis=1)
    return Scored(float(found[0]), found[1:], baseline=Baseline(0.0, "always the mean"))
