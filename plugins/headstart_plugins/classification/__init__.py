"""The task `classification`: one label a sample, two classes or more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec
from headstart_plugins._heads.options import HEAD_FEATURES, HEADS, HeadOptions

Mechanism = Literal["none", "class_weights", "sampling", "logit_adjustment"]
"""What evens out classes of different sizes: one at a time, for two would even them out twice."""


@dataclass(frozen=True)
class ClassificationOptions(HeadOptions):
    """What a user can choose about the head, its loss, and classes of different sizes."""

    label_smoothing: float = option(
        0.0,
        "Share of each target that gradient training spreads over all classes; metrics stay plain.",
        low=0.0,
        high=0.5,
    )
    balance: Mechanism = option(  # noqa: RUF009 - a field, as all options are
        "none",
        "What evens out classes of different sizes, measured on train: class weights in the loss, "
        "sampling each class equally often, or logit adjustment.",
    )
    tau: float = option(
        1.0, "How much logit adjustment takes off: 1 evens the classes out, 0 does nothing.", low=0.0, high=3.0
    )

    def __post_init__(self) -> None:
        """Raises ValueError where `tau` has nothing to act on."""
        if self.tau != ClassificationOptions.tau and self.balance != "logit_adjustment":
            raise ValueError(
                f"task.tau={self.tau} has nothing to act on: task.balance is {self.balance}; leave it out, or add "
                "--set task.balance=logit_adjustment"
            )


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer single-label classification."""
    return [
        TaskSpec(
            name="classification/classification",
            summary="One label a sample, two classes or more: softmax cross-entropy; linear, mlp or flatten head.",
            options=ClassificationOptions,
            build="headstart_plugins.classification._build:build",
            features=("pooled",),
            targets="targets/class",
            heads=HEADS,
            head_features=HEAD_FEATURES,
            closed_form=frozenset({"linear"}),
            gradient_options=("dropout", "label_smoothing"),
            default=True,
        )
    ]
