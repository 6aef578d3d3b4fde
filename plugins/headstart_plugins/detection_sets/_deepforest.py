"""Trees on airborne photographs (Weinstein et al., the package deepforest; photographs of NEON), cut into tiles."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from headstart.errors import DataError
from headstart.packages import PublishedFile, bring
from headstart.specs import DatasetRequest, Finding, MakeRequest, Records
from headstart_plugins._made_sets.coco_files import SIDES, Box, Picture, read_info, read_records, write_side
from headstart_plugins._made_sets.tiles import tiled
from headstart_plugins.detection_sets import TileOptions

PACKAGE = PublishedFile(
    client="wheel",
    name="deepforest",
    version="2.1.0",
    digest="8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54",
)
LABEL = "tree"
"""The one class. Of one photograph the trees are called Alive and Dead instead: what stands in one photograph alone
cannot be held out by photograph."""


@dataclass(frozen=True)
class Photograph:
    """A photograph of the package: how its files are called, a short name, and the side that it is on."""

    stem: str
    name: str
    side: str


PHOTOGRAPHS = (
    Photograph("2019_YELL_2_528000_4978000_image_crop2", "yell_528", "train"),
    Photograph("SOAP_061", "soap_061", "train"),
    Photograph("OSBS_029", "osbs_029", "val"),
    Photograph("2019_YELL_2_541000_4977000_image_crop", "yell_541", "test"),
)
"""574 and 37 boxes train, 61 choose, and 279 test: the two that are large enough for figures are of one region, and of
these the larger trains."""


def make(request: MakeRequest) -> None:
    """Write the tiles of all photographs and their boxes. Raises UsageError where the package cannot be had, or the
    file given is not it."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        package = bring(PACKAGE, Path(place), here=request.source)
        with zipfile.ZipFile(package) as archive:
            for side in SIDES:
                found = [each for each in PHOTOGRAPHS if each.side == side]
                write_tiles(request.folder, side, [read_photograph(archive, each) for each in found], request.options)


def read_photograph(archive: zipfile.ZipFile, photograph: Photograph) -> tuple[str, np.ndarray, np.ndarray]:
    """The short name, the pixels (height, width, 3) uint8, and the corners (box, 4) int64 of all trees.

    Pascal VOC counts pixels from 1 and names the last one inside, so that its first edge is one too high. Raises
    DataError where the photograph is not in the archive, or its annotations are for another size.
    """
    place = f"deepforest/data/{photograph.stem}"
    try:
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(f"{place}.png"))).convert("RGB"))
        root = ElementTree.fromstring(archive.read(f"{place}.xml"))
    except KeyError as exc:
        raise DataError(f"{archive.filename}: {exc}", hint=f"expected the file of {PACKAGE}") from exc
    edges = [
        [int(box.findtext(edge, "")) for edge in ("xmin", "ymin", "xmax", "ymax")]
        for box in root.iterfind("object/bndbox")
    ]
    stated = tuple(int(root.findtext(f"size/{side}", "0")) for side in ("height", "width"))
    if stated != pixels.shape[:2]:
        raise DataError(f"{place}.xml is for {stated}, the photograph has {pixels.shape[:2]}", hint="tell its authors")
    return photograph.name, pixels, np.array(edges, np.int64).reshape(-1, 4) - np.array([1, 1, 0, 0])


def write_tiles(
    folder: Path, side: str, photographs: list[tuple[str, np.ndarray, np.ndarray]], options: TileOptions
) -> None:
    """Write each photograph's tiles as PNG, losslessly, and the boxes of all; a tile without boxes is kept."""
    (folder / side).mkdir()
    pictures = []
    for name, pixels, corners in photographs:
        height, width = pixels.shape[:2]
        for top, bottom in tiled(height, options.tile, options.overlap):
            for left, right in tiled(width, options.tile, options.overlap):
                file = f"{name}-{left:04d}-{top:04d}.png"
                Image.fromarray(pixels[top:bottom, left:right]).save(folder / side / file)
                boxes = tuple(inside(corners, (left, top, right, bottom), options.kept))
                pictures.append(Picture(file, right - left, bottom - top, boxes, name))
    whole = {name: len(corners) for name, _, corners in photographs}
    write_side(folder, side, pictures, {"classes": [LABEL], "from": str(PACKAGE), **asdict(options), "boxes": whole})


def inside(corners: np.ndarray, tile: tuple[int, int, int, int], kept: float) -> Iterator[Box]:
    """Of `corners` (box, 4) those with a share of at least `kept` of their area inside `tile`, cut to it, in its
    coordinates."""
    frame = np.array(tile)
    cut = np.concatenate([np.maximum(corners[:, :2], frame[:2]), np.minimum(corners[:, 2:], frame[2:])], axis=1)
    sizes, whole = np.clip(cut[:, 2:] - cut[:, :2], 0, None), corners[:, 2:] - corners[:, :2]
    for edges, area, full in zip(cut - np.tile(frame[:2], 2), sizes.prod(axis=1), whole.prod(axis=1), strict=True):
        if area >= kept * full and area > 0:
            left, top, right, bottom = edges.tolist()
            yield Box(LABEL, (left, top, right, bottom), int(area))


def build(request: DatasetRequest) -> Records:
    """Records of tiles with the photograph as group; turned or mirrored, a photograph from above is still one. Raises
    DataError naming the file that cannot be read."""
    assert request.made is not None  # the spec names what makes it
    items = read_records(request.made)
    symmetries = frozenset({"horizontal_flip", "rotation"})
    return Records("image", items, symmetries, targets="boxes/boxes", findings=(_told(read_info(request.made)),))


def _told(info: Mapping[str, object]) -> Finding:
    """How little this is."""
    said = (
        f"these are tiles of {len(PHOTOGRAPHS)} photographs ({info['tile']} px, overlapping by {info['overlap']} or "
        "more): "
        + "; ".join(f"{side} {' and '.join(each.name for each in PHOTOGRAPHS if each.side == side)}" for side in SIDES)
        + f". One photograph tests: intervals over its tiles say nothing about other places. A box is in each tile "
        f"that holds {info['kept']:.0%} of it, so that some count twice; what is cut off more is not annotated"
    )
    return Finding("note", said, len(PHOTOGRAPHS))
