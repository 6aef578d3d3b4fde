"""Tiles of a large picture become one mask: their logits are blended where they overlap; numpy alone.

The answer of a network is poorer near the border of what it sees. Each pixel takes the mean of the logits that its
tiles give it, weighed by how far inside of a tile it lies: by a raised cosine (Hann's window) along each side, from 0
at a seam to 1 in the middle of the tile, and 1 throughout where the tile ends with the picture. So no tile ends
abruptly, whatever the overlap; without one, nothing is blended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.errors import PluginError
from headstart.specs import Batch, Facts
from headstart_plugins._picture_facts import verify_facts
from headstart_plugins.segmentation._head import LOGITS
from headstart_plugins.segmentation._resize import Grid, sure_of

MASK, SURE = "merged_mask", "merged_sure"
"""What a merged picture is, beside a head's outputs: (1, height, width) uint8 of its pixels each, the second where
probabilities are asked for, as `sure_of` gives it."""


class TileMerger:
    """See `headstart.specs.Merger`. Tiles come row by row, so that sums are kept of the rows of pixels alone that a
    later tile may see: of a tile's height, whatever that of the picture."""

    def __init__(self, temperature: float | None) -> None:
        self._temperature = temperature
        self._band: _Band | None = None

    def add(self, outputs: Batch, facts: Sequence[Facts]) -> None:
        """See `headstart.specs.Merger`. Raises PluginError where a fact does not say where the tile lies, and where one
        begins above the one before."""
        for logits, fact in zip(outputs[LOGITS], facts, strict=True):
            verify_facts(fact, "masks")
            if "tile" not in fact:
                raise PluginError(
                    "the input kind does not tell where a tile lies in its picture, which masks need",
                    hint="leave predict.tile out, or tell the author of the input kind",
                )
            left, top, right, bottom = fact["tile"]
            band = self._band = self._band or _Band(
                (fact["height"], fact["width"]), logits.shape[-1], self._temperature
            )
            band.finish(top)
            across = _window(left, right, fact["width"])
            down = _window(top, bottom, fact["height"])
            grid = Grid.of_picture(fact, logits.shape[:2], (left, top, right, bottom))
            band.add(grid.whole(logits), down[:, None] * across, (top, left))

    def merged(self) -> dict[str, np.ndarray]:
        """See `headstart.specs.Merger`. Raises PluginError where tiles leave a pixel out."""
        if self._band is None:
            raise PluginError("a picture came without a tile", hint="tell the author of the input kind")
        self._band.finish(len(self._band.mask))
        found = {MASK: self._band.mask[None]}
        return found if self._band.sure is None else {**found, SURE: self._band.sure[None]}


class _Band:
    """The mask of a picture (height, width) as far as it is known, and below it the sums of weighed logits and of
    weights of the rows that tiles so far see."""

    def __init__(self, size: tuple[int, int], classes: int, temperature: float | None) -> None:
        self.mask = np.zeros(size, np.uint8)
        self.sure = None if temperature is None else np.zeros(size, np.uint8)
        self._temperature = temperature
        self._done = 0
        self._sums = np.zeros((classes, 0, size[1]), np.float32)
        self._weights = np.zeros((0, size[1]), np.float32)

    def add(self, logits: np.ndarray, weights: np.ndarray, corner: tuple[int, int]) -> None:
        """Add a tile (class, height, width) whose pixels weigh `weights` (height, width); its upper left `corner` is
        its row and column in the picture."""
        top, left = corner[0] - self._done, corner[1]
        lacking = top + len(weights) - len(self._weights)
        if lacking > 0:
            self._sums = np.pad(self._sums, ((0, 0), (0, lacking), (0, 0)))
            self._weights = np.pad(self._weights, ((0, lacking), (0, 0)))
        part = (slice(top, top + len(weights)), slice(left, left + weights.shape[1]))
        self._sums[:, *part] += logits * weights
        self._weights[part] += weights

    def finish(self, until: int) -> None:
        """No tile will come that begins above the row `until`: what is above it is known. Raises PluginError where that
        was told of a later row before, or a pixel has no tile."""
        count = until - self._done
        if count < 0 or count > len(self._weights) or not self._weights[:count].all():
            raise PluginError(
                f"tiles of a picture do not come row by row, or leave pixels out: rows {self._done} to {until}",
                hint="tell the author of the input kind",
            )
        rows = slice(self._done, until)
        self.mask[rows] = self._sums[:, :count].argmax(axis=0)
        if self.sure is not None and self._temperature is not None:
            self.sure[rows] = sure_of(self._sums[:, :count] / self._weights[:count], self._temperature)
        self._sums, self._weights, self._done = self._sums[:, count:], self._weights[count:], until


def _window(start: int, stop: int, whole: int) -> np.ndarray:
    """(pixel,) float32 > 0: how much the pixels `start` to `stop` of a side of `whole` weigh in their tile."""
    along = (np.arange(stop - start) + 0.5) / (stop - start)
    weights = np.sin(np.pi * along) ** 2
    if start == 0:
        weights[along < 0.5] = 1.0
    if stop == whole:
        weights[along >= 0.5] = 1.0
    return weights.astype(np.float32)
