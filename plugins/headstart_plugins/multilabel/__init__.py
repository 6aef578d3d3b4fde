"""The task `multilabel`: any number of labels a sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec


@dataclass(frozen=True)
class MultilabelOptions:
    """What a user can choose about the head and its loss."""

    dropout: float = option(
        0.0,
        "Share of an mlp head's hidden units, or of a linear head's features, that each training step leaves out.",
        low=0.0,
        high=0.95,
    )
    label_smoothing: float = option(
        0.0,
        "How far gradient training moves each target towards the middle of yes and no; metrics stay plain.",
        low=0.0,
        high=0.5,
    )


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer multi-label classification."""
    return [
        TaskSpec(
            name="multilabel/multilabel",
            summary="Any number of labels a sample: a sigmoid and a threshold for each, on a linear or mlp head.",
            options=MultilabelOptions,
            build="headstart_plugins.multilabel._build:build",
            features=("pooled",),
            heads=("linear", "mlp"),
            closed_form=frozenset({"linear"}),
            gradient_options=("dropout", "label_smoothing"),
            targets="labels",
            default=True,
        )
    ]
