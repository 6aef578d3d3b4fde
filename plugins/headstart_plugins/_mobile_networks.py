"""How the authors of MobileNet and EfficientNet scale and draw the layers of their networks."""

from __future__ import annotations

import math
import random
from typing import Any

import keras
import numpy as np

DIVISOR = 8


def round_filters(count: int, multiplier: float) -> int:
    """`count` times `multiplier` as a multiple of 8 that is not more than a tenth too small.

    The rule of the authors' MobileNet and EfficientNet code (`make_divisible`), and of torchvision's.
    """
    wanted = count * multiplier
    rounded = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * wanted else rounded


@keras.saving.register_keras_serializable(package="headstart_mobile_networks")
class FanOutNormal(keras.initializers.Initializer):  # type: ignore[misc]  # keras ships no complete types
    """Normal with standard deviation sqrt(2 / (height * width * out)), as the reference TensorFlow code has
    it.

    The seed, unless given, comes from Python's `random`, which `keras.utils.set_random_seed` seeds; equal
    seeds give equal numbers on every backend.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.randrange(1 << 31) if seed is None else seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """A backend tensor of `shape` (height, width, in, out); depthwise (height, width, channel, 1)."""
        height, width, _, out = shape
        deviation = math.sqrt(2 / (height * width * out))
        drawn = np.random.default_rng(self.seed).normal(0.0, deviation, shape)
        return keras.ops.convert_to_tensor(drawn.astype(np.float32), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """What a copy needs."""
        return {"seed": self.seed}
