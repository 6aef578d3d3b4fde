"""Pictures with masks that packages bring, or that are composed of what they bring: `nuclei`, `stamp_masks`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec
from headstart_plugins._made_sets.options import SceneOptions, must_advance


@dataclass(frozen=True)
class NucleiOptions:
    """How the picture is cut into tiles, and its pixels into classes."""

    tile: int = option(96, "Side of a tile in pixels; at the most as wide as its region.", low=64, high=512)
    overlap: int = option(32, "Pixels that neighbours share at least; those at the far edges share more.", low=0)
    border: int = option(
        0,
        "A third class, border: pixels no further than this from two nuclei, in both directions, so that such as touch "
        "can be told apart; 0 for none.",
        low=0,
        high=8,
    )

    def __post_init__(self) -> None:
        """Raises ValueError where tiles would not advance."""
        must_advance(self.tile, self.overlap)


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Two sets of pictures, each made from a package."""
    return [
        DatasetSpec(
            name="segmentation_sets/nuclei",
            summary="One real picture of 125 nuclei under a microscope, in tiles, held out by region: enough to try a "
            "network on, and no more; from the Python package stardist.",
            build="headstart_plugins.segmentation_sets._nuclei:build",
            make="headstart_plugins.segmentation_sets._nuclei:make",
            make_options=NucleiOptions,
            medium="image",
            targets=("masks/mask",),
            takes_path=False,
            licence="BSD-3-Clause (Uwe Schmidt, Martin Weigert), as the package states; the picture is of the 2018 "
            "Data Science Bowl (Caicedo et al. 2019)",
        ),
        DatasetSpec(
            name="segmentation_sets/stamp_masks",
            summary="The scenes of stamp_scenes with a class for each pixel: background, birds, fish, flowers, fruit, "
            "houses, insects, mammals and vehicles; from the Debian package tuxpaint-stamps-default.",
            build="headstart_plugins.segmentation_sets._stamps:build",
            make="headstart_plugins._made_sets.scenes:make",
            make_options=SceneOptions,
            medium="image",
            targets=("masks/mask",),
            takes_path=False,
            licence="GPL-2 (Bill Kendrick and others), as the package states",
        ),
    ]
