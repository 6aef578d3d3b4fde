"""Annotated pictures to records: boxes brought to pixels of the upright picture, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from headstart.specs import Finding, Record, Records, Skipped
from headstart_plugins._annotations.headers import Header, read_headers
from headstart_plugins._annotations.told import Fault, Told
from headstart_plugins.box_files._annotated import Annotated, Form, Written, swapped
from headstart_plugins.box_files._faults import (
    ABSENT,
    FLAT,
    INVERTED,
    MAYBE_TURNED,
    NO_AREA,
    NO_NUMBERS,
    OTHER_SIZE,
    OUTSIDE,
    REPEATED,
    STICKS_OUT,
    TINY,
    TURNED,
)
from headstart_plugins.box_files._options import BoxOptions

TARGETS = "boxes/boxes"
MANY, FEWEST = 0.05, 3
"""So large a share of boxes, and so many, that lie outside or are inverted are no chance: another reading is tried."""
NEARLY_ALL = 0.9
"""The share of them that fits their pictures by another reading, which then is told."""
LOOSE = 0.02
"""A box may stick out by this share of its picture's side before it counts for that."""


@dataclass
class Found:
    """What a format found below a path: pictures, how their numbers are read, and readings that these could be meant
    for, each with the way out. With `is_shares` numbers are shares of width and height. `label_ids` are the numbers
    that the files have for classes."""

    pictures: list[Annotated]
    form: Form
    others: Sequence[tuple[Form, str]] = ()
    is_shares: bool = False
    units_hint: str = "write coordinates in pixels"
    told: Told = field(default_factory=Told)
    skipped: list[Skipped] = field(default_factory=list)
    label_ids: dict[str, int] = field(default_factory=dict)


def records_of(found: Found, options: BoxOptions, *, labelled: bool) -> Records:
    """Records by key, with targets of the kind `boxes/boxes`; without targets where these are not asked for.

    A target has no box that is at fault: the finding about it is an error, or a warning where the user drops these.
    """
    pictures = sorted(found.pictures, key=lambda each: each.key)
    if not labelled:
        bare = tuple(Record(each.key, each.file, id=each.id) for each in pictures)
        return Records(
            "image",
            bare,
            options.symmetries,
            tuple(found.skipped),
            tolerances=options,
            label_ids=found.label_ids,
        )
    pictures, without = _on_sides(pictures)
    boxes = [box for each in pictures for box in each.boxes]
    owners = np.repeat(np.arange(len(pictures)), [len(each.boxes) for each in pictures])
    headers = read_headers([each.file for each in pictures])
    judged = _Judged(pictures, boxes, owners, headers, found, options)
    keep = judged.judge()
    items = []
    for each, (low, high), scale in zip(pictures, judged.ranges, judged.scales, strict=True):
        kept = np.flatnonzero(keep[low:high]).tolist()
        target = _target([each.boxes[place] for place in kept], judged.corners[low:high][kept], area=scale.prod())
        items.append(Record(each.key, each.file, target, each.group, each.split, each.id))
    return Records(
        "image",
        tuple(items),
        options.symmetries,
        (*found.skipped, *without),
        targets=TARGETS,
        findings=tuple(found.told.all(dropped=options.faulty == "drop")),
        tolerances=options,
        label_ids=found.label_ids,
    )


def _target(boxes: Sequence[Written], corners: np.ndarray, *, area: float) -> Mapping[str, Any]:
    """What the kind of targets reads: `areas` where the file states some, times `area`; flags where any is set."""
    target: dict[str, Any] = {"corners": corners, "classes": tuple(box.label for box in boxes)}
    if any(box.area is not None for box in boxes):
        own = np.prod(corners[:, 2:] - corners[:, :2], axis=1).tolist()
        target["areas"] = np.array(
            [mine if box.area is None else box.area * area for box, mine in zip(boxes, own, strict=True)]
        )
    for name in ("crowd", "difficult"):
        flags = np.array([getattr(box, name) for box in boxes], bool)
        if flags.any():
            target[name] = flags
    return target


def _on_sides(pictures: Sequence[Annotated]) -> tuple[list[Annotated], list[Skipped]]:
    """The pictures without those on no side, where others have one."""
    without = [each for each in pictures if each.split is None]
    if not without or len(without) == len(pictures):
        return list(pictures), []
    first = without[0]
    count = "1 picture" if len(without) == 1 else f"{len(without)} pictures"
    told = f"{count} on no side of the split that the data gives, such as {first.key}"
    return [each for each in pictures if each.split is not None], [Skipped(first.source, told)]


