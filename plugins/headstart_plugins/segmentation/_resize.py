"""From the cells that a head answers in to pixels: bilinear interpolation as two matrices; numpy alone.

As `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`: cell i has its centre at i + 0.5, pixels
between two centres are a mixture of both, and those beyond the outermost centres are as these. Nothing is averaged
where a side shrinks. As matrices, the same numbers come out on every backend, also backwards, and answers go straight
to the pixels of the picture as it was, without a second resampling of what was resampled before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

STRIP = 2**18
"""Logits that are interpolated at a time, about: so many stay in a processor's cache."""
MARGIN = 1e-3
"""Of the largest logit, more than rounding moves one."""


def weights_at(places: np.ndarray, cells: int) -> np.ndarray:
    """(place, cell) float32: what each of `cells` weighs at `places` (place,), counted in cells from the first one's
    edge."""
    along = np.clip(np.asarray(places, np.float64) - 0.5, 0.0, cells - 1.0)
    low = np.minimum(along.astype(np.int64), max(cells - 2, 0))
    share = along - low
    found = np.zeros((len(along), cells), np.float64)
    rows = np.arange(len(along))
    found[rows, low] = 1.0 - share
    if cells > 1:
        found[rows, low + 1] = share
    return found.astype(np.float32)


@lru_cache(maxsize=32)
def weights_of(pixels: int, cells: int) -> np.ndarray:
    """(pixel, cell) float32: the weights that bring a side of `cells` to so many `pixels`. Not to be written to."""
    return weights_at((np.arange(pixels) + 0.5) * cells / pixels, cells)


