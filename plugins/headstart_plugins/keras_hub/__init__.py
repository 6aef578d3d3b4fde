"""KerasHub's image backbones by reference: `keras_hub/resnet_50_imagenet`, or the folder of a preset.

Folders are read in the three forms that KerasHub itself reads: its own presets, Hugging Face models, timm models.
Only their JSON is looked at here; networks are built in `_build`, weights read in `_load`, presets fetched in `_fetch`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec

if TYPE_CHECKING:
    from headstart.errors import Problem
    from headstart.recipe import Recipe
    from headstart.registry import Registry

NAME = "keras_hub/preset"
TOP = "top"
"""The last stage of each backbone, whatever the stages below it are."""
TINY = """{"class_name": "DenseNetBackbone", "config":
 {"stackwise_num_repeats": [1, 1, 1], "compression_ratio": 0.5, "growth_rate": 4}}"""


@dataclass(frozen=True)
class PresetOptions:
    """What a network is built from; a reference to a preset brings it."""

    config: str = option("", "The architecture as JSON, in the form of the preset's own config.json.")


REGISTERED = BackboneSpec(
    name=NAME,
    summary="Any image backbone of KerasHub: write keras_hub/PRESET, or the folder of a preset.",
    options=PresetOptions,
    build=f"{__name__}._build:build",
    takes="image",
    stages=None,
    features=(FeatureSpec("pooled", TOP, "pooled", ("batch", "channel"), channels=None),),
    preprocess={"size": [224, 224]},
    licence="Apache-2.0 for the code; each preset has its own",
    tiny={"config": TINY},
    tiny_size=32,
)


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
