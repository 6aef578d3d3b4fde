"""Draws changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from headstart.specs import AugmentationRequest, Change, Drawn
from headstart_plugins.image_augmentations._draws import between, numbers

ORDERS = tuple(permutations(range(4)))


def colour(request: AugmentationRequest) -> Jitter:
    """The four changes, as far as the options say."""
    options = request.options
    return Jitter(options.brightness, options.contrast, options.saturation, options.hue)


@dataclass(frozen=True)
class Jitter:
    """torchvision's `ColorJitter`: a factor from max(0, 1 - x) to 1 + x for each of the first three, a hue moved by -x
    to x of the full circle, one after the other in an order that is drawn too. Those with x = 0 are left out."""

    brightness: float
    contrast: float
    saturation: float
    hue: float

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        drawn = numbers("colour", seed, epoch, key)
        changes = (
            Change("brightness", _factor(self.brightness, next(drawn))),
            Change("contrast", _factor(self.contrast, next(drawn))),
            Change("saturation", _factor(self.saturation, next(drawn))),
            Change("hue", between(-self.hue, self.hue, next(drawn))),
        )
        reaches = (self.brightness, self.contrast, self.saturation, self.hue)
        order = ORDERS[int(next(drawn) * len(ORDERS))]
        return Drawn(tuple(changes[place] for place in order if reaches[place]))


def _factor(reach: float, number: float) -> float:
    return between(max(0.0, 1 - reach), 1 + reach, number)
