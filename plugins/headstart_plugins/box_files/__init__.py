"""Datasets of pictures with boxes from the user's own files: COCO, Pascal VOC, YOLO, and tables with a box a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec, Tolerances
from headstart_plugins._box_layouts import box_formats, is_box_table
from headstart_plugins._picture_options import PictureOptions


@dataclass(frozen=True, kw_only=True)
class BoxOptions(Tolerances, PictureOptions):
    """What becomes of boxes that cannot be right, whatever the format."""

    faulty: Literal["refuse", "drop"] = option(
        "refuse",
        "What becomes of boxes that cannot be right, such as those without area, outside of their picture, or of an "
        "unknown class: refuse the data, or leave these boxes out, and of equal boxes all but one.",
    )
    sizes: Literal["refuse", "ignore", "adapt"] = option(
        "refuse",
        "What becomes of annotations that state another size than the picture has: refuse the data; ignore what they "
        "state; or adapt the boxes, which are turned where the picture is turned by EXIF, and scaled otherwise.",
    )
    images: str = option("", "The folder of the pictures, relative to the data; found by their names if unset.")


@dataclass(frozen=True, kw_only=True)
class AnnotationOptions(BoxOptions):
    """How pictures and annotations in folders are found."""

    links: Literal["refuse", "follow"] = option(
        "refuse", "What becomes of symbolic links to folders, and to files outside the data."
    )


@dataclass(frozen=True, kw_only=True)
class FileOptions(AnnotationOptions):
    """Which files of annotations are read, where one is about many pictures."""

    annotations: tuple[str, ...] = option(
        (), "The files to read, relative to the data, where there are several: JSON of COCO, YAML of YOLO."
    )


@dataclass(frozen=True, kw_only=True)
class CocoOptions(FileOptions):
    """How COCO's annotations are read."""


@dataclass(frozen=True, kw_only=True)
class VocOptions(AnnotationOptions):
    """How Pascal VOC's annotations are read."""

    origin: int | None = option(
        None,
        "The number of the first pixel: 1, as Pascal VOC counts, or 0 as some programs do. If unset 0 where any box "
        "begins at 0, and else 1.",
        low=0,
        high=1,
    )
    names: Literal["refuse", "stem", "filename"] = option(
        "refuse",
        "Which picture is meant where both that called like the XML file and that which its `filename` names are there "
        "and differ; or refuse the data.",
    )


@dataclass(frozen=True, kw_only=True)
class YoloOptions(FileOptions):
    """How YOLO's annotations are read."""

    unlabelled: Literal["empty", "drop"] = option(
        "empty", "What pictures without a text of annotations are: without objects, as in YOLO, or not to be used."
    )


@dataclass(frozen=True, kw_only=True)
class BoxFolderOptions(CocoOptions, VocOptions, YoloOptions):
    """How a folder of pictures and annotations is read."""

    format: Literal["", "coco", "voc", "yolo"] = option(
        "", "The format of the annotations; known by their first bytes if unset."
    )


@dataclass(frozen=True, kw_only=True)
class TableOptions(BoxOptions):
    """How a table with a box a row is read."""

    encoding: str = option("", "Text encoding such as latin-1; UTF-8, or what the file's BOM says, if unset.")
    delimiter: str = option("", "What separates columns; a comma in .csv and a tab in .tsv if unset.")
    suffix: str = option("", "What paths lack at their end, such as .jpg; if unset, the one that leads to files.")
    path_column: str = option("", "The column of the pictures, where several could be meant.")
    label_column: str = option("", "The column of the classes, where several could be meant.")
    box_columns: tuple[str, ...] = option(
        (), "The four columns of a box, or the one that holds four numbers; by their names if unset."
    )
    form: Literal["", "corners", "size", "centre"] = option(
        "",
        "What the four numbers are: left, top, right, bottom; left, top, width, height; or those of the centre, width, "
        "height. By the names of the columns if unset.",
    )
    units: Literal["pixels", "shares"] = option(
        "pixels", "What coordinates are counted in; shares are those of width and height, from 0 to 1."
    )


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
def resolve_dataset(ref: str) -> str | None:
    """A folder, or a JSON or YAML file, with annotations of boxes by its first bytes; a table by its columns. Raises
    UsageError for a JSON file that has other things, DataError for one that cannot be read."""
    path = Path(ref).expanduser()
    if path.is_dir():
        return "box_files/box_folder" if box_formats(path) else None
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        if box_formats(path):
            return "box_files/box_folder"
        if path.suffix.lower() == ".json":  # told where no other plugin opens it
            from headstart_plugins.box_files._coco import require_coco

            require_coco(path)
            return "box_files/coco"
        return None
    return "box_files/table" if is_box_table(path) else None
