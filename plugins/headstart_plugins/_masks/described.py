"""A target of the kind `masks/mask`: a mapping as the dataset gives it, and the same as a record that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.lists import in_line
from headstart_plugins._annotations.headers import made_upright
from headstart_plugins._mask import VOID, Mask
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.pixels import Size, counted, read_pixels
from headstart_plugins._masks.shapes import LEAST_POINTS, painted, polygon_mask, run_length_mask, run_lengths

EXPECTED = '{"mask": PATH, "legend": {"names": [...], "values": [...]}, ...}, or "shapes" in place of "mask"'


@dataclass(frozen=True)
class Shape:
    """One object: a class, or a crowd, which is void where no other object is; and its `polygons`, each (point, 2)
    float64 x and y in pixels, together; or run lengths, `counts`, in columns."""

    name: str
    polygons: tuple[np.ndarray, ...] = ()
    counts: Any = None
    crowd: bool = False

    def target(self) -> Mapping[str, Any]:
        """As targets hold it."""
        found: dict[str, Any] = {"name": self.name}
        if self.polygons:
            found["polygons"] = self.polygons
        else:
            found["counts"] = self.counts
        return {**found, "crowd": True} if self.crowd else found

    def pixels(self, width: int, height: int) -> np.ndarray:
        """Its pixels (height, width) bool. Raises ValueError where it has none of its own."""
        if not self.polygons:
            return run_length_mask(run_lengths(self.counts), width, height)
        found = np.zeros((height, width), bool)
        for points in self.polygons:
            found |= polygon_mask(points, width, height)
        return found


@dataclass(frozen=True, kw_only=True)
class Described:
    """What is known of one mask.

    Either a `mask`, a file or its values (height, width), or `shapes` in a picture of the size `drawn`, whose ground is
    the class `ground`, or void. `size` is that of the upright picture, None where it is not known, `exif` its EXIF
    orientation; a mask that was drawn before the picture was turned by that is `turned` along. `counts` are how many
    pixels of the file have each value, as they were when the data was opened.
    """

    legend: Legend
    mask: Path | np.ndarray | None = None
    shapes: tuple[Shape, ...] | None = None
    ground: str | None = None
    drawn: Size | None = None
    size: Size | None = None
    exif: int = 1
    turned: bool = False
    counts: tuple[tuple[int, int], ...] | None = None

    def target(self, legend: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """As a record holds it; `legend` is its own as `Legend.target` gives it, once for all records."""
        found: dict[str, Any] = {"legend": legend or self.legend.target()}
        if self.shapes is None:
            found["mask"] = self.mask
        else:
            found |= {"shapes": tuple(each.target() for each in self.shapes), "ground": self.ground}
        for name in ("drawn", "size", "exif", "turned", "counts"):
            if (value := getattr(self, name)) not in (None, False) and (name, value) != ("exif", 1):
                found[name] = value
        return found

    @classmethod
    def of(cls, target: Any, where: str) -> Described:
        """From what `target` gave. Raises DataError naming `where` for what is no such target."""
        if not isinstance(target, Mapping) or not ("legend" in target and {"mask", "shapes"} & target.keys()):
            told = sorted(map(str, target)) if isinstance(target, Mapping) else type(target).__name__
            raise DataError(f"{where}: this is no mask, but {told}", hint=f"expected {EXPECTED}")
        known = dict(target)
        if "shapes" in known:
            known["shapes"] = _shapes(known["shapes"], where)
        if isinstance(known.get("mask"), str):
            known["mask"] = Path(known["mask"])
        legend = Legend.of(known.pop("legend"), where)
        try:
            found = cls(legend=legend, **known)
        except TypeError as exc:
            raise DataError(f"{where}: this is no mask: {exc}", hint=f"expected {EXPECTED}") from exc
        named = {found.ground or legend.names[0], *(each.name for each in found.shapes or () if not each.crowd)}
        if other := sorted(named - {*legend.names}):
            raise DataError(f"{where}: shapes of the class {other[0]!r}", hint=f"known are {in_line(legend.names)}")
        return found

    @property
    def upright(self) -> Size | None:
        """The size of the mask once it is turned along with its picture."""
        return self.drawn[::-1] if self.drawn and self.turned and self.exif > 4 else self.drawn

    @property
    def present(self) -> tuple[str, ...]:
        """The classes that it has, in the order of the legend: by its counts, or those of its shapes and the ground.
        Raises DataError where its file is to be read and cannot be."""
        if self.shapes is not None:
            names = {self.ground, *(each.name for each in self.shapes if not each.crowd)}
        else:
            values = {value for value, _ in self.counted("").counts or ()}
            pairs = zip(self.legend.names, self.legend.values, strict=True)
            names = {name for name, value in pairs if value in values}
        return tuple(name for name in self.legend.names if name in names)

    def counted(self, where: str) -> Described:
        """The same with `counts` and `drawn`, for which its file is read where they are not known. Raises DataError."""
        if self.shapes is not None or (self.counts is not None and self.drawn is not None):
            return self
        values = self._values(where)
        return Described(
            **{**vars(self), "counts": counted(values), "drawn": (values.shape[1], values.shape[0])},
        )

    def read(self, where: str) -> Mask:
        """The mask, upright. Raises DataError naming `where` and the file for what is not as described, and where its
        size is not that of the picture."""
        if self.shapes is None:
            values = self._values(where)
            self.require_size((values.shape[1], values.shape[0]), where)
            classes = self.legend.classes(values, f"{where}: its mask{self.file}")
        else:
            if self.drawn is None:
                raise DataError(f"{where}: its shapes are in a picture of unknown size", hint="state the size, `drawn`")
            self.require_size(self.drawn, where)
            classes = self._painted(self.drawn, where)
        if self.turned:
            classes = np.ascontiguousarray(made_upright(classes, self.exif))
        return Mask(classes, self.legend.names, self.legend.colours)

    @property
    def file(self) -> str:
        """The file's name with a space before it, for messages; empty for values."""
        return f" {self.mask}" if isinstance(self.mask, Path) else ""

    def require_size(self, drawn: Size, where: str) -> None:
        """Raise DataError where a mask of the size `drawn` is not one of the picture."""
        upright = drawn[::-1] if self.turned and self.exif > 4 else drawn
        if self.size is None or tuple(self.size) == upright:
            return
        width, height = self.size
        told = f"{where}: its mask{self.file} has {upright[0]} x {upright[1]} pixels, the picture {width} x {height}"
        if upright == (height, width):
            raise DataError(f"{told}: width and height are swapped", hint="turn the mask as its picture is turned")
        raise DataError(told, hint="expected a mask of the picture's own size; nothing is scaled")

    def _values(self, where: str) -> np.ndarray:
        if isinstance(self.mask, Path):
            return read_pixels(self.mask, where, self.legend.by).values
        if isinstance(self.mask, np.ndarray) and self.mask.ndim == 2 and self.mask.dtype.kind in "ui":
            return self.mask
        what = f"{self.mask.dtype} of shape {self.mask.shape}" if isinstance(self.mask, np.ndarray) else repr(self.mask)
        hint = "expected a path, or whole numbers (height, width)"
        raise DataError(f"{where}: its mask is {what}", hint=hint)

    def _painted(self, drawn: Size, where: str) -> np.ndarray:
        width, height = drawn
        places = {name: place for place, name in enumerate(self.legend.names)}
        ground = np.full((height, width), VOID if self.ground is None else places[self.ground], np.uint8)
        objects, found = [], []
        for number, each in enumerate(self.shapes or (), start=1):
            try:
                pixels = each.pixels(width, height)
            except ValueError as exc:
                raise DataError(f"{where}: shape {number} ({each.name}): {exc}", hint="mend the annotations") from exc
            if each.crowd:
                ground[pixels] = VOID
            else:
                objects.append(pixels)
                found.append(places[each.name])
        return painted(objects, found, ground)


def _shapes(written: Any, where: str) -> tuple[Shape, ...]:
    """Raises DataError naming the first that is none."""
    if not isinstance(written, Sequence) or isinstance(written, str):
        raise DataError(f"{where}: its shapes are {type(written).__name__}; expected a list")
    found = []
    for number, each in enumerate(written, start=1):
        try:
            found.append(Shape(**each))
            why = fault_of_shape(found[-1])
        except TypeError as exc:
            why = str(exc)
        if why is not None:
            raise DataError(f"{where}: shape {number} {why}", hint="expected its name, and polygons or counts")
    return tuple(found)


def fault_of_shape(shape: Shape) -> str | None:
    """Why a shape cannot be drawn, as far as it can be seen without drawing it; None where nothing is wrong."""
    if not shape.polygons and shape.counts is None:
        return "has neither polygons nor counts"
    for points in shape.polygons:
        if not isinstance(points, np.ndarray) or points.ndim != 2 or points.shape[1] != 2:
            return "has a polygon that is no list of x and y"
        if len(points) < LEAST_POINTS:
            return f"has a polygon of {len(points)} points; expected {LEAST_POINTS} at least"
        if not np.isfinite(points).all():
            return "has a polygon with numbers that are not finite"
    return None
