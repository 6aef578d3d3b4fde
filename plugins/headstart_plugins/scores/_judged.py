"""How well answers about left-out records hit: accuracy of classes, R squared of numbers, and both resampled."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Observed, Scored
from headstart_plugins.scores import CLASSES


def judged(observed: Observed, asked: np.ndarray, answers: np.ndarray) -> Scored:
    """The score of `answers` (record, output) about the records `asked` (record,) int64: the largest one is the class
    that is answered; of numbers R squared against their mean, the mean over outputs.

    Resampled by weighing the records that were asked, with what answers them as it is.
    """
    weights = np.vstack([np.ones(len(asked)), observed.weights[:, asked]])
    weights /= weights.sum(axis=1, keepdims=True)
    if observed.form == CLASSES:
        right = answers.argmax(axis=1) == observed.targets[asked]
        return Scored(float(right.mean()), weights[1:] @ right)
    true = observed.targets[asked]
    errors = weights @ (true - answers) ** 2
    spread = weights @ true**2 - (weights @ true) ** 2
    if not np.all(spread > 0.0):
        raise DataError("the numbers that are asked about are all the same")
    found = (1.0 - errors / spread).mean(axis=1)
    return Scored(float(found[0]), found[1:])
