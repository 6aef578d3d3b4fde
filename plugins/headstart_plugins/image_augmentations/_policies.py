"""Draws operations of a fixed list: one of any strength, or several of one strength."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.specs import AugmentationRequest, Change, Drawn
from headstart_plugins._affine import STILL, after
from headstart_plugins.image_augmentations._draws import numbers
from headstart_plugins.image_augmentations._operations import INVERSION, ROTATION, Operation, Ranges, operations

BINS = 31
"""Strengths that are told apart, the ends among them: 0 to 30."""
WIDE = Ranges(shear=0.99, shift=32 / 224, turn=135.0, factor=0.99, bits=6)
"""Mueller & Hutter 2021, the wide ranges, as in torchvision's `TrivialAugmentWide`; the 32 pixels are of ImageNet's
224."""
USUAL = Ranges(shear=0.3, shift=150 / 331, turn=30.0, factor=0.9, bits=4)
"""Cubuk et al. 2019, as in torchvision's `RandAugment`: shifts of 150 pixels of 331."""
SMALL_TURN = USUAL.turn
"""Degrees that a picture is turned by at most where its dataset does not say that labels survive more."""


def trivial_augment(request: AugmentationRequest) -> TrivialAugment:
    """With turns of more than 30 degrees where `symmetries` has "rotation", solarize where "colour_inversion"."""
    turn = WIDE.turn if ROTATION in request.symmetries else SMALL_TURN
    ranges = Ranges(WIDE.shear, WIDE.shift, turn, WIDE.factor, WIDE.bits)
    return TrivialAugment(tuple(operations(ranges, inversion=INVERSION in request.symmetries).values()))


def rand_augment(request: AugmentationRequest) -> RandAugment:
    """With solarize where `symmetries` has "colour_inversion"."""
    found = operations(USUAL, inversion=INVERSION in request.symmetries)
    return RandAugment(tuple(found.values()), request.options.n, request.options.m)


@dataclass(frozen=True)
class TrivialAugment:
    """Mueller & Hutter 2021 (arXiv:2103.10158), algorithm 1: one operation, its strength one of 31, each as likely; the
    sign too. Beyond the border stands the nearest border pixel, where the paper has black."""

    operations: tuple[Operation, ...]

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        drawn = numbers("trivial_augment", seed, epoch, key)
        operation = self.operations[int(next(drawn) * len(self.operations))]
        strength = int(next(drawn) * BINS) / (BINS - 1)
        return Drawn(operation(strength, _sign(next(drawn))))


@dataclass(frozen=True)
class RandAugment:
    """Cubuk et al. 2019 (arXiv:1909.13719): `count` operations, each drawn anew, all of `magnitude` (0 to 30), each
    with a sign of its own. All that moves pixels comes before all that changes their values, as one matrix. Borders as
    in `TrivialAugment`."""

    operations: tuple[Operation, ...]
    count: int
    magnitude: int

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        drawn = numbers("rand_augment", seed, epoch, key)
        matrix = STILL
        others: list[Change] = []
        for _ in range(self.count):
            operation = self.operations[int(next(drawn) * len(self.operations))]
            for change in operation(self.magnitude / (BINS - 1), _sign(next(drawn))):
                if change.name == "matrix":
                    matrix = after(matrix, change.value)
                else:
                    others.append(change)
        moved = () if matrix == STILL else (Change("matrix", matrix),)
        return Drawn((*moved, *others))


def _sign(number: float) -> float:
    return 1.0 if number < 0.5 else -1.0