@dataclass
class _Judged:
    pictures: Sequence[Annotated]
    boxes: Sequence[Written]
    owners: np.ndarray
    headers: Sequence[Header | None]
    found: Found
    options: BoxOptions
    corners: np.ndarray = field(init=False)
    sizes: np.ndarray = field(init=False)

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """The first box of each picture, and the first of the next."""
        ends = np.searchsorted(self.owners, np.arange(len(self.pictures) + 1)).tolist()
        return list(pairwise(ends))

    @cached_property
    def scales(self) -> np.ndarray:
        """What x and y (picture, 2) are multiplied by where a picture has another size than its boxes were drawn in,
        and the user has them adapted."""
        scales = np.ones((len(self.pictures), 2))
        if self.options.sizes == "adapt":
            for place, (each, header) in enumerate(zip(self.pictures, self.headers, strict=True)):
                if header and each.stated and each.stated not in (header.upright, header.stored):
                    scales[place] = np.divide(header.upright, each.stated)
        return scales

    def judge(self) -> np.ndarray:
        """Tell all faults; which boxes (box,) bool have none that leaves them out. Sets `corners` (box, 4)."""
        count = len(self.boxes)
        upright, drawn = self._sizes()
        self.sizes = upright[self.owners]
        numbers: np.ndarray = np.array([box.numbers for box in self.boxes], np.float64).reshape(count, 4)
        with np.errstate(invalid="ignore", over="ignore"):
            self.corners = self._read(self.found.form, numbers, drawn[self.owners])
            finite = (np.abs(numbers) < np.inf).all(1)
            explained = self._doubt(numbers, drawn[self.owners], finite)
            keep = self._tell_boxes(finite, explained)
        taken: np.ndarray = keep & self._tell_repeated(keep)
        return taken

    def _sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """The upright size (picture, 2) of each, and that in which its boxes are drawn; NaN where it is not known."""
        upright = np.full((len(self.pictures), 2), np.nan)
        drawn = upright.copy()
        for place, (each, header) in enumerate(zip(self.pictures, self.headers, strict=True)):
            size = each.stated if header is None else header.upright
            if header is None and not each.file.is_file():
                self.found.told.add(ABSENT, f"{each.key} ({each.source}, {_counted(len(each.boxes))})")
            elif header is not None:
                self._tell_size(each, header)
            if size is not None:
                upright[place] = size
                drawn[place] = each.stated if each.stated and self.options.sizes == "adapt" else size
        return upright, drawn

    def _tell_size(self, each: Annotated, header: Header) -> None:
        if self.options.sizes == "ignore" or not each.boxes:
            return
        if each.stated in (None, header.upright):
            if header.orientation != 1 and (each.stated is None or header.stored == header.upright):
                self.found.told.add(MAYBE_TURNED, f"{each.key} (EXIF orientation {header.orientation})")
            return
        if self.options.sizes == "adapt":
            return
        sizes = f"{each.stated[0]} x {each.stated[1]} in {each.source}" if each.stated else ""
        if each.stated == header.stored:
            self.found.told.add(TURNED, f"{each.key} ({sizes}, EXIF orientation {header.orientation})")
        else:
            width, height = header.upright
            self.found.told.add(OTHER_SIZE, f"{each.key} ({sizes}, the picture has {width} x {height})")

    def _read(self, form: Form, numbers: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Corners (box, 4) in pixels of the upright picture, by one form."""
        columns: Any = tuple(numbers.T)  # of all boxes at once
        sizes: Any = tuple(drawn.T)
        corners: np.ndarray = np.stack(form.corners(columns, sizes), 1)
        corners *= np.tile(self.scales, 2)[self.owners]
        if self.options.sizes == "adapt":
            for each, header, (low, high) in zip(self.pictures, self.headers, self.ranges, strict=True):
                if header is not None and each.stated == header.stored != header.upright:
                    columns = tuple(corners[low:high].T)
                    corners[low:high] = np.stack(header.turned(columns), 1)
        return corners

    def _beyond(self, corners: np.ndarray) -> np.ndarray:
        """By how many pixels each box sticks out; NaN where the size is not known."""
        beyond: np.ndarray = np.maximum(-corners[:, :2], corners[:, 2:] - self.sizes).max(1)
        return beyond

    def _doubt(self, numbers: np.ndarray, drawn: np.ndarray, finite: np.ndarray) -> np.ndarray:
        """Tell what all the boxes together look like, where that is not how they are read; the boxes (box,) bool of
        which nothing else need be said then."""
        found, count = self.found, len(numbers)
        none = np.zeros(count, bool)
        largest = np.abs(numbers).max(1, initial=0)
        if found.is_shares:
            beyond: np.ndarray = largest > 1.5
            if beyond.sum() >= max(1, count / 2):
                self._tell_doubt(beyond, "have coordinates beyond 1 and look like pixels", found.units_hint)
                return beyond
        within: np.ndarray = finite & (largest <= 1)
        if not found.is_shares and count and within.mean() >= NEARLY_ALL:
            told = "have no coordinate beyond 1 and look like shares of width and height, not like pixels"
            self._tell_doubt(within, told, found.units_hint)
            return within
        sides = self.corners[:, 2:] - self.corners[:, :2]
        far = (self._beyond(self.corners) > np.maximum(1, LOOSE * self.sizes.max(1))) | (sides < 0).any(1)
        odd: np.ndarray = finite & far
        if odd.sum() < max(FEWEST, MANY * count):
            return none
        for form, hint in (*found.others, (swapped(found.form), "exchange x and y in the annotations")):
            other = self._read(form, numbers, drawn)
            fits: np.ndarray = (other[:, 2:] > other[:, :2]).all(1) & (self._beyond(other) <= 1)
            if fits[odd].mean() >= NEARLY_ALL:
                told = f"lie outside or are inverted, and {int(fits[odd].sum())} of these fit as {form.name}"
                self._tell_doubt(odd, told, hint)
                both: np.ndarray = odd & fits
                return both
        return none

    def _tell_doubt(self, rows: np.ndarray, what: str, hint: str) -> None:
        first = int(np.flatnonzero(rows)[0])
        read = f"{int(rows.sum())} of {len(rows)} boxes, read as {self.found.form.name}, {what}"
        self.found.told.findings.append(Finding("error", f"{read}, such as {self._case(first)}", int(rows.sum()), hint))

    def _tell_boxes(self, finite: np.ndarray, explained: np.ndarray) -> np.ndarray:
        corners = self.corners
        sides = corners[:, 2:] - corners[:, :2]
        inverted = finite & (sides < 0).any(1)
        flat = finite & ~inverted & (sides == 0).any(1)
        sound: np.ndarray = finite & ~inverted & ~flat
        outside = sound & ((corners[:, :2] >= self.sizes).any(1) | (corners[:, 2:] <= 0).any(1))
        sound &= ~outside & np.isfinite(corners).all(1)  # shares of a picture that cannot be read are no corners
        odd_area = sound & ~np.array([box.is_area_sound for box in self.boxes], bool)
        sound &= ~odd_area
        for fault, rows in (
            (NO_NUMBERS, ~finite),
            (INVERTED, inverted),
            (FLAT, flat),
            (OUTSIDE, outside),
            (NO_AREA, odd_area),
            (STICKS_OUT, sound & (self._beyond(corners) > 1)),
            (TINY, sound & (sides < 1).any(1)),
        ):
            self._tell(fault, rows & ~explained)
        # What is explained as a whole is no fault of the boxes; without them there would seem to be none.
        taken: np.ndarray = np.where(explained, finite & (sides > 0).all(1), sound)
        return taken

    def _tell_repeated(self, keep: np.ndarray) -> np.ndarray:
        """Tell boxes that are there before; which (box,) bool are taken all the same."""
        seen: set[tuple[Any, ...]] = set()
        repeated = np.zeros(len(keep), bool)
        for place, (owner, corners) in enumerate(zip(self.owners.tolist(), self.corners.tolist(), strict=True)):
            if keep[place]:
                box = (owner, self.boxes[place].label, *corners)
                repeated[place] = box in seen
                seen.add(box)
        self._tell(REPEATED, repeated)
        return ~repeated if self.options.faulty == "drop" else np.ones(len(keep), bool)

    def _tell(self, fault: Fault, rows: np.ndarray) -> None:
        for place in np.flatnonzero(rows).tolist():
            self.found.told.add(fault, self._case(place))

    def _case(self, place: int) -> str:
        """Which box, and its numbers as they are written; the size of its picture."""
        box, each = self.boxes[place], self.pictures[self.owners[place]]
        numbers = ", ".join(f"{number:g}" for number in box.numbers)
        size = self.sizes[place]
        within = "" if np.isnan(size).any() else f" in {size[0]:g} x {size[1]:g}"
        area = "" if box.is_area_sound else f", area {box.area:g}"
        return f"{each.source}, {box.where} of {each.key}: {box.label} [{numbers}]{within}{area}"


def _counted(count: int) -> str:
    return "1 box" if count == 1 else f"{count} boxes"
