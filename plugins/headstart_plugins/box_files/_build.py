"""Build targets of the datasets; each fulfils `headstart.specs.DatasetBuild`. No framework is imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import DataError, HeadstartError
from headstart.specs import DatasetRequest, Finding, Record, Records
from headstart_plugins._annotations.where import Data, open_data
from headstart_plugins._box_layouts import COCO, VOC, YOLO, box_formats
from headstart_plugins._mask_layouts import COCO as MASKS_OF_COCO
from headstart_plugins._mask_layouts import FOLDERS, mask_format
from headstart_plugins._mask_layouts import VOC as MASKS_OF_VOC
from headstart_plugins.box_files._coco import read_coco
from headstart_plugins.box_files._options import (
    AnnotationOptions,
    BoxFolderOptions,
    CocoOptions,
    TableOptions,
    VocOptions,
    YoloOptions,
)
from headstart_plugins.box_files._records import Found, records_of
from headstart_plugins.box_files._table import read_boxes
from headstart_plugins.box_files._voc import read_voc
from headstart_plugins.box_files._yolo import read_yolo, yolo_pictures

READERS: dict[str, Callable[[Data, Any], Found]] = {COCO: read_coco, VOC: read_voc, YOLO: read_yolo}
TITLES = {COCO: "COCO", VOC: "Pascal VOC", YOLO: "YOLO"}


def build(request: DatasetRequest) -> Records:
    """Records of whichever format lies below the path. Raises DataError where that is none, or several."""
    options = request.options or BoxFolderOptions()
    data = open_data(request.reference, options.links, usage="box_folder:PATH")
    formats = box_formats(data.given or data.root)
    if not request.labelled and not options.format and len(formats) != 1:
        return _bare(data, data.tree.below(data.root), options)
    if not options.format and len(formats) != 1:
        told = " and ".join(f"{TITLES[name]} ({data.key(file)})" for name, file in formats.items())
        if formats:
            ways = " or ".join(f"--set dataset.format={name}" for name in formats)
            raise DataError(f"{data.root}: annotations of {told}; expected one format", hint=f"say which: {ways}")
        hint = "known are JSON of COCO, XML of Pascal VOC, texts of YOLO with data.yaml, classes.txt or a folder labels"
        raise DataError(f"{data.root}: no annotations of boxes", hint=hint)
    name = options.format or next(iter(formats))
    notes = []
    if not options.format:
        message = f"{data.root} is read as boxes in the form of {TITLES[name]}, by {data.key(formats[name])}"
        notes.append(Finding("note", message, hint=_other_readings(data.given or data.root)))
    return _read(request, data, name, options, notes)


def _other_readings(path: Path) -> str:
    """How else the same can be opened."""
    classes = "image_folder:PATH reads it as folders of classes"
    ways = {
        MASKS_OF_COCO: f"coco_masks:{path} reads its polygons as masks, and so does --task with one for masks",
        MASKS_OF_VOC: f"voc_masks:{path} reads its masks, and so does --task with one for masks",
        FOLDERS: f"masks:{path} reads its masks, and so does --task with one for masks",
    }
    return ways.get(mask_format(path, asked=True) or "", classes)


def build_coco(request: DatasetRequest) -> Records:
    """Records of COCO's annotations; see `read_coco`."""
    options = request.options or CocoOptions()
    return _read(request, open_data(request.reference, options.links, usage="coco:PATH"), COCO, options)


def build_voc(request: DatasetRequest) -> Records:
    """Records of Pascal VOC's annotations; see `read_voc`."""
    options = request.options or VocOptions()
    return _read(request, open_data(request.reference, options.links, usage="voc:PATH"), VOC, options)


def build_yolo(request: DatasetRequest) -> Records:
    """Records of YOLO's annotations; see `read_yolo`."""
    options = request.options or YoloOptions()
    return _read(request, open_data(request.reference, options.links, usage="yolo:PATH"), YOLO, options)


def build_table(request: DatasetRequest) -> Records:
    """Records of a table with a box a row; see `read_boxes`."""
    options = request.options or TableOptions()
    found = read_boxes(request.reference, options)
    return records_of(found, options, labelled=request.labelled)


def _read(
    request: DatasetRequest, data: Data, name: str, options: AnnotationOptions, notes: list[Finding] | None = None
) -> Records:
    if not request.labelled and data.given is None:
        return _bare(data, data.tree.below(data.root), options, _known(data, options) if name == COCO else None)
    if not request.labelled and name == YOLO and isinstance(options, YoloOptions):
        return _bare(data, yolo_pictures(data, options), options)
    found = READERS[name](data, options)
    found.told.findings[:0] = notes or []
    return records_of(found, options, labelled=request.labelled)


def _known(data: Data, options: Any) -> Found | None:
    """What annotations say of pictures in a folder; None where they cannot be read, which is no condition for an
    answer."""
    try:
        return read_coco(data, options)
    except HeadstartError:
        return None


def _bare(data: Data, files: Sequence[Path], options: AnnotationOptions, known: Found | None = None) -> Records:
    """All these pictures, for answers: with or without annotations, by the ids of those that are `known`."""
    if not files:
        raise DataError(f"{data.root}: no pictures")
    ids = {each.file: each.id for each in known.pictures} if known else {}
    items = tuple(Record(data.key(file), file, id=ids.get(file)) for file in files)
    numbers = known.label_ids if known else {}
    return Records("image", items, options.symmetries, tolerances=options, label_ids=numbers)
