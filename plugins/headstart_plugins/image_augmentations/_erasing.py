"""Draws parts of pictures that are erased."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headstart.specs import AugmentationRequest, Change, Drawn
from headstart_plugins.image_augmentations import ErasingOptions
from headstart_plugins.image_augmentations._draws import between, log_between, numbers


def random_erasing(request: AugmentationRequest) -> RandomErasing:
    """One rectangle of some of the pictures."""
    return RandomErasing(request.options)


@dataclass(frozen=True)
class RandomErasing:
    """Zhong et al. 2017 (arXiv:1708.04896), algorithm 1: with a probability, one rectangle whose share of the area is
    evenly distributed, somewhere inside the picture.

    The logarithm of height / width is evenly distributed within what fits, as in torchvision, so that upright and lying
    rectangles are as likely; the paper draws the ratio itself. `mean` is that of the picture, not of a data set.
    """

    options: ErasingOptions

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        drawn = numbers("random_erasing", seed, epoch, key)
        if next(drawn) >= self.options.probability:
            return Drawn()
        options = self.options
        area = between(options.smallest, options.largest, next(drawn))
        low, high = max(options.flattest, area), min(1 / options.flattest, 1 / area)
        ratio = log_between(low, high, next(drawn))
        height, width = min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))
        left, top = between(-0.5, 0.5 - width, next(drawn)), between(-0.5, 0.5 - height, next(drawn))
        box = left, top, left + width, top + height
        seed = 0 if self.options.fill == "mean" else int(next(drawn) * 2**53)
        return Drawn((Change("erase", (box, self.options.fill, seed)),))
