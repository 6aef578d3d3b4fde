"""Ways to vary training pictures: `none`, `light` and `classic`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import NoOptions, option
from headstart.specs import AugmentationSpec

BUILD = "headstart_plugins.image_augmentations._build:"
FLIP = frozenset({"horizontal_flip"})


@dataclass(frozen=True)
class LightOptions:
    """How far `light` goes."""

    shift: float = option(0.083, "Largest shift as a share of each side; 0.083 is 8 pixels of 96.", low=0.0, high=0.5)
    flip: bool = option(True, "Mirror every other picture, where the dataset's labels survive it.")


@dataclass(frozen=True)
class ClassicOptions:
    """The tutorial's values, in the units of Keras' ImageDataGenerator."""

    shear: float = option(0.2, "Largest shear in degrees (`shear_range`).", low=0.0, high=45.0)
    zoom: float = option(0.2, "Each side is scaled by 1 - zoom to 1 + zoom (`zoom_range`).", low=0.0, high=0.9)
    flip: bool = option(True, "Mirror every other picture, where the dataset's labels survive it.")


@hookimpl
def register_augmentations() -> Iterable[AugmentationSpec]:
    """None, light, classic."""
    return [
        AugmentationSpec(
            name="image_augmentations/none",
            summary="Training pictures as they are.",
            options=NoOptions,
            build=BUILD + "none",
            input="image/image",
        ),
        AugmentationSpec(
            name="image_augmentations/light",
            summary="Small shifts, and mirroring where the labels survive it.",
            options=LightOptions,
            build=BUILD + "light",
            input="image/image",
            uses=FLIP,
        ),
        AugmentationSpec(
            name="image_augmentations/classic",
            summary="The classic tutorial's: shear 0.2 degrees, zoom 0.2, mirroring where labels survive it.",
            options=ClassicOptions,
            build=BUILD + "classic",
            input="image/image",
            uses=FLIP,
        ),
    ]
