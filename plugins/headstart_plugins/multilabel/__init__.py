"""The task `multilabel`: any number of labels a sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec
from headstart_plugins._heads.options import HEAD_FEATURES, HEADS, HeadOptions


@dataclass(frozen=True)
class MultilabelOptions(HeadOptions):
    """What a user can choose about the head and its loss."""

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
            summary="Any number of labels a sample: a sigmoid and a threshold for each; linear, mlp or flatten head.",
            options=MultilabelOptions,
            build="headstart_plugins.multilabel._build:build",
            features=("pooled",),
            heads=HEADS,
            head_features=HEAD_FEATURES,
            closed_form=frozenset({"linear"}),
            gradient_options=("dropout", "label_smoothing"),
            targets="targets/labels",
            default=True,
        )
    ]
