"""Batches of targets that are mostly shorter than their arrays, cut to what their longest row uses."""

from __future__ import annotations

import numpy as np

from headstart.data.lengths import Lengths, cut_to
from headstart.engine.device import compiles_each_shape
from headstart.specs import Batch, Task, TrimsTargets


def trimmed(task: Task, targets: Batch) -> Batch:
    """`targets` (batch, ...) with their length axes cut: to one of a few static lengths where a backend compiles each,
    and else to what the longest row uses. As they are where the task cuts none."""
    if not isinstance(task, TrimsTargets):
        return targets
    lengths = Lengths(np.maximum(task.used(targets), 1), tuple(task.target_lengths))
    rows = np.arange(len(lengths.used))
    static = lengths.of_batch(rows) if compiles_each_shape() else int(lengths.used.max())
    axes = {name: spec.length_axis for name, spec in task.targets.items() if spec.length_axis is not None}
    return cut_to(targets, axes, static, lengths.static[-1])
