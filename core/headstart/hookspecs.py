"""The hooks a plugin can implement. Each `register_*` returns data; nothing is built and no framework imported.

    from headstart.hookspecs import hookimpl
    from headstart.specs import DatasetSpec

    @hookimpl
    def register_datasets():
        return [DatasetSpec(name="mine/photos", summary="My photographs.", build="mine.load:photos", ...)]

Publish the module under the entry-point group `headstart`; its key is the plugin's name.
"""

# Specifications are never called, so that they have no bodies.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from headstart.errors import Problem
    from headstart.host.registry import Registry
    from headstart.recipe import Recipe
    from headstart.specs import (
        AugmentationSpec,
        BackboneSpec,
        DatasetSpec,
        EngineSpec,
        InputSpec,
        LoweringSpec,
        ReporterSpec,
        ScoreSpec,
        StrategySpec,
        TargetSpec,
        TaskSpec,
    )

PROJECT = "headstart"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_backbones() -> Iterable[BackboneSpec]:
    """Offer pretrained feature extractors."""


@hookspec
def register_datasets() -> Iterable[DatasetSpec]:
    """Offer sources of records."""


@hookspec
def register_augmentations() -> Iterable[AugmentationSpec]:
    """Offer ways to vary training samples."""


@hookspec
def register_reporters() -> Iterable[ReporterSpec]:
    """Offer ways to tell about a run."""


@hookspec
def register_inputs() -> Iterable[InputSpec]:
    """Offer input kinds."""


@hookspec
def register_targets() -> Iterable[TargetSpec]:
    """Offer kinds of targets."""


@hookspec
def register_tasks() -> Iterable[TaskSpec]:
    """Offer tasks."""


@hookspec
def register_strategies() -> Iterable[StrategySpec]:
    """Offer plans of phases."""


@hookspec
def register_lowerings() -> Iterable[LoweringSpec]:
    """Offer faster, numerically equal forms of layers."""


@hookspec
def register_engines() -> Iterable[EngineSpec]:
    """Offer ways to run the frozen prefix of a network."""


@hookspec
def register_scores() -> Iterable[ScoreSpec]:
    """Offer transfer scores."""


@hookspec
def resolve_backbone(ref: str, registry: Registry) -> BackboneSpec | None:
    """The backbone that `ref` (a path or `KIND:REF`) means, or None. Reads headers only.

    An implementation that needs nothing of what others offer leaves `registry` out.
    """


@hookspec
def resolve_dataset(ref: str, targets: str | None) -> str | None:
    """The full name of the dataset spec that opens the path `ref`, or None. Looks at names, reads no data.

    `targets` is the full name of the kind of targets that is asked for, by a task that was named or a finished run;
    None where nobody said. An implementation that opens one kind alone leaves `targets` out.
    """


@hookspec
def check_recipe(recipe: Recipe, registry: Registry) -> Iterable[Problem]:
    """What this plugin finds wrong with a whole recipe, every value explicit.

    Task and head, and the backbone of data whose medium its dataset does not say, are None where nobody named them and
    the data was not seen yet; the hook is called again once they are known.
    """
