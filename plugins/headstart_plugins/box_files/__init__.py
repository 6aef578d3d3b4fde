"""Datasets of pictures with boxes from the user's own files: COCO, Pascal VOC, YOLO, and tables with a box a row."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headstart.hookspecs import hookimpl
from headstart.specs import DatasetSpec
from headstart_plugins._box_layouts import box_formats, is_box_table
from headstart_plugins._mask_layouts import KIND as MASKS
from headstart_plugins._mask_layouts import mask_format
from headstart_plugins.box_files._options import BoxFolderOptions, CocoOptions, TableOptions, VocOptions, YoloOptions


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Folders of a known or a named format, and tables."""
    here = "headstart_plugins.box_files._build"
    return [
        DatasetSpec(
            name="box_files/box_folder",
            summary="Pictures with boxes, annotated as COCO, Pascal VOC or YOLO do it, whichever it is.",
            options=BoxFolderOptions,
            build=f"{here}:build",
            medium="image",
            targets=("boxes/boxes",),
            takes_path=True,
        ),
        DatasetSpec(
            name="box_files/coco",
            summary="Pictures with boxes in JSON as COCO has it: a file, or a folder with one a side of the split.",
            options=CocoOptions,
            build=f"{here}:build_coco",
            medium="image",
            targets=("boxes/boxes",),
            takes_path=True,
        ),
        DatasetSpec(
            name="box_files/voc",
            summary="Pictures with boxes in an XML file each, as Pascal VOC has it; its lists of sides are used.",
            options=VocOptions,
            build=f"{here}:build_voc",
            medium="image",
            targets=("boxes/boxes",),
            takes_path=True,
        ),
        DatasetSpec(
            name="box_files/yolo",
            summary="Pictures with boxes in a text each, as YOLO has it, with data.yaml if any; polygons are boxed.",
            options=YoloOptions,
            build=f"{here}:build_yolo",
            medium="image",
            targets=("boxes/boxes",),
            takes_path=True,
        ),
        DatasetSpec(
            name="box_files/table",
            summary="A CSV, TSV, JSONL or Parquet table with a box a row: path, label, left, top, right, bottom, or as "
            "others call them, and split and group if any; a row without a box is a picture without objects.",
            options=TableOptions,
            build=f"{here}:build_table",
            medium="image",
            targets=("boxes/boxes",),
            takes_path=True,
        ),
    ]


@hookimpl
def resolve_dataset(ref: str, targets: str | None) -> str | None:
    """A folder, or a JSON or YAML file, with annotations of boxes by its first bytes; a table by its columns. None for
    what masks are asked of and has some. Raises UsageError for a JSON file that has other things, DataError for one
    that cannot be read."""
    path = Path(ref).expanduser()
    if targets == MASKS and mask_format(path, asked=True):
        return None
    if path.is_dir():
        return "box_files/box_folder" if box_formats(path) else None
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        if box_formats(path):
            return "box_files/box_folder"
        if path.suffix.lower() == ".json":  # told where no other plugin opens it
            from headstart_plugins._annotations.coco import require_coco

            require_coco(path)
            return "box_files/coco"
        return None
    return "box_files/table" if is_box_table(path) else None
