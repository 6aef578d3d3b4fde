"""What training steps are told of a task whose figures need more than a head gives in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.specs import Batch, Evaluation, Facts


class LossAlone:
    """A running evaluator without metrics of its own: the loss is added to what it knows."""

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """Nothing to do."""

    def merge(self, other: Any) -> None:
        """Nothing to do."""

    def metrics(self) -> Mapping[str, float]:
        """None."""
        return {}

    def result(self) -> Evaluation:
        """Without metrics."""
        return Evaluation({})

    def state(self) -> Mapping[str, np.ndarray]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Nothing to do."""
