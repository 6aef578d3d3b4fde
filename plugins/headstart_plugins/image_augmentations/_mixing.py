"""Draws whom a picture is mixed with, and how much of it stays."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headstart.specs import AugmentationRequest, Drawn, Mix
from headstart_plugins.image_augmentations._draws import beta, numbers


def mixup(request: AugmentationRequest) -> Mixup:
    """Averages of two pictures."""
    return Mixup(request.options.alpha, request.options.probability)


def cutmix(request: AugmentationRequest) -> Cutmix:
    """Pictures with a rectangle of another."""
    return Cutmix(request.options.alpha, request.options.probability)


@dataclass(frozen=True)
class Mixup:
    """Zhang et al. 2018 (arXiv:1710.09412), equation 1: share * x + (1 - share) * partner, the share from Beta(alpha,
    alpha). Each picture has a share and a partner of its own, where the authors' code has one share a batch."""

    alpha: float
    probability: float

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        drawn = numbers("mixup", seed, epoch, key)
        if next(drawn) >= self.probability:
            return Drawn()
        return Drawn(mix=Mix(next(drawn), beta(self.alpha, drawn)))


@dataclass(frozen=True)
class Cutmix:
    """Yun et al. 2019 (arXiv:1905.04899), equations 1 and 2: the partner's pixels in a rectangle of the picture's own
    proportions, whose area is 1 - lambda of it with lambda from Beta(alpha, alpha), around a centre anywhere in the
    picture. What sticks out is cut off, and the share is what remains (algorithm A1, line 10)."""

    alpha: float
    probability: float

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        drawn = numbers("cutmix", seed, epoch, key)
        if next(drawn) >= self.probability:
            return Drawn()
        partner, across, down = next(drawn), next(drawn) - 0.5, next(drawn) - 0.5
        half = math.sqrt(1 - beta(self.alpha, drawn)) / 2
        box = (
            max(across - half, -0.5),
            max(down - half, -0.5),
            min(across + half, 0.5),
            min(down + half, 0.5),
        )
        left, top, right, bottom = box
        return Drawn(mix=Mix(partner, 1 - ((right - left) * (bottom - top)), box))
