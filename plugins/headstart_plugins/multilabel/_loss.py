"""The loss of several labels a sample; the only module of this task that imports keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


def cross_entropy(targets: Any, outputs: Mapping[str, Any], *, smoothing: float) -> Any:
    """Mean over labels of log(1 + exp(logit)) - target * logit: (batch,) float32.

    `targets` (batch, label) are between 0 and 1; `smoothing` moves each so far towards a half.
    """
    logits = keras.ops.cast(outputs["logits"], "float32")
    wanted = keras.ops.cast(targets, "float32")
    if smoothing:
        wanted = wanted * (1.0 - smoothing) + smoothing / 2.0
    return keras.ops.mean(keras.ops.softplus(logits) - wanted * logits, axis=-1)
