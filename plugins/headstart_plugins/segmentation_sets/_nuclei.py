"""Nuclei under a fluorescence microscope (Caicedo et al. 2019; the package stardist), one picture, cut into tiles."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart.errors import DataError
from headstart.packages import PublishedFile, bring
from headstart.specs import DatasetRequest, Finding, MakeRequest, Records
from headstart_plugins._made_sets.coco_files import AGAIN
from headstart_plugins._made_sets.tiles import tiled
from headstart_plugins.segmentation_sets import NucleiOptions
from headstart_plugins.segmentation_sets._records import read_records

PACKAGE = PublishedFile(
    client="wheel",
    name="stardist",
    version="0.9.2",
    digest="2316c0feb7bd5621e7a277cb3868df475c338943c591925c420ee3622c42f023",
    tags="cp311-cp311-manylinux_2_28_x86_64",
)
PICTURE, INSTANCES = "stardist/data/images/img2d.tif", "stardist/data/images/mask2d.tif"
REGIONS = {"train": (0, 288), "val": (288, 384), "test": (384, 512)}
"""The columns of the picture that each side has, all rows: no pixel is on two sides."""
CLASSES = ("background", "nucleus", "border")
PALETTE = (0, 0, 0, 60, 200, 90, 240, 70, 60)


def make(request: MakeRequest) -> None:
    """Write the tiles of all regions and their masks, as PNG. Raises UsageError where the package cannot be had, or the
    file given is not it."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        package = bring(PACKAGE, Path(place), here=request.source)
        with zipfile.ZipFile(package) as archive:
            pixels, instances = (read_array(archive, name) for name in (PICTURE, INSTANCES))
    if pixels.max() > 255 or pixels.shape != instances.shape or instances.shape[1] != REGIONS["test"][1]:
        raise DataError(f"{PICTURE} of {PACKAGE} is not as it was: {pixels.shape}, up to {pixels.max()}")
    write_tiles(request.folder, pixels.astype(np.uint8), instances, request.options)


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """The numbers (height, width) uint16 of a picture in the package. Raises DataError where it is not there."""
    try:
        return np.asarray(Image.open(io.BytesIO(archive.read(name))))
    except KeyError as exc:
        raise DataError(f"{archive.filename}: {exc}", hint=f"expected the file of {PACKAGE}") from exc


def write_tiles(folder: Path, pixels: np.ndarray, instances: np.ndarray, options: NucleiOptions) -> None:
    """Write SIDE/NAME.png and masks/SIDE/NAME.png for each tile of `pixels` (height, width) uint8, whose `instances`
    (height, width) have a number each, 0 for none; masks/classes.txt, and what was asked for."""
    classes = classes_of(instances, options.border)
    names = CLASSES if options.border else CLASSES[:2]
    for side, (left, right) in REGIONS.items():
        (folder / side).mkdir()
        (folder / "masks" / side).mkdir(parents=True)
        for top, bottom in tiled(pixels.shape[0], options.tile, options.overlap):
            for start, end in tiled(right - left, options.tile, options.overlap):
                tile = slice(top, bottom), slice(left + start, left + end)
                name = f"{left + start:03d}-{top:03d}.png"
                Image.fromarray(pixels[tile]).save(folder / side / name)
                mask = Image.fromarray(classes[tile])
                mask.putpalette(PALETTE[: 3 * len(names)])
                mask.save(folder / "masks" / side / name)
    (folder / "masks" / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8", newline="\n")
    about = {"from": str(PACKAGE), **asdict(options), "nuclei": len(np.unique(instances[instances > 0]))}
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8", newline="\n")


def classes_of(instances: np.ndarray, border: int) -> np.ndarray:
    """The place in CLASSES of each pixel, uint8: that of a nucleus where there is one; with a `border` of the third
    class what has two nuclei within so many pixels, in rows and columns."""
    found: np.ndarray = (instances > 0).astype(np.uint8)
    if border:
        from scipy import ndimage

        whole = instances.astype(np.int64)
        beyond = int(whole.max()) + 1
        side = 2 * border + 1
        highest = ndimage.maximum_filter(whole, side, mode="nearest")
        lowest = ndimage.minimum_filter(np.where(whole == 0, beyond, whole), side, mode="nearest")
        found[lowest < highest] = 2
    return found


def build(request: DatasetRequest) -> Records:
    """Records of tiles; turned or mirrored, what lies under a microscope is still one. Raises DataError naming the file
    that cannot be read."""
    assert request.made is not None  # the spec names what makes it
    items = read_records(request.made)
    return Records(
        "image",
        items,
        frozenset({"horizontal_flip", "rotation"}),
        targets="masks/mask",
        findings=(_told(_about(request.made), len(items)),),
    )


def _told(about: dict[str, Any], count: int) -> Finding:
    """How little this is."""
    regions = ", ".join(f"{side} columns {left} to {right}" for side, (left, right) in REGIONS.items())
    said = (
        f"these are {count} tiles ({about['tile']} px, overlapping by {about['overlap']} or more) of one picture of "
        f"512 x 512 pixels with {about['nuclei']} nuclei, held out by region ({regions}): no pixel is on two sides. A "
        "nucleus on the edge of a region is cut in two. All is one slide, one microscope and one day: figures say "
        "whether a network learns, and nothing about other pictures"
    )
    return Finding("note", said, count)


def _about(folder: Path) -> dict[str, Any]:
    place = folder / "about.json"
    try:
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise DataError(f"{place} cannot be read: {exc}", hint=AGAIN) from exc
    return found
