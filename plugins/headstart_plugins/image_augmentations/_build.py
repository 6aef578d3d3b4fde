"""Draws single changes of pictures: how they are moved and coloured, what is erased, and whom they are mixed with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, permutations

from headstart.specs import Change, Drawn, Mix
from headstart_plugins._affine import Matrix
from headstart_plugins._draws import Keyed, beta, between, log_between


class Unchanged(Keyed):
    """Every sample as it is."""

    name = "none"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """Nothing."""
        return Drawn()


class Light(Keyed):
    """Shifts by up to `shift` of each side, evenly distributed, and a flip of every other picture if
    `flip`."""

    name = "light"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """One matrix."""
        across, down, coin = islice(numbers, 3)
        right, below = (self.options.shift * (2 * number - 1) for number in (across, down))
        return Drawn((Change("matrix", ((_sign(self, coin), 0.0, right), (0.0, 1.0, below), (0.0, 0.0, 1.0))),))


class Classic(Keyed):
    """Keras' `ImageDataGenerator(shear_range=shear, zoom_range=zoom, horizontal_flip=flip)`.

    Keras 3, keras/src/legacy/preprocessing/image.py: `get_random_transform` draws the shear from
    -shear..shear degrees and two zooms from 1 - zoom..1 + zoom; `apply_affine_transform` multiplies [[1, -sin
    s], [0, cos s]] by diag(zx, zy), maps output to input around the centre, and means (x, y) since Keras
    swaps the axes for its arrays.
    """

    name = "classic"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """One matrix."""
        tilt, wide, tall, coin = islice(numbers, 4)
        matrix = self.matrix(
            shear=self.options.shear * (2 * tilt - 1),
            zx=1 + self.options.zoom * (2 * wide - 1),
            zy=1 + self.options.zoom * (2 * tall - 1),
            flipped=_sign(self, coin) < 0,
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


def _sign(augmentation: Keyed, coin: float) -> float:
    """-1 for every other picture where `flip` is on and the labels survive it, else 1."""
    flips = augmentation.options.flip and "horizontal_flip" in augmentation.symmetries
    return -1.0 if flips and coin < 0.5 else 1.0


ORDERS = tuple(permutations(range(4)))


class Jitter(Keyed):
    """torchvision's `ColorJitter`: a factor from max(0, 1 - x) to 1 + x for each of the first three, a hue moved by -x
    to x of the full circle, one after the other in an order that is drawn too. Those with x = 0 are left out."""

    name = "colour"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """Up to four changes."""
        changes = []
        for name in ("brightness", "contrast", "saturation"):
            reach = getattr(self.options, name)
            changes.append(Change(name, between(max(0.0, 1 - reach), 1 + reach, next(numbers))))
        changes.append(Change("hue", between(-self.options.hue, self.options.hue, next(numbers))))
        order = ORDERS[int(next(numbers) * len(ORDERS))]
        return Drawn(tuple(changes[place] for place in order if getattr(self.options, changes[place].name)))


class RandomErasing(Keyed):
    """Zhong et al. 2017 (arXiv:1708.04896), algorithm 1: with a probability, one rectangle whose share of the area is
    evenly distributed, somewhere inside the picture.

    The logarithm of height / width is evenly distributed within what fits, as in torchvision, so that upright and lying
    rectangles are as likely; the paper draws the ratio itself. `mean` is that of the picture, not of a data set.
    """

    name = "random_erasing"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """One box, or nothing."""
        options = self.options
        if next(numbers) >= options.probability:
            return Drawn()
        area = between(options.smallest, options.largest, next(numbers))
        low, high = max(options.flattest, area), min(1 / options.flattest, 1 / area)
        ratio = log_between(low, high, next(numbers))
        height, width = min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))
        left, top = between(-0.5, 0.5 - width, next(numbers)), between(-0.5, 0.5 - height, next(numbers))
        box = left, top, left + width, top + height
        seed = 0 if options.fill == "mean" else int(next(numbers) * 2**53)
        return Drawn((Change("erase", (box, options.fill, seed)),))


class Mixup(Keyed):
    """Zhang et al. 2018 (arXiv:1710.09412), equation 1: share * x + (1 - share) * partner, the share from Beta(alpha,
    alpha). Each picture has a share and a partner of its own, where the authors' code has one share a batch."""

    name = "mixup"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """A mix of whole pictures, or none."""
        if next(numbers) >= self.options.probability:
            return Drawn()
        return Drawn(mix=Mix(next(numbers), beta(self.options.alpha, numbers)))


class Cutmix(Keyed):
    """Yun et al. 2019 (arXiv:1905.04899), equations 1 and 2: the partner's pixels in a rectangle of the picture's own
    proportions, whose area is 1 - lambda of it with lambda from Beta(alpha, alpha), around a centre anywhere in the
    picture. What sticks out is cut off, and the share is what remains (algorithm A1, line 10)."""

    name = "cutmix"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """A mix in a box, or none."""
        if next(numbers) >= self.options.probability:
            return Drawn()
        partner, across, down = next(numbers), next(numbers) - 0.5, next(numbers) - 0.5
        half = math.sqrt(1 - beta(self.options.alpha, numbers)) / 2
        left, top = max(across - half, -0.5), max(down - half, -0.5)
        right, bottom = min(across + half, 0.5), min(down + half, 0.5)
        return Drawn(mix=Mix(partner, 1 - ((right - left) * (bottom - top)), (left, top, right, bottom)))


class Mosaic(Keyed):
    """Bochkovskiy et al. 2020 (arXiv:2004.10934), figure 3: four pictures as one.

    They meet in a point in the middle half of the picture, and the sample's own is in any of the four parts. Each is
    scaled alike in both directions, so large that it fills its part, and by up to `zoom` larger; which piece of it is
    seen then is drawn too. The authors' code scales the whole of four by 0.5 to 1.5 and cuts a piece out.
    """

    name = "mosaic"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """A mix of three partners, or none."""
        if next(numbers) >= self.options.probability:
            return Drawn()
        across, down, own = next(numbers) / 2 - 0.25, next(numbers) / 2 - 0.25, int(4 * next(numbers))
        parts = [
            (left, top, right, bottom)
            for top, bottom in ((-0.5, down), (down, 0.5))
            for left, right in ((-0.5, across), (across, 0.5))
        ]
        placed = [(Change("matrix", self._placed(part, numbers)),) for part in parts]
        mix = None
        for number, part in enumerate(parts):
            if number != own:
                share = 1 - (part[2] - part[0]) * (part[3] - part[1])
                mix = Mix(next(numbers), share, part, () if mix else placed[own], placed[number], mix)
        return Drawn(mix=mix)

    def _placed(self, part: tuple[float, float, float, float], numbers: Iterator[float]) -> Matrix:
        """The matrix that makes a picture fill a part."""
        left, top, right, bottom = part
        wide, tall = right - left, bottom - top
        scale = max(wide, tall) * between(1.0, self.options.zoom, next(numbers))
        from_left, from_top = ((1 - side / scale) * next(numbers) - 0.5 for side in (wide, tall))
        return (
            (1 / scale, 0.0, from_left - left / scale),
            (0.0, 1 / scale, from_top - top / scale),
            (0.0, 0.0, 1.0),
        )
