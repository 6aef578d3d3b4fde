"""The head of side outputs (Xie and Tu 2015): what it and those who read published weights for it have in common.

Of each map a 1 x 1 convolution to a logit a class, enlarged to the size of the finest map; a last 1 x 1 convolution
reads all of them, fine to coarse, those of a map side by side.
"""

from __future__ import annotations

from collections.abc import Mapping

FACTORS: Mapping[int, float] = {1: 1 / 64, 2: 1 / 32, 4: 1 / 16, 8: 1 / 8, 16: 1 / 16}
"""What a map of each stride is multiplied by before its convolution. VGG16's maps deviate by tens, so that an update of
one rate would move the finest ones' logits by many times what it moves the others'. Powers of two change no bit."""
FUSION = "fusion"
"""The name of the last convolution."""


def side_name(stride: int) -> str:
    """The name of a map's convolution."""
    return f"side_{stride}"
