"""The lists in which Pascal VOC says which picture is on which side: ImageSets/Main of boxes, Segmentation of masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headstart.errors import DataError
from headstart_plugins._annotations.where import Data

SIDES = {"train": "train", "val": "val", "test": "test"}
BOTH = "trainval"
"""The list that is train and val together, for training where there is no list of train alone."""


def side_lists(data: Data, purpose: str) -> Mapping[Path, Mapping[str, str]]:
    """For each folder that has an ImageSets/PURPOSE in it, the side of each stem. Raises DataError for one that is on
    two sides."""
    lists: dict[Path, dict[str, str]] = {}
    files = [file for file in data.tree.others if file.parts[-3:-1] == ("ImageSets", purpose) and file.suffix == ".txt"]
    for file in files:
        has_train = file.with_name("train.txt") in files
        side = SIDES.get(file.stem) or ("train" if file.stem == BOTH and not has_train else None)
        if side is None:
            continue
        sides = lists.setdefault(file.parents[2], {})
        for line in file.read_text("utf-8", "replace").splitlines():
            if not line.strip():
                continue
            stem = line.split()[0]
            if sides.setdefault(stem, side) != side:
                hint = "list each picture on one side; trainval.txt is read only without train.txt"
                raise DataError(f"{file}: {stem} is listed for {side}, and for {sides[stem]}", hint=hint)
    return lists if any("train" in each.values() for each in lists.values()) else {}


def listed_side(lists: Mapping[Path, Mapping[str, str]], file: Path) -> str | None:
    """The side of a file, by the lists of a folder above it."""
    return next((sides.get(file.stem) for folder, sides in lists.items() if folder in file.parents), None)
