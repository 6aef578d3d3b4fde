"""What people call sides of a split, and columns of tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "trainingset": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validationset": "val",
    "valset": "val",
    "dev": "val",
    "devset": "val",
    "test": "test",
    "testing": "test",
    "testset": "test",
    "testingset": "test",
}
"""Accepted name, in lower case -> ours. `eval`, `holdout` and `trainval` mean different sides to different people."""
BESIDE_NAMES = frozenset({"set", "data", "dataset", "split", "images", "imgs", "pictures", "photos", "texts", "seg"})
"""Words that say nothing more beside one of those, as in training_set, test-images or seg_train."""
LABEL_COLUMNS = ("label", "class", "category", "species", "breed", "choice", "diagnosis", "target", "value")
"""What people call the column of classes or numbers, also with `name` behind; in any case. Also y without x."""
FILE_COLUMNS = (
    *("path", "file", "filepath", "filename", "fname", "image", "imagepath", "imagefile", "imagename", "imageid"),
    *("img", "imgpath", "imgname", "imgid", "picture", "photo", "audio", "clip", "recording", "id", "idcode"),
)
"""What people call the column of files, as `plain_name` has it, also with an s behind."""


def side_of(name: str) -> str | None:
    """The side of a split that `name` stands for, whatever its case, "-", "_" or spaces; None for any other name."""
    return SPLIT_NAMES.get(bare_name(name))


def bare_name(name: str) -> str:
    """The words of a folder's name in lower case, without those that say nothing beside a side."""
    return " ".join(word for word in re.split(r"[-_ ]+", name.lower()) if word not in ("", *BESIDE_NAMES))


def side_in(name: Path) -> str | None:
    """The side that the first word which means one stands for, in the name of a file and then in its folders'."""
    parts = [name.stem, *reversed(name.parent.parts)]
    words = (word for part in parts for word in re.split(r"[^a-z]+", part.lower()))
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def plain_name(column: str) -> str:
    """A column's name as names are compared: without case, spaces, hyphens and underscores."""
    return "".join(letter for letter in column.casefold() if letter.isalnum())
