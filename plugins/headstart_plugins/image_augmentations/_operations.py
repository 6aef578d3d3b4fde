"""The changes among which the automatic policies draw, each with a strength from 0 to 1 of its range."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headstart.specs import Change

Operation = Callable[[float, float], tuple[Change, ...]]
"""Of a strength from 0 (next to nothing, for most) to 1 (the end of its range), and a sign, 1 or -1."""
INVERSION = "colour_inversion"
ROTATION = "rotation"
FULL_BITS, FULL_VALUE = 8, 255


@dataclass(frozen=True)
class Ranges:
    """Where strengths end: shears as a slope, shifts as a share of each side, turns in degrees, factors as what is
    added to 1 or taken from it, posterizing as the bits that go."""

    shear: float
    shift: float
    turn: float
    factor: float
    bits: int


def operations(ranges: Ranges, *, inversion: bool) -> Mapping[str, Operation]:
    """The fourteen operations of AutoAugment's successors by name; without `inversion` solarize is left out.

    Geometry is around the centre, in shares of each side. Identity, autocontrast and equalize have no strength;
    posterize keeps 8 bits at strength 0, solarize inverts values from 255 on; neither has a sign.
    """
    enhancing = ("brightness", "saturation", "contrast", "sharpness")
    found: dict[str, Operation] = {
        "identity": lambda strength, sign: (),
        "shear_x": lambda strength, sign: _affine(b=sign * strength * ranges.shear),
        "shear_y": lambda strength, sign: _affine(d=sign * strength * ranges.shear),
        "translate_x": lambda strength, sign: _affine(c=sign * strength * ranges.shift),
        "translate_y": lambda strength, sign: _affine(f=sign * strength * ranges.shift),
        "rotate": lambda strength, sign: _turned(sign * strength * ranges.turn),
        **{name: _enhancing(name, ranges.factor) for name in enhancing},
        "posterize": lambda strength, sign: _coloured("posterize", FULL_BITS - round(strength * ranges.bits)),
        "autocontrast": lambda strength, sign: _coloured("autocontrast"),
        "equalize": lambda strength, sign: _coloured("equalize"),
    }
    if inversion:
        found["solarize"] = lambda strength, sign: _coloured("solarize", FULL_VALUE * (1 - strength))
    return found


def _enhancing(name: str, factor: float) -> Operation:
    return lambda strength, sign: _coloured(name, 1 + sign * strength * factor)


def _coloured(name: str, strength: float | None = None) -> tuple[Change, ...]:
    return (Change(name, None if strength is None else float(strength)),)


def _turned(degrees: float) -> tuple[Change, ...]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _affine(a=cosine, b=-sine, d=sine, e=cosine)


def _affine(
    *, a: float = 1.0, b: float = 0.0, c: float = 0.0, d: float = 0.0, e: float = 1.0, f: float = 0.0
) -> tuple[Change, ...]:
    return (Change("matrix", ((a, b, c), (d, e, f), (0.0, 0.0, 1.0))),)
