"""The kind of targets `mask`: a class for each pixel of a picture."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import TargetSpec


@hookimpl
def register_targets() -> Iterable[TargetSpec]:
    """Offer masks."""
    return [
        TargetSpec(
            name="masks/mask",
            summary="A class for each pixel, or void: a file of numbers or colours, polygons, or run lengths.",
            build="headstart_plugins.masks._build:build",
            means="a mask of classes",
        )
    ]
