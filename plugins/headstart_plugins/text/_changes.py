"""What augmentations do to the tokens of a text, with picks that are the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from headstart.errors import PluginError

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Vocabulary:
    """What is known of each token: `special` (token,) bool, and `begins` (token,) bool, whether a word begins with it.

    `prefix` (time,) int32 are the tokens of what weights want before each text; `mask` and `unknown` are tokens, None
    where there are none; `end` stands for a text without tokens.
    """

    special: np.ndarray
    begins: np.ndarray
    prefix: np.ndarray
    mask: int | None
    unknown: int | None
    end: int

    def real(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """Where there is a token of the text itself, (time,) bool."""
        real: np.ndarray = tensors["mask"] & ~self.special[tensors["ids"]] & ~self.preceding(tensors)
        return real

    def preceding(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """Where the prefix is, (time,) bool."""
        ids = tensors["ids"]
        found = np.zeros(len(ids), bool)
        framed = tensors["mask"] & ~self.special[ids]
        if len(self.prefix) and framed.any():
            here = slice(start := int(np.argmax(framed)), start + len(self.prefix))
            found[here] = np.array_equal(ids[here], self.prefix)
        return found


def drop_words(tensors: Tensors, known: Vocabulary, share: float, seed: int) -> Tensors:
    """Each word is left out with the chance `share`; what stays moves up."""
    real = known.real(tensors)
    after = np.concatenate([[False], real[:-1]])
    begins = real & (known.begins[tensors["ids"]] | ~after)
    words = np.cumsum(begins) - 1
    gone = _picked(begins, real & ~after, share, seed)
    keep = np.flatnonzero(tensors["mask"] & ~(real & gone[words]))
    varied = {name: np.zeros_like(tensor) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        varied[name][: len(keep)] = tensor[keep]
    return varied


def mask_tokens(tensors: Tensors, known: Vocabulary, share: float, seed: int) -> Tensors:
    """Each token is masked with the chance `share`."""
    real = known.real(tensors)
    gone = _picked(real, real & ~np.concatenate([[False], real[:-1]]), share, seed)
    ids = tensors["ids"].copy()
    ids[np.flatnonzero(real)[gone[: real.sum()]]] = known.mask
    return {**tensors, "ids": ids}


CHANGES: Mapping[str, Callable[[Tensors, Vocabulary, float, int], Tensors]] = {
    "drop_words": drop_words,
    "mask_tokens": mask_tokens,
}


def _picked(units: np.ndarray, texts: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which units go, (unit,) bool; where all of a text would, that with the highest number stays.

    `units` and `texts` (time,) bool say where each begins. Where there is no unit, one that stays.
    """
    if not (0 <= share <= 1 and 0 <= seed < 2**53):
        raise PluginError(f"expected a share from 0 to 1 and a seed from 0 to 2**53, received {share!r} and {seed!r}")
    count = int(units.sum())
    if not count:
        return np.zeros(1, bool)
    # Raw bits, since numpy promises the raw stream but not that of its distributions.
    numbers = (np.random.Philox(key=seed).random_raw(count) >> np.uint64(11)) / 2**53
    gone = numbers < share
    firsts = np.flatnonzero(texts[units])
    for first, last in zip(firsts, [*firsts[1:], count], strict=True):
        if gone[first:last].all():
            gone[first + int(np.argmax(numbers[first:last]))] = False
    return gone
