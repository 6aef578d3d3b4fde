"""From a folder to a backbone: what the artefact in it says of itself, verified; no framework is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from headstart.artefact import Artefact
from headstart.engine.network.blueprint import Blueprint, digests_of
from headstart.engine.network.saved import WEIGHTS
from headstart.errors import UsageError
from headstart.lineage import in_words, licence_of, lineage_left_in
from headstart.manifest import is_artefact
from headstart.recipes.file import verify_form
from headstart.registry import Registry
from headstart.runs.folder import RunFolder, how_to_go_on
from headstart.specs import BackboneSpec, LocalFile, PretrainedHead, Reading, WeightsSpec

PREFIX = "runs/"
NAME = "trained"
"""The name of a run's one weights set."""
LOAD = "headstart_plugins.runs._load"


def resolve(ref: str, registry: Registry) -> BackboneSpec | None:
    """The backbone of the run or artefact at the path `ref`; None where that is something else.

    Raises UsageError for a run that is not there or did not finish, and what `Artefact.load` raises.
    """
    path = Path(ref).expanduser()
    if not path.is_dir():
        if ref.startswith(PREFIX) and not path.exists():  # the folder where runs are, too
            raise UsageError(f"no such run: {ref}", hint="`headstart fit DATA` makes one below runs/")
        return None
    if is_artefact(path):
        return _described(Artefact.load(path, registry=registry), _title(path))
    folder = RunFolder(path)
    if not is_artefact(folder.artefact) and not (folder.recipe.is_file() and folder.events.is_file()):
        return None
    if folder.recipe.is_file():
        verify_form(folder.recipe)
    if not (is_artefact(folder.artefact) and folder.result.is_file()):
        raise UsageError(f"{ref} is a run that did not finish, so it has no model", hint=how_to_go_on(path))
    return _described(Artefact.load(folder.artefact, registry=registry), _title(path))


def _title(path: Path) -> str:
    """What a folder is called after: itself, or the run whose artefact it is."""
    whole = path.absolute()
    return whole.parent.name if whole == RunFolder(whole.parent).artefact else whole.name


def _described(artefact: Artefact, title: str) -> BackboneSpec:
    """The registered backbone that built it, with what the run chose and learned."""
    blueprint, folder = artefact.blueprint, artefact.path.absolute()
    built = blueprint.backbone
    given = asdict(blueprint.backbone_options)
    own_size = blueprint.backbone_options == built.default_options()
    lineage = lineage_left_in(artefact)
    licence = licence_of(lineage)
    listed = artefact.manifest["files"][WEIGHTS]
    files = {**blueprint.task_assets, **blueprint.input_assets}
    weights = WeightsSpec(
        name=NAME,
        origin=LocalFile(str(folder / WEIGHTS)),
        licence=licence,
        source=f"the run {title}",
        size=listed["size"],
        algorithm="sha256",
        digest=listed["sha256"],
        load=f"{LOAD}:load",
        trained_on=in_words(lineage),
        preprocess=blueprint.preprocess,
        assets={name: LocalFile(str(path.absolute())) for name, path in files.items()},
        head=_head(blueprint),
        lineage=lineage,
    )
    return replace(
        built,
        name=PREFIX + (re.sub(r"[^A-Za-z0-9_.-]+", "-", title).strip("-_.") or "run"),
        summary=f"What the run {title} learned, on {built.name}: {in_words(lineage)}.",
        builder=built.name,
        given=given,
        features=built.features if own_size else tuple(replace(each, channels=None) for each in built.features),
        parameters=built.parameters if own_size else None,
        preprocess=blueprint.preprocess,
        weights=(weights,),
        reading=Reading(blueprint.input.name, _chosen(blueprint.input_options)),
        default_for=None,
        tiny={},
        tiny_size=None,
    )


def _chosen(options: Any) -> Mapping[str, Any]:
    """Those options that are not their defaults."""
    default = type(options)()
    return {
        each.name: value
        for each in fields(options)
        if (value := getattr(options, each.name)) != getattr(default, each.name)
    }


def _head(blueprint: Blueprint) -> PretrainedHead | None:
    """The run's own head; None where a file that it needs and one of the input kind have one name."""
    task, reads = digests_of(blueprint.task_assets), digests_of(blueprint.input_assets)
    if blueprint.task is None or any(reads.get(name, digest) != digest for name, digest in task.items()):
        return None
    return PretrainedHead(blueprint.task.name, blueprint.head, f"{LOAD}:load_head", blueprint.labels)
