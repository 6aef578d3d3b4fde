"""What the values of mask files mean: the place of a class for each, or void."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np

from headstart.errors import DataError
from headstart.lists import in_line
from headstart_plugins._mask import MOST_CLASSES, VOID

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""
Coding = Literal["index", "colour"]
"""What a value is: the number of a palette or a grey, or a colour, as `packed` has it."""
UNKNOWN = 254
"""Stands for values that mean nothing while these are looked up: beside VOID the only byte that is no place."""
WIDEST = 2**16
"""Values below this are looked up in a table."""


@dataclass(frozen=True)
class Legend:
    """The classes of the data and their values in its files.

    `values` has one of each of the `names`, `void` those that say nothing; with `by` "colour" they are colours, packed.
    What is neither is refused, or void as well where `unknown` says so. `colours` are the palette of the files, one of
    each name.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    void: tuple[int, ...] = (VOID,)
    by: Coding = "index"
    unknown: Literal["refuse", "void"] = "refuse"
    colours: tuple[Colour, ...] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be."""
        if not self.names or len(self.names) > MOST_CLASSES:
            raise ValueError(f"{len(self.names)} classes; expected 1 to {MOST_CLASSES}, as a byte and void allow")
        if len(self.values) != len(self.names) or len({*self.values}) != len(self.values):
            raise ValueError(f"{len(self.names)} classes and the values {self.values}; expected another one of each")
        if both := [value for value in self.values if value in self.void]:
            name = self.names[self.values.index(both[0])]
            raise ValueError(f"{self.spelt(both[0])} is both void and the class {name!r}")
        if self.colours is not None and len(self.colours) != len(self.names):
            raise ValueError(f"{len(self.names)} classes and {len(self.colours)} colours; expected one of each")

    def target(self) -> Mapping[str, Any]:
        """As targets hold it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def of(cls, written: Any, where: str) -> Legend:
        """From what `target` gave. Raises DataError naming `where`."""
        try:
            return cls(**written)
        except (TypeError, ValueError) as exc:
            hint = "expected names and values, one of each class, and void"
            raise DataError(f"{where}: the legend of its mask is wrong: {exc}", hint=hint) from exc

    def spelt(self, value: int) -> str:
        """A value as messages have it: 7, or #ff0080."""
        return f"#{value:06x}" if self.by == "colour" else str(value)

    def lacks(self, value: int) -> bool:
        """Whether a value means nothing."""
        return value not in self.values and value not in self.void

    def classes(self, values: np.ndarray, where: str) -> np.ndarray:
        """The places (height, width) uint8 of the classes of `values` (height, width), whole numbers; VOID where they
        are void. Raises DataError naming `where` and values that mean nothing, unless these are void too."""
        found = self._places(values)
        unknown = found == UNKNOWN
        if unknown.any():
            if self.unknown == "refuse":
                told = in_line([self.spelt(each) for each in np.unique(values[unknown]).tolist()])
                message = f"{where} has values of no class: {told}, in {int(unknown.sum())} of {unknown.size} pixels"
                raise DataError(message, hint=f"known are {in_line(self.known)}")
            found[unknown] = VOID
        return found

    @property
    def known(self) -> tuple[str, ...]:
        """All values that mean something, in words."""
        named = (f"{self.spelt(value)} ({name})" for name, value in zip(self.names, self.values, strict=True))
        return (*named, *(f"{self.spelt(value)} (void)" for value in self.void))

    def _places(self, values: np.ndarray) -> np.ndarray:
        """The place of each value, uint8; VOID and UNKNOWN where it has none."""
        if values.dtype in (np.uint8, np.uint16):
            return self._table[: np.iinfo(values.dtype).max + 1].take(values)
        known = np.array([*self.values, *self.void])
        order = np.argsort(known)
        nearest = np.minimum(np.searchsorted(known[order], values), len(known) - 1)
        places = np.array([*range(len(self.names)), *[VOID] * len(self.void)], np.uint8)[order]
        return np.where(known[order][nearest] == values, places[nearest], np.uint8(UNKNOWN))

    @cached_property
    def _table(self) -> np.ndarray:
        table = np.full(WIDEST, UNKNOWN, np.uint8)
        for value in self.void:
            if 0 <= value < WIDEST:
                table[value] = VOID
        for place, value in enumerate(self.values):
            if 0 <= value < WIDEST:
                table[value] = place
        return table


def packed(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) uint8 as whole numbers (...) int32: 0xRRGGBB."""
    red, green, blue = (colours[..., channel].astype(np.int32) for channel in range(3))
    found: np.ndarray = (red << 16) | (green << 8) | blue
    return found


def unpacked(value: int) -> Colour:
    """The colour of one."""
    return value >> 16, value >> 8 & 255, value & 255
