"""Datasets of pictures with masks from the user's own files: folders, tables, COCO's polygons, Pascal VOC's layout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headstart.hookspecs import hookimpl
from headstart.specs import DatasetSpec
from headstart_plugins._box_layouts import box_formats, is_box_table
from headstart_plugins._mask_layouts import COCO, FOLDERS, KIND, TABLE, VOC, mask_format
from headstart_plugins.mask_files._options import CocoMaskOptions, MasksOptions, VocMaskOptions

NAMES = {FOLDERS: "masks", TABLE: "masks", COCO: "coco_masks", VOC: "voc_masks"}
"""Which dataset opens masks that lie so."""


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """Folders and tables of mask files, and two known formats."""
    here = "headstart_plugins.mask_files._build"
    return [
        DatasetSpec(
            name="mask_files/masks",
            summary="Pictures and a mask file each: folders of pictures and of masks with the same names, with or "
            "without train, val and test; or a CSV, TSV, JSONL or Parquet table with the columns path and mask.",
            options=MasksOptions,
            build=f"{here}:build",
            medium="image",
            targets=(KIND,),
            takes_path=True,
        ),
        DatasetSpec(
            name="mask_files/coco_masks",
            summary="Pictures with polygons or run lengths in JSON as COCO has it; smaller objects lie on top.",
            options=CocoMaskOptions,
            build=f"{here}:build_coco",
            medium="image",
            targets=(KIND,),
            takes_path=True,
        ),
        DatasetSpec(
            name="mask_files/voc_masks",
            summary="Pictures and masks as Pascal VOC has them: JPEGImages, SegmentationClass, and the lists of sides.",
            options=VocMaskOptions,
            build=f"{here}:build_voc",
            medium="image",
            targets=(KIND,),
            takes_path=True,
        ),
    ]


@hookimpl
def resolve_dataset(ref: str, targets: str | None) -> str | None:
    """Where masks are asked for, whatever has some; else folders and tables that can be nothing else: what has boxes
    too is opened for these."""
    path = Path(ref).expanduser()
    if targets not in (None, KIND):
        return None
    if targets is None and (is_box_table(path) or box_formats(path)):
        return None
    found = mask_format(path, asked=targets == KIND)
    return f"mask_files/{NAMES[found]}" if found else None
