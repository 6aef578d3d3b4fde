"""Folders of pictures and of masks, paired by their names; sides of a split are folders above or below these."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Skipped
from headstart_plugins._annotations.told import Fault
from headstart_plugins._annotations.where import Data
from headstart_plugins._files.mask_names import Pairs, folder_side, pair, told_apart
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.pixels import count_files
from headstart_plugins.mask_files._classes import find_legend
from headstart_plugins.mask_files._options import MasksOptions
from headstart_plugins.mask_files._records import Found, Masked, with_counts

WITHOUT = Fault(
    "picture",
    "without a mask",
    "masks are called as their pictures; --set dataset.unmasked=drop leaves these pictures out",
)
LOST = Fault(
    "mask", "without a picture", "masks are called as their pictures, also with _mask behind; move it away", "warning"
)
SHAPE = "expected pictures/a.jpg and masks/a.png, with or without train, val and test above or below"


@dataclass(frozen=True)
class Layout:
    """The pictures and masks below a folder, as paths below it."""

    pictures: Sequence[PurePath]
    masks: Sequence[PurePath]


def find_layout(data: Data, options: MasksOptions) -> Layout:
    """What is picture and what is mask: by the folders that the user names, else by what folders are called, else by
    the ends of names. Raises UsageError for a folder that is not there."""
    every = [file.relative_to(data.root) for file in data.tree.below(data.root)]
    chosen = {name: value for name in ("images", "masks") if (value := getattr(options, name))}
    for name, value in chosen.items():
        if not (data.root / value).is_dir():
            raise UsageError(f"no such folder: {data.root / value}", hint=f"dataset.{name} is relative to the data")
    pictures, masks = told_apart(every, beside=not chosen)
    if options.masks:
        masks = [file for file in every if PurePath(options.masks) in file.parents]
        pictures = [file for file in every if file not in {*masks}]
    if options.images:
        pictures = [file for file in every if PurePath(options.images) in file.parents and file not in {*masks}]
    return Layout(pictures, masks)


def read_folders(data: Data, options: MasksOptions) -> tuple[Found, Legend]:
    """The pictures with their masks, and what values mean. Raises DataError where there are none, where a picture has
    several masks or a mask several pictures, and as `find_legend`."""
    layout = find_layout(data, options)
    if not layout.masks or not layout.pictures:
        what = "folder of masks" if layout.pictures else "pictures"
        raise DataError(f"{data.root}: no {what}", hint=f"{SHAPE}; dataset.images and dataset.masks name other folders")
    pictures = {_below(file, options.images): file for file in layout.pictures}
    masks = {_below(file, options.masks): file for file in layout.masks}
    pairs = pair([*pictures], [*masks], anywhere=True)
    _require_one(data, pairs, pictures, masks)
    sides = {
        file: _side(file) or _side(masks[pairs.of[below]]) for below, file in pictures.items() if below in pairs.of
    }
    found = Found()
    _tell_alone(data, [pictures[each] for each in pairs.alone], {*sides.values()}, options, found)
    for each in pairs.lost:
        found.told.add(LOST, masks[each].as_posix())
    files = [(pictures[picture], data.root / masks[mask]) for picture, mask in pairs.of.items()]
    if not files:
        listed = f"{layout.pictures[0].as_posix()} and {layout.masks[0].as_posix()}"
        message = f"{data.root}: none of {len(masks)} masks has the name of a picture, as those of {listed}"
        raise DataError(message, hint=f"{SHAPE}; or list them in a table with the columns path and mask")
    counts = count_files([mask for _, mask in files])
    legend = find_legend(data, dict(zip((mask for _, mask in files), counts, strict=True)), options, found.told)
    for (picture, mask), counted in zip(files, counts, strict=True):
        known = with_counts(legend, mask, counted)
        found.pictures.append(Masked(picture.as_posix(), data.root / picture, known, sides[picture]))
    return found, legend


def _below(file: PurePath, folder: str) -> PurePath:
    """A path without the folder that the user names, which says no more."""
    return file.relative_to(folder) if folder else file


def _require_one(
    data: Data, pairs: Pairs, pictures: Mapping[PurePath, PurePath], masks: Mapping[PurePath, PurePath]
) -> None:
    """Raise DataError where a picture has several masks, or a mask several pictures."""
    for own, of, others, what in (
        (pairs.twice, pictures, masks, "masks"),
        (pairs.shared, masks, pictures, "pictures"),
    ):
        for each, several in own.items():
            listed = in_line([others[other].as_posix() for other in several])
            hint = "keep one of them; dataset.images and dataset.masks name the folders that are meant"
            raise DataError(f"{data.root / of[each]}: {len(several)} {what} could be its own: {listed}", hint=hint)


def _tell_alone(
    data: Data, pictures: Sequence[PurePath], sides: Collection[str | None], options: MasksOptions, found: Found
) -> None:
    """Tell the pictures without a mask: of a side that has no masks at all they are left out, as of a test side that
    nobody has annotated."""
    bare: defaultdict[str, list[PurePath]] = defaultdict(list)
    for file in pictures:
        side = _side(file)
        if side is not None and side not in sides:
            bare[side].append(file)
        elif options.unmasked == "drop":
            found.skipped.append(Skipped(str(data.root / file), "no mask"))
        else:
            found.told.add(WITHOUT, file.as_posix())
    for side, files in bare.items():
        why = f"{len(files)} pictures of {side}, where there are no masks, such as {files[0].as_posix()}"
        found.skipped.append(Skipped(str(data.root), why))


def _side(file: PurePath) -> str | None:
    """The side of a split that a folder on the way says."""
    return next((side for part in file.parts[:-1] if (side := folder_side(part))), None)
