"""The losses of classification; the only module of this task that imports keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def cross_entropy(targets: Any, outputs: Mapping[str, Any]) -> Any:
    """-log softmax(logits)[target] of each sample, (batch,) float32; `targets` are (batch,) integers."""
    logits = keras.ops.cast(outputs["logits"], "float32")
    return keras.ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)


def regularised_cross_entropy(
    targets: Any,
    outputs: Mapping[str, Any],
    *,
    smoothing: float,
    weights: np.ndarray | None,
    shift: np.ndarray | None,
) -> Any:
    """Cross-entropy (batch,) float32 of targets that are integers (batch,), or distributions (batch, class).

    `smoothing` is the share of each that is spread over all classes (Szegedy et al. 2016, arXiv:1512.00567);
    `weights` (class,) multiply a sample's loss by that of its class, each part of a distribution by that of its own;
    `shift` (class,) is added to logits.
    """
    logits = keras.ops.cast(outputs["logits"], "float32")
    classes = logits.shape[-1]
    mixed = len(targets.shape) == 2
    shares = keras.ops.cast(targets, "float32") if mixed else keras.ops.one_hot(targets, classes, dtype="float32")
    if shift is not None:
        logits = logits + keras.ops.convert_to_tensor(shift.astype(np.float32))
    spread: Any = smoothing / classes
    if weights is not None:
        shares = shares * keras.ops.convert_to_tensor(weights.astype(np.float32))
        spread = spread * keras.ops.sum(shares, axis=-1, keepdims=True)
    smoothed = shares * (1.0 - smoothing) + spread
    return -keras.ops.sum(smoothed * keras.ops.log_softmax(logits, axis=-1), axis=-1)
