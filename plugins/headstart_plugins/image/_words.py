"""What was drawn for a picture, in words that fit below it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from headstart.specs import Drawn, Mix
from headstart_plugins.image._changes import BARE, Colour, fused


def in_words(drawn: Drawn) -> tuple[str, ...]:
    """What was drawn, in the order in which it is applied. Raises PluginError like `fused`."""
    whole = fused(drawn.changes)
    erased = tuple(f"erased: {part.fill}" for part in whole.erased)
    return (*_moved(whole.matrix), *(_coloured(each) for each in whole.colours), *erased, *_mixed(drawn.mix))


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


def _coloured(colour: Colour) -> str:
    if colour.name in BARE:
        return colour.name
    return f"{colour.name} {UNITS.get(colour.name, '{:.2f}').format(colour.strength)}"


def _mixed(mix: Mix | None) -> tuple[str, ...]:
    return () if mix is None else ("mixed",) if mix.region is None else ("cut and mixed",)
