"""The image input kind: pictures from files or arrays to the tensors that a backbone's weights expect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    max_megapixels: int = option(
        64,
        "Largest picture that is decoded, in millions of pixels; each takes 3 MB or more in every thread that reads.",
        low=1,
        high=4096,
    )


FACTOR = "the factor, at least 0; 1 changes nothing"
CHANGES: Mapping[str, str] = {
    "matrix": "Moves pixels, bilinear: three rows of three numbers that map output to input, homogeneous (x, y, 1), "
    "with the centre at the origin, x to the right and y down, and sides from -0.5 to 0.5; the last row is (0, 0, 1).",
    "brightness": f"Away from black: {FACTOR}.",
    "contrast": f"Away from the grey of the mean: {FACTOR}.",
    "saturation": f"Away from shades of grey: {FACTOR}.",
    "sharpness": f"Away from the smoothed picture: {FACTOR}.",
    "hue": "Moves hues: the share of the full circle, -0.5 to 0.5.",
    "posterize": "Keeps the high bits of each value: how many, 1 to 8.",
    "solarize": "Inverts values from one on: which, 0 to 256.",
    "autocontrast": "Stretches each channel over the whole range: no value.",
    "equalize": "Distributes the values of each channel evenly: no value.",
    "invert": "Inverts all values: no value.",
    "erase": "Overwrites a box: (left, top, right, bottom) in the coordinates of the matrix, it may stick out; "
    "mean or noise; the seed of the noise, 0 to 2**53.",
}
"""What can be drawn for pictures: matrices are multiplied and applied first, then come colours in order, then what is
erased."""


@hookimpl
def register_inputs() -> Iterable[InputSpec]:
    """The kind `image`."""
    return [
        InputSpec(
            name="image/image",
            summary="Pictures (JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, HEIC by an extra, ...) or pixel arrays, as RGB.",
            options=ImageOptions,
            build="headstart_plugins.image._build:build",
            changes=CHANGES,
            reads=("image",),
            produces="image",
            version=2,
            readers=("pillow", "numpy", "pi-heif"),
            flags={"image-size": "size"},
            native=True,
        )
    ]
