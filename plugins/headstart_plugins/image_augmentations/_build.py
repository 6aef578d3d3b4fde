"""Draws how pictures are moved: pure functions of (seed, epoch, key), the same on every machine and backend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

from headstart.specs import AugmentationRequest, Change, Drawn
from headstart_plugins._affine import Matrix
from headstart_plugins.image_augmentations._draws import numbers


def none(request: AugmentationRequest) -> Unchanged:
    """The augmentation that draws nothing."""
    return Unchanged()


def light(request: AugmentationRequest) -> Light:
    """Shifts, and flips where `symmetries` has "horizontal_flip"."""
    return Light(request.options.shift, request.options.flip and "horizontal_flip" in request.symmetries)


def classic(request: AugmentationRequest) -> Classic:
    """Shear and zoom, and flips where `symmetries` has "horizontal_flip"."""
    options = request.options
    return Classic(options.shear, options.zoom, options.flip and "horizontal_flip" in request.symmetries)


@dataclass(frozen=True)
class Unchanged:
    """Every sample as it is."""

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """Nothing."""
        return Drawn()


@dataclass(frozen=True)
class Light:
    """Shifts by up to `shift` of each side, evenly distributed, and a flip of every other picture if
    `flip`."""

    shift: float
    flip: bool

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        across, down, coin, *_ = _four("light", seed, epoch, key)
        sign = _sign(coin, self.flip)
        right, below = self.shift * (2 * across - 1), self.shift * (2 * down - 1)
        return Drawn((Change("matrix", ((sign, 0.0, right), (0.0, 1.0, below), (0.0, 0.0, 1.0))),))


@dataclass(frozen=True)
class Classic:
    """Keras' `ImageDataGenerator(shear_range=shear, zoom_range=zoom, horizontal_flip=flip)`.

    Keras 3, keras/src/legacy/preprocessing/image.py: `get_random_transform` draws the shear from
    -shear..shear degrees and two zooms from 1 - zoom..1 + zoom; `apply_affine_transform` multiplies [[1, -sin
    s], [0, cos s]] by diag(zx, zy), maps output to input around the centre, and means (x, y) since Keras
    swaps the axes for its arrays.
    """

    shear: float
    zoom: float
    flip: bool

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        tilt, wide, tall, coin = _four("classic", seed, epoch, key)
        matrix = self.matrix(
            shear=self.shear * (2 * tilt - 1),
            zx=1 + self.zoom * (2 * wide - 1),
            zy=1 + self.zoom * (2 * tall - 1),
            flipped=_sign(coin, self.flip) < 0,
        )
        return Drawn((Change("matrix", matrix),))

    @staticmethod
    def matrix(*, shear: float, zx: float, zy: float, flipped: bool) -> Matrix:
        """The matrix (3, 3) for a shear in degrees and zooms along x and y; a flip comes after both."""
        sign = -1.0 if flipped else 1.0
        angle = math.radians(shear)
        across = (sign * zx, -math.sin(angle) * zy, 0.0)
        down = (0.0, math.cos(angle) * zy, 0.0)
        return across, down, (0.0, 0.0, 1.0)


def _sign(coin: float, flip: bool) -> float:
    return -1.0 if flip and coin < 0.5 else 1.0


def _four(name: str, seed: int, epoch: int, key: str) -> list[float]:
    return list(islice(numbers(name, seed, epoch, key), 4))
