"""Builds the image kind from the weights' preprocessing and the user's options."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from headstart.data.folders import walk
from headstart.errors import UsageError
from headstart.specs import Change, Finding, InputKind, InputRequest, Mix, Prepared, Preview, Sample, Shown, TensorSpec
from headstart_plugins._contact_sheet import jpeg, png
from headstart_plugins._picture_preprocess import Preprocess, parse
from headstart_plugins._picture_suffixes import is_picture
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._changes import determinant, fused, parse_box
from headstart_plugins.image._colours import coloured, erased
from headstart_plugins.image._geometry import fit_of, fitted, inner, starts, warped
from headstart_plugins.image._read import judge_notes, read_picture
from headstart_plugins.image._sheet import contact_sheet

if TYPE_CHECKING:
    import keras

SMALLEST_SIDE = 32
"""Below this, different pictures often share a hash: 11 % of Fashion-MNIST's 28 x 28 test pictures would."""
LEAST_CONTRAST = 8
PREVIEW_SIDE, DETAIL_SIDE = 160, 480
INVERTING = ("invert", "solarize")


def build(request: InputRequest) -> InputKind:
    """The kind for one set of weights. Raises UsageError where `preprocess` has a value it does not know."""
    options = request.options if request.options is not None else ImageOptions()
    preprocess = parse(request.preprocess)
    if options.size is not None:
        preprocess = dataclasses.replace(preprocess, height=options.size, width=options.size)
    if options.resize is not None:
        preprocess = dataclasses.replace(preprocess, resize=options.resize)
    return ImageKind(preprocess, options.max_megapixels)


