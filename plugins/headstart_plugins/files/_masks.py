"""Folders of masks among class folders, as sets for segmentation have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart_plugins._files.mask_names import ENOUGH, is_called_mask, without_mask
from headstart_plugins._files.names import plain_name


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
    called = [label for label, pictures in classes.items() if pictures and is_called_mask(label.rpartition("/")[2])]
    names = {label: {path.stem.casefold() for path in classes[label]} for label in classes} if called else {}
    for label in called:
        stems = [path.stem.casefold() for path in classes[label]]
        word = plain_name(label).removesuffix("s")
        counts = {
            other: sum(stem in names[other] or without_mask(stem) in names[other] for stem in stems)
            for other in classes
            if other not in called and word not in plain_name(other)
        }
        alike = [other for other, same in counts.items() if same >= ENOUGH * len(stems)]
        if len(alike) == 1:
            return Masks(label, alike[0], counts[alike[0]], len(stems))
    return None
