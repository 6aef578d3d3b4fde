"""What scores share: indicators of classes, and features that all of them refuse."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Observed
from headstart_plugins.scores import CLASSES

LEADING = 64
"""Axes on which a score that costs the cube of its axes is resampled: its spread is that of what varies most."""


def indicators(observed: Observed) -> np.ndarray:
    """The targets as numbers (record, output) float64: of classes 1 for the record's class and 0 elsewhere."""
    if observed.form != CLASSES:
        return observed.targets
    marks = np.zeros((len(observed.targets), int(observed.targets.max()) + 1))
    marks[np.arange(len(marks)), observed.targets] = 1.0
    return marks


def refuse_constant(observed: Observed) -> None:
    """Raise DataError where all records have the same features."""
    if observed.spectrum.is_constant:
        raise DataError("its features are the same for all records")
