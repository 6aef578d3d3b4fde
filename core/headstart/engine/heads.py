"""Heads that a task solves for on frozen features: their metrics, and which of two is the better one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.engine.linear.rows import Rows
from headstart.specs import Solved, Task


@dataclass(frozen=True)
class Tried:
    """One solution, with its metrics on both splits."""

    solved: Solved
    train: Mapping[str, float]
    val: Mapping[str, float]


def solve_path(
    task: Task, train: Rows, val: Rows, strengths: Sequence[float], on_tried: Callable[[Tried], None]
) -> None:
    """Let the task solve on `train`; tell each solution with its metrics as soon as it is there."""
    for solved in task.solve(train, strengths):
        on_tried(Tried(solved, score(task, solved, train), score(task, solved, val)))


def score(task: Task, solved: Solved, rows: Rows) -> Mapping[str, float]:
    """Metrics of a linear head on features."""
    return task.metrics(rows.targets, answers(solved, rows))


def answers(solved: Solved, rows: Rows) -> dict[str, np.ndarray]:
    """What a linear head gives on features: (row, output) are features @ kernel + bias, a block at a time."""
    kernel, bias = solved.weights["kernel"], solved.weights["bias"]
    given = [(features @ kernel + bias).astype(np.float32) for features, _ in rows.blocks()]
    return {solved.output: np.concatenate(given)}


def is_better(task: Task, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
    """By the primary metric; where that is equal, by the lower loss."""
    sign = 1.0 if task.higher_is_better else -1.0
    mine, yours = sign * new[task.primary_metric], sign * old[task.primary_metric]
    return (mine, -new["loss"]) > (yours, -old["loss"])


def is_surer(task: Task, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
    """By the lower loss; where that is equal, by the primary metric.

    So is a head chosen on val, where a few dozen samples tell neighbouring strengths apart by one answer or none, and
    the loss weighs every one of them. Test accuracy of the refitted head, chosen by accuracy and by loss: stamps (66 in
    val) 0.796 and 0.803 over 8 splits, digits (53 in val) 0.903 and 0.905 over 8, digits (288 in val) the same.
    """
    if new["loss"] == old["loss"]:
        return is_better(task, new, old)
    return new["loss"] < old["loss"]
