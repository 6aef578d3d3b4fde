"""What a source's own head answers about a run's samples, told from the features that were computed for the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from headstart.engine.batch import count_rows, take
from headstart.engine.device import forward
from headstart.engine.network.assemble import graft, load_head
from headstart.engine.network.network import TAP, choose_features
from headstart.errors import HeadstartError
from headstart.recipes.compatibility import check_feature
from headstart.specs import Task, TaskRequest, TellsProbabilities, WeightsSpec, features_of_head

if TYPE_CHECKING:
    from headstart.runs.planning import Plan

BLOCK = 1024
"""Rows that the head is given at a time."""


def answers_of_own_head(plan: Plan, arrays: Mapping[str, np.ndarray], owners: np.ndarray) -> np.ndarray | None:
    """The probabilities (record, answer) float64 that the head which comes with the weights gives, the mean of a
    record's rows; None where there is no such head, it tells none, or it takes other features than `arrays` (row, ...)
    hold.

    `owners` (row,) int64 say of which record each row is.
    """
    resolved, registry, weights = plan.resolved, plan.registry, plan.resolved.weights
    if not isinstance(weights, WeightsSpec) or weights.head is None:
        return None
    published = weights.head
    spec = registry.get("tasks", published.task)
    needed = features_of_head(spec, published.head)
    if any(TAP + name not in arrays for name in needed):
        return None
    try:
        check_feature(spec, published.head, resolved.backbone)
        request = TaskRequest(spec.options(), labels=published.labels, assets=plan.backbone.input_assets)
        task: Task = registry.load_target(spec, spec.build)(request)
        if not isinstance(task, TellsProbabilities):
            return None
        features = choose_features(resolved.backbone.features, needed)
        whole = graft(plan.kind, plan.network.backbone, features, task=task, head=published.head, seed=0)
        load_head(whole, resolved.backbone, weights, registry)
    except HeadstartError:
        return None  # a head of another size of input, or of assets that are not here, says nothing of these
    stop = len(whole.stages) - 1
    head = forward(whole, stop, stop + 1)
    rows = count_rows(arrays)
    found = []
    for start in range(0, rows, BLOCK):
        batch = {name: np.asarray(array) for name, array in take(arrays, slice(start, start + BLOCK)).items()}
        missing = BLOCK - count_rows(batch) if rows > BLOCK else 0  # one shape is compiled once
        padded = {name: np.pad(each, [(0, missing), *[(0, 0)] * (each.ndim - 1)]) for name, each in batch.items()}
        outputs = head(padded)
        found.append(task.probabilities(take(outputs, slice(count_rows(batch)))))
    shares = np.concatenate(found)
    firsts = np.unique(owners, return_index=True)[1]
    counts = np.diff(np.append(firsts, len(owners)))[:, None]
    means: np.ndarray = np.add.reduceat(shares, firsts) / counts
    return means
