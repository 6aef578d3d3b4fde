"""What a head's answer costs: cross-entropy, focal loss and Dice of pixels, on backend tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart_plugins._mask import VOID
from headstart_plugins.segmentation import Loss
from headstart_plugins.segmentation._resize import weights_of


@dataclass(frozen=True)
class Losses:
    """Which loss, and how far the focal one turns from pixels that are right."""

    name: Loss = "cross_entropy"
    gamma: float = 2.0

    def of(self, mask: Any, logits: Any, weights: np.ndarray | None) -> Any:
        """(batch,) float32, of a `mask` (batch, height, width) of places of classes, VOID where nothing is said, and
        `logits` (batch, row, column, class) that are brought to its size first, see `_resize`.

        Each picture counts for itself: cross-entropy (in nats) and focal loss are the mean over its pixels that are not
        void; with `weights` (class,) each pixel's is multiplied by that of its class. A picture of void alone costs 0.
        """
        from keras import ops

        classes = logits.shape[-1]
        logs = ops.log_softmax(_enlarged(ops.cast(logits, "float32"), mask.shape[1:3]), axis=1)
        numbers = ops.cast(mask, "int32")
        said = numbers != VOID
        place = ops.where(said, numbers, 0)
        counted = ops.cast(said, "float32")
        loss: Any = 0.0
        if self.name != "dice":
            own = ops.take_along_axis(logs, place[:, None], axis=1)[:, 0]
            cost = -own * (1.0 if self.name != "focal" else ops.power(1.0 - ops.exp(own), self.gamma))
            if weights is not None:
                cost = cost * ops.take(ops.convert_to_tensor(weights.astype(np.float32)), place, axis=0)
            pixels = ops.maximum(ops.sum(counted, axis=(1, 2)), 1.0)
            loss = loss + ops.sum(cost * counted, axis=(1, 2)) / pixels
        if self.name in ("dice", "cross_entropy+dice"):
            loss = loss + _dice(ops.exp(logs) * counted[:, None], numbers, classes)
        return loss

    def one_by_one(self, mask: Any, logits: Any) -> Any:
        """The same without weights, for where nothing is learned: a picture at a time, for logits of all pixels and
        classes of many take more memory than all else (704 MB in 21 classes for 32 pictures of 512 x 512, and as much
        for each step of the loss)."""
        from keras import ops

        return ops.map(lambda one: self.of(one[0][None], one[1][None], None)[0], (mask, logits))


def _enlarged(logits: Any, size: tuple[int, int]) -> Any:
    """(batch, class, height, width), of `logits` (batch, row, column, class)."""
    from keras import ops

    down, across = (weights_of(pixels, cells) for pixels, cells in zip(size, logits.shape[1:3], strict=True))
    by_class = ops.transpose(logits, (0, 3, 1, 2))
    return ops.matmul(ops.matmul(ops.convert_to_tensor(down), by_class), ops.convert_to_tensor(across.T.copy()))


def _dice(shares: Any, numbers: Any, classes: int) -> Any:
    """(batch,) 1 - the mean over the classes of a picture of 2 sum(p t) / (sum(p) + sum(t)), of probabilities `shares`
    (batch, class, height, width), 0 where nothing is said (Sudre et al. 2017, arXiv:1707.03237, with one weight for
    all).

    A class that the picture does not have has no part in it, where Keras' own Dice (3.15) counts it as 1, the worst;
    what is taken for it lacks in another class.
    """
    from keras import ops

    kinds = ops.arange(classes, dtype="int32")[:, None, None]
    truth = ops.cast(numbers[:, None] == kinds, "float32")
    shared, given, true = (ops.sum(each, axis=(2, 3)) for each in (shares * truth, shares, truth))
    has = ops.cast(true > 0, "float32")
    overlap = 2.0 * shared / ops.maximum(given + true, 1.0)  # a class that is there has a pixel or more
    return ops.sum((1.0 - overlap) * has, axis=1) / ops.maximum(ops.sum(has, axis=1), 1.0)


def class_weights(counts: Sequence[int], tau: float) -> np.ndarray:
    """(class,) float64: the share of each class in all pixels that `counts` (class,) tells, to the power -`tau`, times
    what makes the mean weight of these pixels 1. Of a class without any, 1."""
    shares = np.asarray(counts, np.float64) / max(sum(counts), 1)
    has = shares > 0
    weights = np.where(has, np.where(has, shares, 1.0) ** -tau, 1.0)
    total = float(weights @ shares)
    return np.where(has, weights / total, 1.0) if total else weights
