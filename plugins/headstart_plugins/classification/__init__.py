"""The task `classification`: one label a sample, two classes or more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec


@dataclass(frozen=True)
class ClassificationOptions:
    """What a user can choose about the head."""

    dropout: float = option(
        0.0,
        "Share of an mlp head's hidden units that each training step leaves out.",
        low=0.0,
        high=0.95,
    )


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer single-label classification."""
    return [
        TaskSpec(
            name="classification/classification",
            summary="One label a sample, two classes or more: softmax cross-entropy on a linear or mlp head.",
            options=ClassificationOptions,
            build="headstart_plugins.classification._build:build",
            feature="pooled",
            heads=("linear", "mlp"),
            closed_form=frozenset({"linear"}),
        )
    ]
