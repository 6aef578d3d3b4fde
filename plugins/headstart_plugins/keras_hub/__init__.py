"""KerasHub's image backbones by reference: `keras_hub/resnet_50_imagenet`, or the folder of a preset.

Folders are read in the three forms that KerasHub itself reads: its own presets, Hugging Face models, timm models.
Only their JSON is looked at here; networks are built in `_build`, weights read in `_load`, presets fetched in `_needs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec
from headstart_plugins.keras_hub._families import REGISTERED

if TYPE_CHECKING:
    from headstart.errors import Problem
    from headstart.recipe import Recipe
    from headstart.registry import Registry


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The one backbone that artefacts of all presets are built from again."""
    return [REGISTERED]


@hookimpl
def resolve_backbone(ref: str) -> BackboneSpec | None:
    """A preset's name, or a folder that KerasHub can read."""
    from headstart_plugins.keras_hub._reference import resolve

    return resolve(ref)


@hookimpl
def check_recipe(recipe: Recipe, registry: Registry) -> Iterable[Problem]:
    """What a backbone of KerasHub needs on this machine."""
    from headstart_plugins.keras_hub._needs import missing

    return missing(recipe, registry)
