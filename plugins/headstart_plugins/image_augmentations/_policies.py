"""Draws operations of a fixed list: one of any strength, or several of one strength."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from headstart.specs import AugmentationRequest, Change, Drawn
from headstart_plugins._affine import STILL, after
from headstart_plugins._draws import Keyed

Operation = Callable[[float, float], tuple[Change, ...]]
"""Of a strength from 0 (next to nothing, for most) to 1 (the end of its range), and a sign, 1 or -1."""
INVERSION = "colour_inversion"
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


BINS = 31
"""Strengths that are told apart, the ends among them: 0 to 30."""
WIDE = Ranges(shear=0.99, shift=32 / 224, turn=135.0, factor=0.99, bits=6)
"""Mueller & Hutter 2021, the wide ranges, as in torchvision's `TrivialAugmentWide`; the 32 pixels are of ImageNet's
224."""
USUAL = Ranges(shear=0.3, shift=150 / 331, turn=30.0, factor=0.9, bits=4)
"""Cubuk et al. 2019, as in torchvision's `RandAugment`: shifts of 150 pixels of 331."""


class TrivialAugment(Keyed):
    """Mueller & Hutter 2021 (arXiv:2103.10158), algorithm 1: one operation, its strength one of 31, each as likely; the
    sign too. Beyond the border stands the nearest border pixel, where the paper has black.

    With turns of more than 30 degrees where `symmetries` has "rotation", solarize where "colour_inversion".
    """

    name = "trivial_augment"

    def __init__(self, request: AugmentationRequest) -> None:
        super().__init__(request)
        # Small turns where the dataset does not say that labels survive more.
        ranges = WIDE if "rotation" in request.symmetries else replace(WIDE, turn=USUAL.turn)
        self.operations = tuple(operations(ranges, inversion=INVERSION in request.symmetries).values())

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """What one operation makes."""
        operation = self.operations[int(next(numbers) * len(self.operations))]
        strength = int(next(numbers) * BINS) / (BINS - 1)
        return Drawn(operation(strength, _sign(next(numbers))))


class RandAugment(Keyed):
    """Cubuk et al. 2019 (arXiv:1909.13719): `n` operations, each drawn anew, all of magnitude `m` (0 to 30), each
    with a sign of its own. All that moves pixels comes before all that changes their values, as one matrix. Borders as
    in `TrivialAugment`. With solarize where `symmetries` has "colour_inversion"."""

    name = "rand_augment"

    def __init__(self, request: AugmentationRequest) -> None:
        super().__init__(request)
        self.operations = tuple(operations(USUAL, inversion=INVERSION in request.symmetries).values())

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """What all operations make."""
        changes: list[Change] = []
        for _ in range(self.options.n):
            operation = self.operations[int(next(numbers) * len(self.operations))]
            changes += operation(self.options.m / (BINS - 1), _sign(next(numbers)))
        matrix = reduce(after, (change.value for change in changes if change.name == "matrix"), STILL)
        moved = () if matrix == STILL else (Change("matrix", matrix),)
        return Drawn((*moved, *(change for change in changes if change.name != "matrix")))


def _sign(number: float) -> float:
    return 1.0 if number < 0.5 else -1.0