class ImageKind:
    """See `headstart.specs.InputKind`. A Sample's value is RGB pixels (height, width, 3) uint8 at their own
    size."""

    smallest_tile = SMALLEST_SIDE
    hint = "were the pictures scaled to 0..1 before? Give them as 0..255; nothing else may scale them"

    def __init__(self, preprocess: Preprocess, max_megapixels: int) -> None:
        self.preprocess, self.max_megapixels = preprocess, max_megapixels
        self.tensors: Mapping[str, TensorSpec] = {
            "image": TensorSpec((preprocess.height, preprocess.width, 3), "uint8")
        }
        channels = zip(preprocess.scale, preprocess.offset, strict=True)
        ends = [pixel * scale + offset for scale, offset in channels for pixel in (0, 255)]
        self.output_ranges: Mapping[str, tuple[float, float]] = {"image": (min(ends), max(ends))}

    def read(self, payload: Any, where: str) -> Sample:
        """A picture as RGB pixels; how odd ones are converted stands in `_read`."""
        return read_picture(payload, where, self.preprocess.background, self.max_megapixels)

    def judge_notes(self, notes: Mapping[str, int]) -> Sequence[Finding]:
        """A warning where all pictures of 16 bits are nearly black."""
        return judge_notes(notes)

    def prepare(self, sample: Sample) -> Prepared:
        """{"image": (height, width, 3) uint8} at the weights' size.

        Facts are `height` and `width` as they were, `input_height` and `input_width`, and where pixels went: x of the
        input is x of the picture * `scale_x` + `offset_x`, y likewise; (0, 0) is a corner, not a pixel's middle.
        """
        height, width = sample.value.shape[:2]
        fit = fit_of(height, width, self.preprocess)
        facts = {
            "height": height,
            "width": width,
            "input_height": self.preprocess.height,
            "input_width": self.preprocess.width,
            "scale_x": fit.size[0] / width,
            "scale_y": fit.size[1] / height,
            "offset_x": fit.left,
            "offset_y": fit.top,
        }
        return Prepared({"image": fitted(sample.value, self.preprocess)}, facts)

    def tiles(self, sample: Sample, side: int, overlap: int) -> Iterator[Prepared]:
        """See CutsTiles: row by row, each brought to the weights' size as a picture of its own is; of several none is
        cropped, which would lose what lies at a seam, but padded.

        Of the facts, `height` and `width` are the whole picture's, and x of the input is x of the whole picture *
        `scale_x` + `offset_x`; `tile` is left, top, right and bottom in its pixels.
        """
        height, width = sample.value.shape[:2]
        tops, lefts = (starts(length, side, overlap) for length in (height, width))
        is_cropped = self.preprocess.resize == "crop" and len(tops) * len(lefts) > 1
        padding = dataclasses.replace(self.preprocess, resize="pad")
        fitting = ImageKind(padding, self.max_megapixels) if is_cropped else self
        for top in tops:
            for left in lefts:
                right, bottom = min(left + side, width), min(top + side, height)
                row = fitting.prepare(Sample(sample.value[top:bottom, left:right]))
                facts = {
                    **row.facts,
                    "height": height,
                    "width": width,
                    "offset_x": row.facts["offset_x"] - left * row.facts["scale_x"],
                    "offset_y": row.facts["offset_y"] - top * row.facts["scale_y"],
                    "tile": [left, top, right, bottom],
                }
                yield Prepared(row.tensors, facts)

    def transform(self, tensors: Mapping[str, np.ndarray], changes: Sequence[Change]) -> Mapping[str, np.ndarray]:
        """All matrices as one, affine and bilinear, beyond the border the nearest border pixel; then colours in order,
        then what is erased."""
        whole = fused(changes)
        moved = warped(tensors["image"], whole.matrix)
        return {"image": erased(coloured(moved, whole.colours), whole.erased)}

    def symmetries(self, changes: Sequence[Change]) -> Mapping[str, str]:
        """Mirroring, turns by more than 90 degrees, and inverted values: what is done, by the symmetry that would allow
        it."""
        whole = fused(changes)
        needed: dict[str, str] = {}
        if determinant(whole.matrix) < 0:
            needed["horizontal_flip"] = f"mirrors the sample: {whole.matrix}"
        elif whole.matrix[0][0] + whole.matrix[1][1] < 0:
            needed["rotation"] = f"turns the sample by more than 90 degrees: {whole.matrix}"
        if inverting := [colour for colour in whole.colours if colour.name in INVERTING]:
            needed["colour_inversion"] = f"inverts values: {inverting[0]}"
        return needed

    def only_moves(self, changes: Sequence[Change]) -> bool:
        """Where no colour changes and nothing is erased."""
        whole = fused(changes)
        return not (whole.colours or whole.erased)

    def mix(
        self, tensors: Mapping[str, np.ndarray], partner: Mapping[str, np.ndarray], mix: Mix
    ) -> Mapping[str, np.ndarray]:
        """With a region, which is a box, the partner's pixels inside of it, to the pixel. Without one share * own +
        (1 - share) * partner in float64, rounded half to even."""
        own, other = tensors["image"], partner["image"]
        if mix.region is None:
            return {"image": np.rint(mix.share * own.astype(np.float64) + (1 - mix.share) * other).astype(np.uint8)}
        made = own.copy()
        inside = inner(parse_box(mix.region, "mix"), *own.shape[:2])
        made[inside] = other[inside]
        return {"image": made}

    def own_share(self, mix: Mix) -> float:
        """Of the pixels where there is a box, but for those that later ones cover."""
        if mix.region is None:
            return mix.share
        seen = np.ones((self.preprocess.height, self.preprocess.width), np.bool_)
        for later in mix.steps[1:]:
            if later.region is not None:
                seen[inner(parse_box(later.region, "mix"), *seen.shape)] = False
        left = int(seen.sum())
        inside = int(seen[inner(parse_box(mix.region, "mix"), *seen.shape)].sum())
        return 1 - inside / left if left else 1.0

    def stage(self) -> keras.Model:
        """{"image": (batch, height, width, 3) uint8} to {"image": the same shape, float32}: x * scale + offset a
        channel.

        Stock operations only and no weights, so that every exporter knows it. Channels are reversed first where
        the weights want BGR.
        """
        import keras

        scale, offset = list(self.preprocess.scale), list(self.preprocess.offset)
        pixels = keras.Input(self.tensors["image"].shape, dtype="uint8", name="image")
        values = keras.ops.cast(pixels, "float32")
        if self.preprocess.channels == "bgr":
            values = keras.ops.flip(values, axis=-1)
        scaled = keras.layers.Rescaling(scale, offset=offset, dtype="float32")(values)
        return keras.Model({"image": pixels}, {"image": scaled}, name="image")

    def find(self, raw: str | Path) -> Sequence[Path]:
        """A file itself, whatever its name; of a folder, what its suffix says is a picture. Links as in `walk`."""
        path = Path(raw)
        if not path.exists():
            raise UsageError(f"no such file or folder: {raw}")
        if not path.is_dir():
            return [path]
        return [file for file in walk(path).files if is_picture(file)]

    def fingerprint(self, sample: Sample) -> int | None:
        """The 64-bit difference hash (dHash, Krawetz 2013); None for pictures too small or too even to be told apart by
        it."""
        if min(sample.value.shape[:2]) < SMALLEST_SIDE:
            return None
        grey = Image.fromarray(sample.value).convert("L").resize((9, 8), Image.Resampling.BOX)
        values = np.asarray(grey).astype(np.int16)
        if int(values.max()) - int(values.min()) < LEAST_CONTRAST:
            return None
        bits = values[:, 1:] > values[:, :-1]
        return int.from_bytes(np.packbits(bits).tobytes(), "big")

    def preview(self, sample: Sample, changes: Sequence[Change] = ()) -> Preview:
        """A PNG of at most 160 pixels a side; tiny pictures are enlarged by a whole factor so that they can be seen.

        As it came without changes; with some as the network sees it: fitted, then varied.
        """
        pixels = self.transform(self.prepare(sample).tensors, changes)["image"] if changes else sample.value
        picture = Image.fromarray(pixels)
        factor = PREVIEW_SIDE // (2 * max(picture.size))
        if factor > 1:
            size = (picture.width * factor, picture.height * factor)
            picture = picture.resize(size, Image.Resampling.NEAREST)
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        return png(picture)

    def detailed_preview(self, sample: Sample) -> Preview:
        """A JPEG of at most 480 pixels a side."""
        picture = Image.fromarray(sample.value)
        picture.thumbnail((DETAIL_SIDE, DETAIL_SIDE))
        return jpeg(picture)

    def sheet(self, rows: Sequence[Sequence[Shown]], titles: Sequence[str]) -> Preview:
        """A PNG of captioned pictures; see `_sheet.contact_sheet`."""
        return contact_sheet(rows, titles)
