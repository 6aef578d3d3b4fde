"""The kind of targets `boxes`: the objects of a picture, each with a class and a box."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import TargetSpec


@hookimpl
def register_targets() -> Iterable[TargetSpec]:
    """Offer boxes."""
    return [
        TargetSpec(
            name="boxes/boxes",
            summary="Any number of boxes a picture, each with a class, in pixels of the upright picture.",
            build="headstart_plugins.boxes._build:build",
            means="boxes with classes",
            columns={"boxes": "text"},
        )
    ]
