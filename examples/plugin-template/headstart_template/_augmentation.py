"""Draws turns."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from headstart.specs import AugmentationRequest, Change, Drawn


def build(request: AugmentationRequest) -> Turn:
    """Mirrors only where `symmetries` says that the labels survive it."""
    options = request.options
    return Turn(options.degrees, flip=options.flip and "horizontal_flip" in request.symmetries)


@dataclass(frozen=True)
class Turn:
    """Turns square pictures by up to `degrees` to either side, evenly distributed."""

    degrees: float
    flip: bool

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """The same for equal arguments, on every machine: nothing else may have a say."""
        chance = random.Random(f"turn {seed} {epoch} {key!a}")
        angle = math.radians(chance.uniform(-self.degrees, self.degrees))
        side = -1.0 if self.flip and chance.random() < 0.5 else 1.0
        across = (side * math.cos(angle), -math.sin(angle), 0.0)
        down = (side * math.sin(angle), math.cos(angle), 0.0)
        return Drawn((Change("matrix", (across, down, (0.0, 0.0, 1.0))),))
