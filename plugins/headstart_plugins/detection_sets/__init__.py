"""Pictures with boxes that packages bring, or that are composed of what they bring: `deepforest`, `stamp_scenes`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec
from headstart_plugins._made_sets.options import SceneOptions, must_advance


@dataclass(frozen=True)
class TileOptions:
    """How the airborne photographs are cut into tiles."""

    tile: int = option(200, "Side of a tile in pixels; a photograph that is smaller is one tile.", low=64, high=2000)
    overlap: int = option(40, "Pixels that neighbours share at least; those at the far edges share more.", low=0)
    kept: float = option(
        0.5, "A box belongs to each tile that at least this share of its area lies in, cut to it.", low=0.05, high=1.0
    )

    def __post_init__(self) -> None:
        """Raises ValueError where tiles would not advance."""
        must_advance(self.tile, self.overlap)


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Two sets of pictures, each made from a package."""
    return [
        DatasetSpec(
            name="detection_sets/deepforest",
            summary="951 boxes of trees on 4 real airborne photographs, in tiles, held out by photograph; from the "
            "Python package deepforest.",
            build="headstart_plugins.detection_sets._deepforest:build",
            make="headstart_plugins.detection_sets._deepforest:make",
            make_options=TileOptions,
            medium="image",
            targets=("boxes/boxes",),
            takes_path=False,
            licence="MIT (weecology, University of Florida), as the package states",
        ),
        DatasetSpec(
            name="detection_sets/stamp_scenes",
            summary="Drawn pictures with birds, fish, flowers, fruit, houses, insects, mammals and vehicles, exact "
            "boxes and masks, held out by stamp; from the Debian package tuxpaint-stamps-default.",
            build="headstart_plugins.detection_sets._scenes:build",
            make="headstart_plugins._made_sets.scenes:make",
            make_options=SceneOptions,
            medium="image",
            targets=("boxes/boxes",),
            takes_path=False,
            licence="GPL-2 (Bill Kendrick and others), as the package states",
        ),
    ]
