"""The head solved in closed form on frozen features, its regularisation chosen on the validation split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.specs import Task

Solution = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """Features (rows, channel) float32 and encoded targets (rows, ...)."""

    features: np.ndarray
    targets: np.ndarray

    def __add__(self, other: Labelled) -> Labelled:
        return Labelled(np.concatenate([self.features, other.features]), np.concatenate([self.targets, other.targets]))


@dataclass(frozen=True)
class Tried:
    """One strength of the path: its solution and metrics on both splits."""

    strength: float
    solution: Solution
    train: Mapping[str, float]
    val: Mapping[str, float]


def solve_path(
    task: Task, train: Labelled, val: Labelled, strengths: Sequence[float], on_tried: Callable[[Tried], None]
) -> Tried:
    """Solve for every strength, strongest first; the best by the task's primary metric on `val`, then by its loss."""
    best: Tried | None = None
    for strength in sorted(strengths, reverse=True):
        solution = task.solve(train.features, train.targets, strength)
        tried = Tried(strength, solution, score(task, solution, train), score(task, solution, val))
        on_tried(tried)
        if best is None or is_better(task, tried.val, best.val):
            best = tried
    if best is None:
        raise ValueError("a closed-form phase needs at least one strength")
    return best


def score(task: Task, solution: Solution, data: Labelled) -> Mapping[str, float]:
    """Metrics of a linear head on features; logits (rows, classes) are features @ kernel + bias."""
    logits = data.features @ solution["kernel"] + solution["bias"]
    return task.metrics(data.targets, {"logits": logits.astype(np.float32)})


def is_better(task: Task, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
    """By the primary metric; where that is equal, by the lower loss."""
    sign = 1.0 if task.higher_is_better else -1.0
    mine, yours = sign * new[task.primary_metric], sign * old[task.primary_metric]
    return (mine, -new["loss"]) > (yours, -old["loss"])
