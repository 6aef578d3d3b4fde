"""What val tells of a trained task's answers: calibrated probabilities, tuned decisions, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headstart.specs import Calibrates

if TYPE_CHECKING:
    import numpy as np

    from headstart.specs import Task


def calibrated(task: Task, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> tuple[Task, Mapping[str, Any]]:
    """The task with what its answers on val tell, and that as plain facts for result.json under "calibration".

    `targets` are encoded (rows, ...), `outputs` are those of the same rows, from before a refit. A task that is no
    Calibrates comes back as it is, with no facts.
    """
    if not isinstance(task, Calibrates) or not outputs:
        return task, {}
    settled, facts = task.calibrated(targets, outputs)
    return settled, {**facts, "val": calibration_facts(settled, targets, outputs)}


def calibration_facts(task: Task, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    """How honest the task's probabilities of one split are, before and after; empty where it is no Calibrates."""
    return task.calibration(targets, outputs) if isinstance(task, Calibrates) else {}
