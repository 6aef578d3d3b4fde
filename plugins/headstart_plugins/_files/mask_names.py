"""What people call masks, and which picture each is of: by the folders and names of both."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from headstart_plugins._files.names import BESIDE_NAMES, SPLIT_NAMES, bare_name, plain_name, side_of

MASKS = frozenset(
    {
        *("mask", "masks", "label", "labels", "annot", "annots", "annotation", "annotations", "gt", "groundtruth"),
        *("seg", "segmentation", "segmentations", "semantic", "trimap", "trimaps"),
        *("segmentationclass", "segmentationobject"),
    }
)
"""What people call masks, as `plain_name` has it."""
PICTURES = frozenset({"image", "img", "picture", "photo", "jpegimages", "input", "inputs", "original", "originals"})
"""What people call folders of the pictures beside them, and BESIDE_NAMES."""
ENOUGH = 0.9
"""The share of masks that have a picture, where this is to be no chance."""


def is_called_mask(name: str) -> bool:
    """Whether a folder is called so, with or without words that say no more, as train_masks is."""
    said = [word for word in re.split(r"[-_ ]+", name.lower()) if word not in (*SPLIT_NAMES, *BESIDE_NAMES)]
    return plain_name(name) in MASKS or "".join(said) in MASKS


def without_mask(stem: str) -> str:
    """A name without a word for masks at its end, as in 12_mask."""
    bare, _, last = re.sub("[- ]", "_", stem).rpartition("_")
    return stem[: len(bare)] if last.casefold() in MASKS else stem


@dataclass(frozen=True)
class Pairs:
    """Which masks are of which pictures: `of` has the mask of each picture that has one, `alone` the pictures without,
    `lost` the masks without; `twice` the masks of each picture that has several, and `shared` the pictures of each mask
    that has several. All are as they were given, in their order."""

    of: Mapping[PurePath, PurePath]
    alone: Sequence[PurePath]
    lost: Sequence[PurePath]
    twice: Mapping[PurePath, Sequence[PurePath]]
    shared: Mapping[PurePath, Sequence[PurePath]]

    @property
    def are_enough(self) -> bool:
        """Whether hardly any mask is without a picture."""
        found = len(self.of) + len(self.twice) + len(self.shared)
        return found > 0 and found >= ENOUGH * (found + len(self.lost))


def told_apart(files: Iterable[PurePath], *, beside: bool) -> tuple[list[PurePath], list[PurePath]]:
    """Pictures and masks among `files`, whose paths begin below the data: masks lie in folders that are called so; or,
    where none does and `beside` says so, beside their picture with a word for masks at the end of the name."""
    every = list(files)
    masks = [file for file in every if any(_is_folder_of_masks(part) for part in file.parts[:-1])]
    if not masks and beside:
        names = {(file.parent, file.stem.casefold()) for file in every}
        ends = [file for file in every if without_mask(file.stem) != file.stem]
        masks = [file for file in ends if (file.parent, without_mask(file.stem).casefold()) in names]
    taken = set(masks)
    return [file for file in every if file not in taken], masks


def pair(pictures: Sequence[PurePath], masks: Sequence[PurePath], *, anywhere: bool) -> Pairs:
    """The masks of the pictures: those of the same name, but for a word for masks at its end, in the same folders, but
    for those that only say what lies in them. Where none is there and it may be `anywhere`, those of its name alone."""
    found = _paired(pictures, masks, _place)
    return (
        found if found.of or found.twice or found.shared or not anywhere else _paired(pictures, masks, lambda file: ())
    )


def _paired(
    pictures: Sequence[PurePath], masks: Sequence[PurePath], place: Callable[[PurePath], tuple[str, ...]]
) -> Pairs:
    by_key: defaultdict[tuple[tuple[str, ...], str], list[PurePath]] = defaultdict(list)
    for file in pictures:
        by_key[place(file), file.stem.casefold()].append(file)
    of: defaultdict[PurePath, list[PurePath]] = defaultdict(list)
    lost = []
    for mask in masks:
        where = place(mask)
        for stem in dict.fromkeys((mask.stem.casefold(), without_mask(mask.stem).casefold())):
            if (where, stem) in by_key:
                for picture in by_key[where, stem]:
                    of[picture].append(mask)
                break
        else:
            lost.append(mask)
    whose: defaultdict[PurePath, list[PurePath]] = defaultdict(list)
    for picture, own in of.items():
        for mask in own:
            whose[mask].append(picture)
    shared = {mask: own for mask, own in whose.items() if len(own) > 1}
    return Pairs(
        {file: of[file][0] for file in pictures if file in of and len(of[file]) == 1 and of[file][0] not in shared},
        [file for file in pictures if file not in of],
        lost,
        {file: own for file, own in of.items() if len(own) > 1},
        shared,
    )


def _is_folder_of_masks(name: str) -> bool:
    return is_called_mask(name) or _side_before_mask(name) is not None


def _side_before_mask(name: str) -> str | None:
    """The side in a name such as trainannot."""
    plain = plain_name(name)
    sides = (side for word, side in SPLIT_NAMES.items() if plain.startswith(word) and plain[len(word) :] in MASKS)
    return next(sides, None)


def _place(file: PurePath) -> tuple[str, ...]:
    """The folders of a file, without what only says whether it is a picture or a mask, and sides by one name."""
    return tuple(said for part in file.parts[:-1] if (said := _said(part)))


def _said(folder: str) -> str:
    if side := folder_side(folder):
        return side
    says_nothing = is_called_mask(folder) or plain_name(folder) in PICTURES or not bare_name(folder)
    return "" if says_nothing else folder.casefold()


def folder_side(folder: str) -> str | None:
    """The side that the name of a folder says, of masks too: train_masks, trainannot."""
    if side := side_of(folder) or _side_before_mask(folder):
        return side
    words = (SPLIT_NAMES.get(word) for word in re.split(r"[-_ ]+", folder.lower()))
    return next((side for side in words if side), None) if is_called_mask(folder) else None
