"""Ways to vary training pictures: simple ones, automatic policies, and mixtures of two pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import NoOptions, option
from headstart.specs import AugmentationSpec

HERE = "headstart_plugins.image_augmentations."
BUILD = HERE + "_build:"
FLIP = frozenset({"horizontal_flip"})
MOVES = frozenset({"matrix"})
POLICY = MOVES | {
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
}


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


@dataclass(frozen=True)
class RandAugmentOptions:
    """How many changes, and how strong."""

    n: int = option(2, "Changes of each picture, one after the other.", low=1, high=3)
    m: int = option(9, "Their strength: 0 is next to nothing, 30 the end of each range.", low=0, high=30)


@dataclass(frozen=True)
class ColourOptions:
    """How far each property goes; 0 leaves it out."""

    brightness: float = option(0.4, "The factor is 1 - x to 1 + x, at least 0.", low=0.0, high=2.0)
    contrast: float = option(0.4, "The factor is 1 - x to 1 + x, at least 0.", low=0.0, high=2.0)
    saturation: float = option(0.4, "The factor is 1 - x to 1 + x, at least 0.", low=0.0, high=2.0)
    hue: float = option(0.1, "Moved by up to this share of the colour circle to either side.", low=0.0, high=0.5)


@dataclass(frozen=True)
class ErasingOptions:
    """Which rectangles, and what stands in them."""

    probability: float = option(0.5, "Share of the pictures that lose a rectangle.", low=0.0, high=1.0)
    smallest: float = option(0.02, "Smallest share of the picture's area.", low=0.0001, high=1.0)
    largest: float = option(0.33, "Largest share of the picture's area.", low=0.0001, high=1.0)
    flattest: float = option(0.3, "Height / width is this to 1 / this.", low=0.01, high=1.0)
    fill: str = option("mean", "The picture's mean colour, or noise.", choices=("mean", "noise"))

    def __post_init__(self) -> None:
        """Raises ValueError where the bounds of the area contradict each other."""
        if self.smallest > self.largest:
            raise ValueError(f"smallest is {self.smallest:g}, above largest, which is {self.largest:g}")


@dataclass(frozen=True)
class MixupOptions:
    """How even the mixtures are."""

    alpha: float = option(0.2, "Of Beta(alpha, alpha): 1 is any share, less is mostly one.", low=0.05, high=2.0)
    probability: float = option(1.0, "Share of the pictures that are mixed.", low=0.0, high=1.0)


@dataclass(frozen=True)
class CutmixOptions:
    """How large the rectangles are."""

    alpha: float = option(1.0, "Of Beta(alpha, alpha): 1 is any area, less is mostly one.", low=0.05, high=2.0)
    probability: float = option(1.0, "Share of the pictures that are mixed.", low=0.0, high=1.0)


@dataclass(frozen=True)
class MosaicOptions:
    """How often, and how large the four are."""

    probability: float = option(0.5, "Share of the pictures that become a quarter of a mosaic.", low=0.0, high=1.0)
    zoom: float = option(
        1.5, "Each picture is as large as its part needs, times 1 to this; what does not fit is cut.", low=1.0, high=4.0
    )


@hookimpl
def register_augmentations() -> Iterable[AugmentationSpec]:
    """Simple ones, then policies, then single changes, then mixtures."""
    return [
        AugmentationSpec(
            name="image_augmentations/none",
            summary="Training pictures as they are.",
            options=NoOptions,
            build=BUILD + "Unchanged",
        ),
        AugmentationSpec(
            name="image_augmentations/light",
            summary="Small shifts, and mirroring where the labels survive it.",
            options=LightOptions,
            build=BUILD + "Light",
            draws=MOVES,
            uses=FLIP,
            default_for="image",
        ),
        AugmentationSpec(
            name="image_augmentations/classic",
            summary="The classic tutorial's: shear 0.2 degrees, zoom 0.2, mirroring where labels survive it.",
            options=ClassicOptions,
            build=BUILD + "Classic",
            draws=MOVES,
            uses=FLIP,
        ),
        AugmentationSpec(
            name="image_augmentations/trivial_augment",
            summary="One of 13 changes, or 14 with inverted colours, of any strength (TrivialAugment Wide); large "
            "turns where labels survive them.",
            options=NoOptions,
            build=HERE + "_policies:TrivialAugment",
            draws=POLICY,
            uses=frozenset({"rotation", "colour_inversion"}),
        ),
        AugmentationSpec(
            name="image_augmentations/rand_augment",
            summary="Several of 13 changes, or 14 with inverted colours, all of one strength (RandAugment).",
            options=RandAugmentOptions,
            build=HERE + "_policies:RandAugment",
            draws=POLICY,
            uses=frozenset({"colour_inversion"}),
        ),
        AugmentationSpec(
            name="image_augmentations/colour",
            summary="Brightness, contrast, saturation and hue.",
            options=ColourOptions,
            build=BUILD + "Jitter",
            draws=frozenset({"brightness", "contrast", "saturation", "hue"}),
        ),
        AugmentationSpec(
            name="image_augmentations/random_erasing",
            summary="A rectangle of some pictures is overwritten.",
            options=ErasingOptions,
            build=BUILD + "RandomErasing",
            draws=frozenset({"erase"}),
        ),
        AugmentationSpec(
            name="image_augmentations/mixup",
            summary="The average of two pictures, and of their labels.",
            options=MixupOptions,
            build=BUILD + "Mixup",
            mixes=True,
        ),
        AugmentationSpec(
            name="image_augmentations/cutmix",
            summary="A rectangle of another picture, and as much of its label.",
            options=CutmixOptions,
            build=BUILD + "Cutmix",
            mixes=True,
        ),
        AugmentationSpec(
            name="image_augmentations/mosaic",
            summary="Four pictures as one, each smaller, around a point that is drawn; their boxes, or as much of each "
            "label.",
            options=MosaicOptions,
            build=BUILD + "Mosaic",
            draws=MOVES,
            mixes=True,
        ),
    ]
