"""Draws which texts vary, by how much, and the seed by which the text kind picks words or tokens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from headstart.specs import Change, Drawn
from headstart_plugins._draws import Keyed


class _Picking(Keyed):
    """One change (share, seed), or none."""

    change: str

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """A seed for the share of texts that vary."""
        coin, seed = islice(numbers, 2)
        if coin >= self.options.probability or not self.options.share:
            return Drawn()
        return Drawn((Change(self.change, (self.options.share, int(seed * 2**53))),))


class WordDropout(_Picking):
    """Each word is left out with the chance `share` (Iyyer et al. 2015, Deep Unordered Composition, section 2.3), but
    for one of each text."""

    name, change = "word_dropout", "drop_words"


class TokenMasking(_Picking):
    """Each token is replaced by the mask with the chance `share`, as in Devlin et al. 2019 (arXiv:1810.04805), section
    3.1, but always by the mask, and for learning labels from what is left."""

    name, change = "token_masking", "mask_tokens"
