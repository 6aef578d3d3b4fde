"""The task `regression`: one number a sample."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import TaskSpec
from headstart_plugins._heads.options import HEAD_FEATURES, HEADS, HeadOptions


@hookimpl
def register_tasks() -> Iterable[TaskSpec]:
    """Offer regression."""
    return [
        TaskSpec(
            name="regression/regression",
            summary="One number a sample: squared error in units of train's deviation; linear, mlp or flatten head.",
            options=HeadOptions,
            build="headstart_plugins.regression._build:build",
            features=("pooled",),
            heads=HEADS,
            head_features=HEAD_FEATURES,
            closed_form=frozenset({"linear"}),
            gradient_options=("dropout",),
            targets="targets/number",
            default=True,
        )
    ]
