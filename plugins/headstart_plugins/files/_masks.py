"""Folders of masks among class folders, as sets for segmentation have them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart_plugins._files.names import BESIDE_NAMES, SPLIT_NAMES, plain_name

MASKS = frozenset(
    {
        *("mask", "masks", "label", "labels", "annot", "annots", "annotation", "annotations", "gt", "groundtruth"),
        *("seg", "segmentation", "segmentations", "semantic", "trimap", "trimaps"),
        *("segmentationclass", "segmentationobject"),
    }
)
"""What people call masks, as `plain_name` has it."""
ENOUGH = 0.9
"""The share of pictures of a folder of masks that have a picture of the same name in the other folder."""


@dataclass(frozen=True)
class Masks:
    """A class whose pictures look like masks of those `of` another: `same` of `count` have the same names."""

    folder: str
    of: str
    same: int
    count: int


def find_masks(classes: Mapping[str, Sequence[Path]]) -> Masks | None:
    """The first class that is called like masks, and whose pictures are called like those of one other class, and of
    one alone: where pictures of all classes are numbered, equal names say nothing. A class whose name has the same word
    in it, as no_mask beside mask, is its opposite."""
    called = [label for label, pictures in classes.items() if pictures and _is_called_mask(label)]
    names = {label: {path.stem.casefold() for path in classes[label]} for label in classes} if called else {}
    for label in called:
        stems = [path.stem.casefold() for path in classes[label]]
        word = plain_name(label).removesuffix("s")
        counts = {
            other: sum(stem in names[other] or _without_mask(stem) in names[other] for stem in stems)
            for other in classes
            if other not in called and word not in plain_name(other)
        }
        alike = [other for other, same in counts.items() if same >= ENOUGH * len(stems)]
        if len(alike) == 1:
            return Masks(label, alike[0], counts[alike[0]], len(stems))
    return None


def _is_called_mask(label: str) -> bool:
    """Whether the last folder of a class is called so, with or without words that say no more, as train_masks is."""
    name = label.rpartition("/")[2]
    said = [word for word in re.split(r"[-_ ]+", name.lower()) if word not in (*SPLIT_NAMES, *BESIDE_NAMES)]
    return plain_name(name) in MASKS or "".join(said) in MASKS


def _without_mask(stem: str) -> str:
    """A name without a word for masks at its end, as in 12_mask."""
    bare, _, last = re.sub("[- ]", "_", stem).rpartition("_")
    return stem[: len(bare)] if last in MASKS else stem
