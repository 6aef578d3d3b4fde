"""The task `regression`: one number a sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import TaskSpec


@dataclass(frozen=True)
class RegressionOptions:
    """What a user can choose about the head."""

    dropout: float = option(
        0.0,
        "Share of an mlp head's hidden units, or of a linear head's features, that each training step leaves out.",
        low=0.0,
        high=0.95,
    )


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer regression."""
    return [
        TaskSpec(
            name="regression/regression",
            summary="One number a sample: squared error of a linear or mlp head, in units of train's deviation.",
            options=RegressionOptions,
            build="headstart_plugins.regression._build:build",
            features=("pooled",),
            heads=("linear", "mlp"),
            closed_form=frozenset({"linear"}),
            gradient_options=("dropout",),
            targets="number",
            default=True,
        )
    ]
