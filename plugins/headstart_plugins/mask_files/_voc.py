"""Masks as Pascal VOC has them: SegmentationClass/NAME.png for JPEGImages/NAME.jpg, sides in ImageSets/Segmentation.

M. Everingham, J. Winn, "The PASCAL VOC2012 Challenge Development Kit", section 4.2: indexed PNG, 0 for the background,
1 to 20 for the classes by name, 255 for the border between things, which is not scored.
"""

from __future__ import annotations

from pathlib import Path

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Skipped
from headstart_plugins._annotations.told import Fault
from headstart_plugins._annotations.voc_lists import listed_side, side_lists
from headstart_plugins._annotations.where import Data
from headstart_plugins._mask_layouts import VOC_MASKS, VOC_PICTURES
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.pixels import count_files
from headstart_plugins.mask_files._classes import find_legend
from headstart_plugins.mask_files._options import VocMaskOptions
from headstart_plugins.mask_files._records import Found, Masked, with_counts

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
LOST = Fault(
    "mask", "without a picture", f"masks of {VOC_MASKS} are called as their pictures in {VOC_PICTURES}", "warning"
)


def read_voc(data: Data, options: VocMaskOptions) -> tuple[Found, Legend]:
    """The pictures that have a mask, and what values mean: 21 classes, unless something names others. Raises DataError
    where there are none, or masks of several years, and as `find_legend`."""
    home = voc_home(data)
    folder = data.root / options.images if options.images else home / VOC_PICTURES
    pictures: dict[str, Path] = {}
    for file in data.tree.below(folder):
        if (other := pictures.setdefault(file.stem, file)) != file:
            raise DataError(f"{folder}: two pictures are called {file.stem}: {other.name}, {file.name}")
    lists = side_lists(data, "Segmentation")
    found, files = Found(), []
    for mask in data.tree.below(home / VOC_MASKS):
        if mask.stem in pictures:
            files.append((pictures[mask.stem], mask))
        else:
            found.told.add(LOST, data.key(mask))
    if not files:
        raise DataError(f"{home / VOC_MASKS}: no mask is called as a picture in {folder}")
    counts = count_files([mask for _, mask in files])
    legend = find_legend(
        data, dict(zip((mask for _, mask in files), counts, strict=True)), options, found.told, CLASSES
    )
    for (picture, mask), counted in zip(files, counts, strict=True):
        side = listed_side(lists, mask)
        found.pictures.append(Masked(data.key(picture), picture, with_counts(legend, mask, counted), side))
    if without := sorted({*pictures.values()} - {picture for picture, _ in files}):
        told = f"{len(without)} pictures without a mask, such as {data.key(without[0])}"
        found.skipped.append(Skipped(str(folder), told))
    return found, legend


def voc_home(data: Data) -> Path:
    """The folder that holds SegmentationClass and JPEGImages: the data, or the only such one below it. Raises
    DataError."""
    homes = [each.parent for below in data.tree.folders.values() for each in below if each.name == VOC_MASKS]
    homes = [each for each in homes if data.tree.is_folder(each / VOC_PICTURES)]
    if len(homes) > 1:
        listed = in_line([data.key(each) for each in sorted(homes)])
        raise DataError(f"{data.root}: masks of Pascal VOC in several folders: {listed}", hint=f"open {homes[0]}")
    if not homes:
        raise DataError(f"{data.root}: no {VOC_MASKS} beside a {VOC_PICTURES}", hint="other folders: masks:PATH")
    return homes[0]
