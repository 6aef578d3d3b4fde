"""What any format says of a picture: boxes as they are written, and how four numbers are read as a box."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart_plugins._annotations.headers import Four, Size


@dataclass(frozen=True, slots=True)
class Written:
    """One box as it is written: `where` says which in its file, `numbers` are read by a `Form`. `area` is square pixels
    as the file states them."""

    where: str
    label: str
    numbers: Four
    area: float | None = None
    crowd: bool = False
    difficult: bool = False

    @property
    def is_area_sound(self) -> bool:
        """Whether the stated area can be one; True where none is stated."""
        return self.area is None or 0 <= self.area < math.inf


@dataclass(frozen=True)
class Annotated:
    """A picture with its boxes: `key` is its path below the data, `source` the name of the file that annotates it,
    `stated` the size which that states, and `id` what that calls it by, if any."""

    key: str
    file: Path
    source: str
    boxes: Sequence[Written]
    stated: Size | None = None
    split: str | None = None
    group: str | None = None
    id: int | str | None = None


@dataclass(frozen=True)
class Form:
    """What four numbers mean: `name` in words, and `corners` of them in pixels, in a picture of a size."""

    name: str
    corners: Callable[[Four, Size], Four]


def _shared(corners: Four, size: Size) -> Four:
    """Shares of width and height as pixels."""
    width, height = size
    return corners[0] * width, corners[1] * height, corners[2] * width, corners[3] * height


def corners_from(origin: int) -> Form:
    """Left, top, right, bottom as whole pixels that lie inside, the first one having the number `origin`: with 1 the
    left edge of pixel 1 is 0, and the right edge of the last is the width."""
    return Form("left, top, right, bottom", lambda numbers, _: (numbers[0] - origin, numbers[1] - origin, *numbers[2:]))


CORNERS = corners_from(0)
SIZED = Form("left, top, width, height", lambda n, _: (n[0], n[1], n[0] + n[2], n[1] + n[3]))
CENTRED = Form(
    "centre x, centre y, width, height",
    lambda n, _: (n[0] - n[2] / 2, n[1] - n[3] / 2, n[0] + n[2] / 2, n[1] + n[3] / 2),
)


def shares(form: Form) -> Form:
    """The same where numbers are shares of width and height."""
    return Form(f"{form.name} as shares", lambda numbers, size: _shared(form.corners(numbers, size), size))


def swapped(form: Form) -> Form:
    """The same with x and y exchanged."""
    return Form("x and y swapped", lambda n, size: form.corners((n[1], n[0], n[3], n[2]), size))
