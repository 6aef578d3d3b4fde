"""The authors' initialisation of convolutions, drawn by numpy.

Keras' own initialisers compile one program for each shape on JAX, a second or so each; a network of fifty
shapes would start slowly for numbers that published weights replace at once.
"""

from __future__ import annotations

import math
import random
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="headstart_efficientnet_lite")
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
