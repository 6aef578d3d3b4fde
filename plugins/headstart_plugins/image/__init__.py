"""The image input kind: pictures from files or arrays to the tensors that a backbone's weights expect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import InputSpec


@dataclass(frozen=True)
class ImageOptions:
    """What a user can choose about reading pictures; everything else belongs to the weights."""

    size: int | None = option(
        None,
        "Side in pixels that pictures are brought to; the weights' native size if unset.",
        low=8,
        high=4096,
    )
    resize: str | None = option(
        None,
        "How a picture of another shape is fitted: pad keeps all of it, crop its centre, "
        "stretch distorts it; the weights' own way if unset.",
        choices=("pad", "stretch", "crop"),
    )


@hookimpl
def register_inputs() -> Iterable[InputSpec]:
    """The kind `image`."""
    return [
        InputSpec(
            name="image/image",
            summary="Pictures (JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, ...) or pixel arrays, as RGB.",
            options=ImageOptions,
            build="headstart_plugins.image._build:build",
            reads=("image",),
            produces="image",
            readers=("pillow", "numpy"),
            flags={"image-size": "size"},
            native=True,
        )
    ]
