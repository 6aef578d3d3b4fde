"""The options of the datasets of pictures with masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headstart.options import option
from headstart.specs import Tolerances
from headstart_plugins._mask import VOID
from headstart_plugins._picture_options import PictureOptions

IGNORED = ("void", "ignore", "ignored", "unlabelled", "unlabeled", "__ignore__")
"""What people call classes that are none."""


@dataclass(frozen=True, kw_only=True)
class MaskOptions(Tolerances, PictureOptions):
    """What becomes of masks that cannot be right, however they are written."""

    faulty: Literal["refuse", "drop"] = option(
        "refuse",
        "What becomes of masks that cannot be right, such as those of another size than their pictures, or with values "
        "that no class has: refuse the data, or leave these pictures out.",
    )
    turned: Literal["refuse", "upright", "stored"] = option(
        "refuse",
        "What masks of pictures are that EXIF turns: upright, as pictures are read; or as stored, and then turned "
        "along. If unset they are upright, and those whose size says otherwise are refused.",
    )
    images: str = option("", "The folder of the pictures, relative to the data; found by their names if unset.")
    links: Literal["refuse", "follow"] = option(
        "refuse", "What becomes of symbolic links to folders, and to files outside the data."
    )


@dataclass(frozen=True, kw_only=True)
class ValueOptions(MaskOptions):
    """What the values of mask files mean."""

    classes: tuple[str, ...] = option(
        (),
        "The classes, in the order of their values. If unset, the lines of classes.txt, if there is one, else the "
        "values that the masks hold.",
    )
    values: tuple[int, ...] = option((), "The value of each class in `classes`; 0, 1, 2 and so on if unset.")
    void: int | tuple[int, ...] | None = option(
        None,
        "The values that say nothing: neither learned nor scored. If unset 255, but where masks hold 0 and 255 alone, "
        "which are two classes then; [] for none.",
        low=0,
    )
    ignored: tuple[str, ...] = option(
        IGNORED, "Names in classes.txt or in the table of colours that are no classes: their values are void."
    )
    colours: str = option(
        "",
        "A table of the colours of classes, relative to the data: masks are then told by colour. A line each, such as "
        "road,128,64,128 or 128 64 128 road or road #804080.",
    )
    unknown: Literal["refuse", "void"] = option(
        "refuse", "What pixels are whose value no class has: a fault of their mask, or void."
    )

    @property
    def void_values(self) -> tuple[int, ...]:
        """As values, where nothing is read off the masks."""
        if self.void is None:
            return () if self.colours else (VOID,)
        return (self.void,) if isinstance(self.void, int) else self.void


@dataclass(frozen=True, kw_only=True)
class VocMaskOptions(ValueOptions):
    """How masks in Pascal VOC's layout are read."""


@dataclass(frozen=True, kw_only=True)
class MasksOptions(ValueOptions):
    """How pictures and their mask files are found."""

    masks: str = option("", "The folder of the masks, relative to the data; found by its name if unset.")
    unmasked: Literal["refuse", "drop"] = option(
        "refuse", "What becomes of pictures without a mask: refuse the data, or leave them out."
    )
    encoding: str = option("", "Text encoding of a table such as latin-1; UTF-8, or what its BOM says, if unset.")
    delimiter: str = option("", "What separates columns; a comma in .csv and a tab in .tsv if unset.")
    suffix: str = option("", "What paths of pictures lack at their end, such as .jpg; if unset, what leads to files.")
    path_column: str = option("", "The column of the pictures, where several could be meant.")
    mask_column: str = option("", "The column of the masks, where it is not called mask.")


@dataclass(frozen=True, kw_only=True)
class CocoMaskOptions(MaskOptions):
    """How COCO's polygons and run lengths are read."""

    annotations: tuple[str, ...] = option((), "The JSON files to read, relative to the data, where there are several.")
    background: str = option("background", "The class of pixels that no object covers; empty: they are void.")
