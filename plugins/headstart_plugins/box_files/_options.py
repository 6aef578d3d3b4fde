"""The options of the datasets of pictures with boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headstart.options import option
from headstart.specs import Tolerances
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
        "empty",
        "What pictures without a text of annotations are: without objects, as in YOLO, or not to be used. "
        "A side of the split where none has a text is always left out.",
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
