"""Contact sheets of pictures: what was drawn for each, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from headstart.specs import Change, Drawn, Preview, Shown
from headstart_plugins._contact_sheet import Tile
from headstart_plugins._contact_sheet import contact_sheet as drawn_sheet
from headstart_plugins.image._changes import fused


def in_words(drawn: Drawn) -> tuple[str, ...]:
    """What was drawn, in the order in which it is applied. Raises PluginError like `fused`."""
    whole = fused(drawn.changes)  # a mix places its samples itself
    erased = (f"erased: {part.fill}" for part in whole.erased)
    return (*_moved(whole.matrix), *(_coloured(each) for each in whole.colours), *erased, *_mixed(drawn))


def _mixed(drawn: Drawn) -> tuple[str, ...]:
    if len(drawn.steps) > 1:
        return (f"one of {len(drawn.steps) + 1}",)
    return tuple("mixed" if step.region is None else "cut and mixed" for step in drawn.steps)


def _moved(matrix: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """An affine map as a mirror, a shear or turn or zoom, and a shift; of the picture, whence the opposite signs: but
    what was mirrored comes from the other side."""
    (a, b, c), (d, e, f) = matrix[:2]
    mirrored = ("mirrored",) if a * e - b * d < 0 else ()
    a, d = (-a, -d) if mirrored else (a, d)
    across, down = round(-100 * c), round(-100 * f)
    shift = (f"shift {-across if mirrored else across:+} {down:+} %",) if across or down else ()
    return (*mirrored, *_bent(a, b, d, e), *shift)


def _bent(a: float, b: float, d: float, e: float) -> tuple[str, ...]:
    if max(abs(a - 1), abs(b), abs(d), abs(e - 1)) < 1e-3:
        return ()
    if max(abs(a - e), abs(b + d), abs(math.hypot(a, d) - 1)) < 1e-3:
        return (f"turn {-math.degrees(math.atan2(d, a)):+.0f}°",)
    if max(abs(a - 1), abs(e - 1)) < 1e-3 and min(abs(b), abs(d)) < 1e-3:
        return (f"shear {-(b + d):+.2f}",)
    if max(abs(b), abs(d)) < 0.01:
        return (f"zoom {1 / a:.2f} x {1 / e:.2f}",)
    return (f"affine {a:.2f} {b:.2f} {d:.2f} {e:.2f}",)


UNITS: Mapping[str, str] = {"posterize": "{:.0f} bits", "solarize": "{:.0f}", "hue": "{:+.2f}"}


def _coloured(colour: Change) -> str:
    if colour.value is None:
        return colour.name
    return f"{colour.name} {UNITS.get(colour.name, '{:.2f}').format(colour.value)}"


def contact_sheet(rows: Sequence[Sequence[Shown]], titles: Sequence[str]) -> Preview:
    """A PNG of equally many pictures a row, below each its labels, what was drawn, its notes; see `_contact_sheet`."""
    tiles = [
        [
            Tile(shown.tensors["image"], shown.labels, (*in_words(shown.drawn), *shown.notes), shown.marks)
            for shown in row
        ]
        for row in rows
    ]
    return drawn_sheet(tiles, titles)
