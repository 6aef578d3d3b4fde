"""Builds the image kind from the weights' preprocessing and the user's options."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from headstart.data.folders import walk
from headstart.errors import UsageError
from headstart.specs import InputKind, InputRequest, Mix, Preview, Sample, TensorSpec, Transform
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._colours import coloured
from headstart_plugins.image._fingerprint import difference_hash
from headstart_plugins.image._geometry import fitted, warped
from headstart_plugins.image._mixing import erased, mixed, own_share
from headstart_plugins.image._preprocess import Preprocess, parse
from headstart_plugins.image._read import read_picture

if TYPE_CHECKING:
    import keras

COMMON = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".tif", ".tiff", ".webp")
RARE = (".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k")
SUFFIXES = frozenset({*COMMON, *RARE})
"""Names that `find` takes for pictures, in lower case."""
PREVIEW_SIDE = 160


def build(request: InputRequest) -> InputKind:
    """The kind for one set of weights. Raises UsageError where `preprocess` has a value it does not know."""
    options = request.options if request.options is not None else ImageOptions()
    preprocess = parse(request.preprocess)
    if options.size is not None:
        preprocess = dataclasses.replace(preprocess, height=options.size, width=options.size)
    if options.resize is not None:
        preprocess = dataclasses.replace(preprocess, resize=options.resize)
    return ImageKind(preprocess)


class ImageKind:
    """See `headstart.specs.InputKind`. A Sample's value is RGB pixels (height, width, 3) uint8 at their own
    size."""

    hint = "were the pictures scaled to 0..1 before? Give them as 0..255; nothing else may scale them"

    def __init__(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess
        self.tensors: Mapping[str, TensorSpec] = {
            "image": TensorSpec((preprocess.height, preprocess.width, 3), "uint8")
        }
        self.output_ranges: Mapping[str, tuple[float, float]] = {"image": _output_range(preprocess)}

    def read(self, payload: Any, where: str) -> Sample:
        """A picture as RGB pixels; how odd ones are converted stands in `_read`."""
        return read_picture(payload, where, self.preprocess.background)

    def prepare(self, sample: Sample) -> Mapping[str, np.ndarray]:
        """{"image": (height, width, 3) uint8} at the weights' size."""
        return {"image": fitted(sample.value, self.preprocess)}

    def transform(self, prepared: Mapping[str, np.ndarray], transform: Transform) -> Mapping[str, np.ndarray]:
        """Affine and bilinear, beyond the border the nearest border pixel; then colours, then what is erased."""
        moved = warped(prepared["image"], transform)
        return {"image": erased(coloured(moved, transform.colours), transform.erased)}

    def mix(
        self, prepared: Mapping[str, np.ndarray], partner: Mapping[str, np.ndarray], mix: Mix
    ) -> Mapping[str, np.ndarray]:
        """Averaged and rounded to whole grey levels, or the partner's pixels in a box; see `_mixing.mixed`."""
        return {"image": mixed(prepared["image"], partner["image"], mix)}

    def own_share(self, mix: Mix) -> float:
        """Of the pixels where there is a box."""
        return own_share(mix, self.preprocess.height, self.preprocess.width)

    def stage(self) -> keras.Model:
        """Pixels to the weights' range; see `_stage.image_stage`."""
        from headstart_plugins.image._stage import image_stage

        return image_stage(self.preprocess)

    def find(self, path: Path) -> Sequence[Path]:
        """A file itself, whatever its name; of a folder, what its suffix says is a picture. Links as in
        `walk`."""
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        if not path.is_dir():
            return [path]
        return [file for file in walk(path).files if file.suffix.lower() in SUFFIXES]

    def fingerprint(self, sample: Sample) -> int | None:
        """The 64-bit difference hash; None for tiny or even pictures."""
        return difference_hash(sample.value)

    def preview(self, sample: Sample) -> Preview:
        """A PNG of at most 160 pixels a side; tiny pictures are enlarged by a whole factor so that they can
        be seen."""
        picture = Image.fromarray(sample.value)
        factor = PREVIEW_SIDE // (2 * max(picture.size))
        if factor > 1:
            size = (picture.width * factor, picture.height * factor)
            picture = picture.resize(size, Image.Resampling.NEAREST)
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        return Preview("image/png", stream.getvalue())


def _output_range(preprocess: Preprocess) -> tuple[float, float]:
    ends = [
        pixel * scale + offset
        for scale, offset in zip(preprocess.scale, preprocess.offset, strict=True)
        for pixel in (0, 255)
    ]
    return min(ends), max(ends)
