"""Classes of different sizes, and the one mechanism that evens them out; all read off the training split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.specs import Solved
from headstart_plugins.classification import Mechanism


@dataclass(frozen=True)
class Balance:
    """The `mechanism`, and the `counts` (class) of the training split, empty before it was seen. `tau` is of the logit
    adjustment."""

    mechanism: Mechanism = "none"
    tau: float = 1.0
    counts: tuple[int, ...] = ()

    def bound(self, targets: np.ndarray, classes: int) -> Balance:
        """This balance with the classes of `targets` (row,) counted; without a mechanism there is nothing to count."""
        if self.mechanism == "none":
            return self
        return replace(self, counts=tuple(np.bincount(targets, minlength=classes).tolist()))

    @property
    def even(self) -> np.ndarray | None:
        """The weight of each class (class,) float64 at which all weigh alike: n / (classes * n_class), of mean 1 over
        the training samples. None where no mechanism weighs or repeats samples."""
        if self.mechanism not in ("class_weights", "sampling") or not self.counts:
            return None
        counts = np.array(self.counts, np.float64)
        weights: np.ndarray = counts.sum() / (len(counts) * counts)
        return weights

    @property
    def weights(self) -> np.ndarray | None:
        """What gradient training multiplies losses by (class,): `even`, but where samples are repeated instead."""
        return self.even if self.mechanism == "class_weights" else None

    @property
    def shift(self) -> np.ndarray | None:
        """What the loss adds to logits, (class,) float64: tau * log prior (Menon et al. 2021, arXiv:2007.07314,
        eq. 10). None without logit adjustment."""
        if self.mechanism != "logit_adjustment" or not self.counts:
            return None
        counts = np.array(self.counts, np.float64)
        shifts: np.ndarray = self.tau * np.log(counts / counts.sum())
        return shifts

    @property
    def shares(self) -> np.ndarray | None:
        """The share of each class, (class,) float64 of sum 1, that answers are for: the same where classes are evened
        out, those of the training split to the power 1 - tau with logit adjustment, whose answers leave out tau * log
        prior. None without a mechanism: then answers are for classes as frequent as they were seen."""
        if self.mechanism == "none" or not self.counts:
            return None
        counts = np.array(self.counts, np.float64)
        left = counts ** (1.0 - self.tau) if self.mechanism == "logit_adjustment" else np.ones(len(counts))
        shares: np.ndarray = left / left.sum()
        return shares

    def sample_weights(self, targets: np.ndarray) -> np.ndarray | None:
        """How much each of `targets` (row,) must count so that its split has the classes in `shares`: (row,) float64,
        of mean 1. None without a mechanism."""
        shares = self.shares
        if shares is None:
            return None
        weights = (shares / np.maximum(np.bincount(targets, minlength=len(shares)), 1))[targets]
        counted: np.ndarray = weights / weights.mean()
        return counted

    def sampling_weights(self, targets: np.ndarray) -> np.ndarray | None:
        """How often each row is seen, relative to others (row,): inversely as its class is frequent."""
        even = self.even if self.mechanism == "sampling" else None
        return None if even is None else even[targets]

    def adjusted(self, solved: Solved, sign: float = -1.0) -> Solved:
        """A head solved without adjustment, adjusted afterwards: its bias less `shift` (eq. 9 of that paper); with
        `sign` 1 the other way round."""
        if self.shift is None:
            return solved
        bias = (solved.weights["bias"] + sign * self.shift).astype(np.float32)
        return replace(solved, weights={**solved.weights, "bias": bias})


def stored_counts(labels: Mapping[str, Any], classes: int) -> tuple[int, ...]:
    """The counts of the training split in labels.json; none where there are none. Raises DataError for others."""
    counts = labels.get("counts", [])
    fits = isinstance(counts, list) and len(counts) in (0, classes)
    if not fits or not all(type(count) is int and count > 0 for count in counts):
        raise DataError(f"labels must hold `counts` as a number above 0 a class; received {str(counts)[:80]!r}")
    return tuple(counts)