@dataclass(frozen=True)
class Grid:
    """What brings a map of cells (row, column) to pixels: `down` (height, row) and `across` (width, column) float32."""

    down: np.ndarray
    across: np.ndarray

    @classmethod
    def of_input(cls, size: tuple[int, int], cells: tuple[int, ...]) -> Grid:
        """To the pixels of an input (height, width)."""
        return cls(*(weights_of(pixels, each) for pixels, each in zip(size, cells, strict=True)))

    @classmethod
    def of_picture(
        cls, facts: Mapping[str, Any], cells: tuple[int, ...], part: tuple[int, int, int, int] | None = None
    ) -> Grid:
        """To the pixels of the picture that `facts` of the image kind are of, or to `part` of it: left, top, right,
        bottom. What of it lies outside of the input is as the input's border."""
        left, top, right, bottom = part or (0, 0, facts["width"], facts["height"])
        down = (np.arange(top, bottom) + 0.5) * facts["scale_y"] + facts["offset_y"]
        across = (np.arange(left, right) + 0.5) * facts["scale_x"] + facts["offset_x"]
        return cls(
            weights_at(down * cells[0] / facts["input_height"], cells[0]),
            weights_at(across * cells[1] / facts["input_width"], cells[1]),
        )

    def every(self, step: int) -> Grid:
        """To every so many of the pixels, along both sides, from the middle of the first ones on."""
        return Grid(*(each[min(step // 2, len(each) - 1) :: step] for each in (self.down, self.across)))

    def whole(self, logits: np.ndarray) -> np.ndarray:
        """Logits (row, column, class) float32 at all pixels: (class, height, width)."""
        by_class = np.ascontiguousarray(logits.transpose(2, 0, 1))
        found: np.ndarray = self.down @ by_class @ self.across.T
        return found

    def strips(self, logits: np.ndarray, *, all_classes: bool) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """The same from above, some rows of pixels at a time: these, the classes (class,) int64, and their logits
        (class, row, width).

        Without `all_classes`, those that are nowhere in a strip the most likely are left out: interpolated logits lie
        between those of the four cells around, so that one that is in all four below the least of another never wins
        between them.
        """
        by_class = np.ascontiguousarray(logits.transpose(2, 0, 1))
        contends = np.ones((len(by_class), len(logits)), bool) if all_classes else _contenders(by_class)
        width, columns = self.across.shape
        to_width = np.ascontiguousarray(self.across.T)
        step = max(STRIP // max(len(by_class) * width, 1), 8)
        for start in range(0, len(self.down), step):
            rows = slice(start, min(start + step, len(self.down)))
            seen = np.flatnonzero(self.down[rows].any(axis=0))
            cells = slice(int(seen[0]), int(seen[-1]) + 1)
            between = slice(max(cells.start - 1, 0), cells.stop)  # of a single row of cells that on one of its sides
            classes = np.flatnonzero(contends[:, between].any(axis=1))
            part = self.down[rows, cells] @ by_class[classes, cells]
            yield rows, classes, (part.reshape(-1, columns) @ to_width).reshape(len(classes), -1, width)


def _contenders(logits: np.ndarray) -> np.ndarray:
    """Whether each class can be the most likely one somewhere below a row of cells and above the next, of `logits`
    (class, row, column): (class, row - 1, or 1 where there is one row) bool."""

    def of_two(values: np.ndarray, axis: int, combine: np.ufunc) -> np.ndarray:
        along = np.moveaxis(values, axis, 0)
        return np.moveaxis(combine(along[:-1], along[1:]) if len(along) > 1 else along, 0, axis)

    least, most = (of_two(of_two(logits, 1, combine), 2, combine) for combine in (np.minimum, np.maximum))
    allowed = MARGIN * max(float(np.abs(logits).max()), 1.0)
    found: np.ndarray = (most >= least.max(axis=0) - allowed).any(axis=2)
    return found


def most_likely(logits: np.ndarray, grid: Grid) -> np.ndarray:
    """The class (height, width) uint8 with the highest of `logits` (row, column, class) at each pixel; of equal ones
    the first."""
    found = np.empty((len(grid.down), len(grid.across)), np.uint8)
    for rows, classes, values in grid.strips(logits, all_classes=False):
        best, chosen = values[0], np.full(values.shape[1:], classes[0], np.uint8)
        for number, each in zip(classes[1:], values[1:], strict=True):
            np.copyto(chosen, np.uint8(number), where=each > best)
            np.maximum(best, each, out=best)
        found[rows] = chosen
    return found


def how_sure(logits: np.ndarray, grid: Grid, temperature: float) -> np.ndarray:
    """The probability (height, width) uint8 of the most likely class at each pixel, of logits over the temperature; 255
    is 1."""
    found = np.empty((len(grid.down), len(grid.across)), np.uint8)
    for rows, _, values in grid.strips(logits, all_classes=True):
        found[rows] = sure_of(values, temperature)
    return found


def sure_of(logits: np.ndarray, temperature: float) -> np.ndarray:
    """The same of `logits` (class, ...) themselves: (...) uint8."""
    behind = (logits - logits.max(axis=0)) / np.float32(temperature)
    found: np.ndarray = np.rint(255 / np.exp(behind).sum(axis=0)).astype(np.uint8)
    return found


def sampled(image: np.ndarray, facts: Mapping[str, Any], outside: int) -> np.ndarray:
    """`image` (height, width), a number a pixel of the picture, in the pixels of the input that the picture became:
    (input height, input width) of the same dtype, of each the number at its centre, and `outside` beyond the picture.

    Numbers of classes cannot be averaged: of a picture that shrinks, some pixels are not seen.
    """
    places = []
    for side, axis in (("height", "y"), ("width", "x")):
        centres = (np.arange(facts[f"input_{side}"]) + 0.5 - facts[f"offset_{axis}"]) / facts[f"scale_{axis}"]
        places.append(np.floor(centres).astype(np.int64))
    inside = [(each >= 0) & (each < size) for each, size in zip(places, image.shape, strict=True)]
    rows, columns = (np.clip(each, 0, size - 1) for each, size in zip(places, image.shape, strict=True))
    found: np.ndarray = image[rows[:, None], columns]
    found[~inside[0]] = outside
    found[:, ~inside[1]] = outside
    return found
