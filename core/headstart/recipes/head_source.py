"""`head_from`: the finished run whose head a new one begins as, and what follows from it for the rest of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from headstart.engine.network.saved import SavedNetwork
from headstart.errors import UsageError
from headstart.recipe import Recipe
from headstart.recipes.lookup import Choices, absolute
from headstart.registry import Registry
from headstart.runs.folder import RunFolder, finished_run, trained_by
from headstart.specs import PRETRAINED, BackboneSpec, TaskSpec, read_head


def open_head_source(ref: str, registry: Registry) -> SavedNetwork:
    """The network of a finished run, or of an artefact by itself: verified, not built.

    Raises UsageError where `ref` is neither, or has no head, DataError where a file of it was altered.
    """
    path = Path(absolute(ref))
    found = trained_by(path) if path.is_dir() else None
    if found is None or RunFolder(found).recipe.is_file():
        found = finished_run(found or ref).artefact
    saved = SavedNetwork.load(found, registry=registry)
    if saved.blueprint.task is None:
        raise UsageError(f"{ref} holds a network without a head", hint="name a run that `headstart fit` made")
    return saved


def run_of(source: SavedNetwork) -> Path:
    """What to call it in messages: the run whose artefact it is, or that artefact."""
    return trained_by(source.path) or source.path


def implied_by(source: SavedNetwork, recipe: Recipe) -> Recipe:
    """`recipe` with what a head brings where nothing else is named: its task, its form, and the network of the run,
    since a head knows nothing without the features that it was learned on."""
    own: dict[str, Any] = {
        "backbone": absolute(str(recipe.head_from)),
        "task": source.task_spec.name,
        "head": source.blueprint.head,
    }
    lacking = {name: value for name, value in own.items() if getattr(recipe, name) is None}
    return replace(recipe, **lacking, origins={**recipe.origins, **dict.fromkeys(lacking, "head_from")})


def check_head_source(
    source: SavedNetwork, choices: Choices, options: Mapping[str, Any], *, task: TaskSpec, head: str
) -> None:
    """The run's head must be of this task and form, and its backbone built as this one. Raises UsageError."""
    run, theirs = run_of(source), source.blueprint
    if source.task_spec.name != task.name:
        raise UsageError(
            f"the head of {run} is for {source.task_spec.name}, and the task is {task.name}",
            hint="leave out --head-from or --task",
        )
    if head == PRETRAINED:
        raise UsageError(
            f"--head {PRETRAINED} takes the head of the weights, --head-from that of {run}", hint="leave out one"
        )
    (kind, widths), (their_kind, their_widths) = read_head(head), read_head(theirs.head)
    if kind != their_kind or (widths and their_widths and widths != their_widths):
        raise UsageError(f"the head of {run} is {theirs.head}, and --head says {head}", hint="leave out --head")
    backbone = choices.backbone
    if backbone is None:
        return
    if _builder(backbone) != theirs.backbone.name:
        raise UsageError(
            f"the head of {run} was learned on {theirs.backbone.name}, and the backbone is {backbone.name}",
            hint="leave out --backbone: that of the run is taken; or leave out --head-from",
        )
    given = options.get("backbone")
    if given is not None and _shape(given, theirs.backbone) != _shape(theirs.backbone_options, theirs.backbone):
        raise UsageError(
            f"the head of {run} was learned on {theirs.backbone.name} with {theirs.backbone_options}, and here it has "
            f"{given}",
            hint="use the same options, or leave out --backbone: that of the run is taken",
        )


def _shape(options: Any, backbone: BackboneSpec) -> dict[str, Any]:
    """The options that features depend on."""
    return {name: value for name, value in asdict(options).items() if name not in backbone.gradient_options}


def _builder(backbone: BackboneSpec) -> str:
    return backbone.builder or backbone.name
