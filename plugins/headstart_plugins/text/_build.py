"""Texts read, tokenised, cut and padded to a few static lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import DataError, PluginError, UsageError
from headstart.specs import Change, InputRequest, Prepared, Preview, Sample, TensorSpec
from headstart_plugins._reading_texts import (
    MOST_SHOWN,
    find_texts,
    fingerprint_of,
    is_pair,
    notes_of,
    read_texts,
    shown_text,
)
from headstart_plugins.text import TextOptions
from headstart_plugins.text._changes import CHANGES, Vocabulary
from headstart_plugins.text._tokenizer import encoded, open_tokenizer, prefix_of, vocabulary_of

if TYPE_CHECKING:
    import keras
    from tokenizers import Encoding, Tokenizer

SHORTEST = 8
"""Tokens of the smallest static length; each next one is twice as long."""
BLANKS = ("[MASK]", "<mask>", "[PAD]", "<pad>")
"""Tokens that stand for no text, the one first that weights met most in their pretraining."""
MANY_UNKNOWN = 0.5
ONE, TWO = "a single text", "a pair of texts"
"""The forms of payloads."""
OTHERS = {
    ONE: "one text alone is asked for: `--set dataset.text_column=NAME` says in which column of a table it stands",
    TWO: "both texts are asked for: a table with the columns text and text2, or [first, second] in Python",
}
"""What to do where the other form came, by the form that a run learned from."""
PLURAL = {ONE: "single texts", TWO: "pairs of texts"}
TOGETHER = "warning: of two texts that this tokenizer puts nothing between"
UNKNOWN = "warning: mostly of tokens that these weights do not know"


@dataclass(frozen=True)
class Tokens:
    """A text as read: itself (a pair one below the other), the ids and types (time,) int32 of its tokens, and whether
    its end was cut off."""

    text: str
    ids: np.ndarray
    types: np.ndarray
    is_cut: bool = False


def build(request: InputRequest) -> TextKind:
    """The kind with the tokenizer of `request`'s assets. Raises UsageError where more tokens are asked for than the
    weights take."""
    options: TextOptions = request.options
    most = int(request.preprocess["length"])
    if options.max_tokens is not None and options.max_tokens > most:
        raise UsageError(
            f"--max-tokens {options.max_tokens} is more than these weights take: {most}",
            hint=f"use {most} or less, or weights for longer texts",
        )
    return TextKind(dict(request.preprocess), options.max_tokens or most, dict(request.assets), request.forms)


class TextKind:
    """Fulfils `headstart.specs.InputKind`, HasAssets, LacksChanges, NamesSteps, ReadsForms and Trims. A Sample's value
    is `Tokens`.

    Tensors of a row: "ids" and "types" (time,) int32, "mask" (time,) bool, True where there is a token.
    """

    hint = "texts are read by the tokenizer of the weights"
    output_ranges: Mapping[str, tuple[float, float]] = {}

    def __init__(
        self, preprocess: Mapping[str, Any], length: int, files: Mapping[str, Path], forms: tuple[str, ...] = ()
    ) -> None:
        self._preprocess, self._length, self._files, self._forms = preprocess, length, files, forms
        doubled = (SHORTEST << power for power in range(32) if SHORTEST << power < length)
        self.lengths = (*doubled, length)
        self.tensors = {
            "ids": TensorSpec((length,), "int32", length_axis=0),
            "types": TensorSpec((length,), "int32", length_axis=0),
            "mask": TensorSpec((length,), "bool", length_axis=0),
        }

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        opened = open_tokenizer(self._files, self._preprocess)
        opened.enable_truncation(self._length, strategy="longest_first")
        return opened

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return vocabulary_of(self._tokenizer, self._preprocess)

    def assets(self) -> Mapping[str, Path]:
        """The tokenizer's files."""
        return self._files

    def lacking(self) -> Mapping[str, str]:
        """That nothing can be masked where the tokenizer has no token for it."""
        return {} if self._vocabulary.mask is not None else {"mask_tokens": "their tokenizer has no mask token"}

    def form(self, payload: Any) -> str:
        """Whether it is one text or two."""
        return TWO if is_pair(payload) else ONE

    def read(self, payload: Any, where: str) -> Sample:
        """A text, a file of it in UTF-8, or a pair of texts (a sequence of two, or a mapping of `text` and `text2`).

        Of a pair the tokens are those of `tokenizer(first, second)` in transformers. GPT-2's tokenizer, and others that
        mark no ends, puts nothing between the two texts, not even a space, which a warning tells unless one of them has
        a special token there: as with transformers' GPT2ForSequenceClassification, that is for the user to write.

        What is longer than `length` tokens is cut at its end, of a pair the longer text first, which a note tells.
        Raises DataError naming `where` and the byte for a file that is no UTF-8, the letter for a lone surrogate; and
        for one text where a finished network learned from two, or two where it learned from one.
        """
        first, second = read_texts(payload, where)
        if self._forms and (came := ONE if second is None else TWO) not in self._forms:
            learned = TWO if came == ONE else ONE
            raise DataError(f"{where} is {came}, and the run learned from {PLURAL[learned]}; {OTHERS[learned]}")
        found = encoded(self._tokenizer, prefix_of(self._preprocess) + first, second, self._length)
        ids, types = found.ids, found.type_ids
        notes = notes_of(first, second)
        known = self._vocabulary
        real = found.special_tokens_mask.count(0)
        if known.unknown is not None and ids.count(known.unknown) > MANY_UNKNOWN * real:
            notes.append(UNKNOWN)
        if second is not None and self._runs_together(found):
            notes.append(f"{TOGETHER}; text2 can begin with {self._tokenizer.id_to_token(known.end)}")
        if found.overflowing:
            notes.append(f"cut to {self._length} tokens")
        if not ids:  # a tokenizer without special tokens, such as GPT-2's
            ids, types = [known.end], [0]
        text = first if second is None else f"{first}\n{second}"
        is_cut = bool(found.overflowing)
        return Sample(Tokens(text, np.array(ids, np.int32), np.array(types, np.int32), is_cut), tuple(notes))

    def _runs_together(self, found: Encoding) -> bool:
        """Whether no special token stands between the tokens of two texts."""
        sides = found.sequence_ids
        if 0 not in sides or 1 not in sides:
            return False
        begins = sides.index(1)
        return sides[begins - 1] == 0 and not self._vocabulary.special[found.ids[begins - 1 : begins + 1]].any()

    def prepare(self, sample: Sample) -> Prepared:
        """The tokens, padded with zeros. Facts: `text`, as far as it is shown, how many `tokens`, and `cut` where the
        end was."""
        tokens: Tokens = sample.value
        count = len(tokens.ids)
        tensors = {name: np.zeros(spec.shape, spec.dtype) for name, spec in self.tensors.items()}
        tensors["ids"][:count], tensors["types"][:count], tensors["mask"][:count] = tokens.ids, tokens.types, True
        cut = {"cut": True} if tokens.is_cut else {}
        return Prepared(tensors, {"text": tokens.text[:MOST_SHOWN], "tokens": count, **cut}, count)

    def steps(self, prepared: Prepared) -> Sequence[str]:
        """Each token alone, as its tokenizer writes it: `play`, `##ing`."""
        tokenizer, ids = self._tokenizer, prepared.tensors["ids"][: prepared.length].tolist()
        return [tokenizer.decode([each], skip_special_tokens=False) or str(tokenizer.id_to_token(each)) for each in ids]

    def blank(self, prepared: Prepared) -> Mapping[str, np.ndarray]:
        """Mask tokens, or what else the tokenizer has that stands for no text, between those that frame every text and
        behind what the weights want before it, such as "query: "."""
        tokenizer, known = self._tokenizer, self._tokenizer.get_vocab()
        empty = next((known[name] for name in BLANKS if name in known), self._vocabulary.end)
        frame = {*tokenizer.encode("").ids, *tokenizer.encode("", "").ids}
        ids = prepared.tensors["ids"]
        content = prepared.tensors["mask"] & ~np.isin(ids, np.array(sorted(frame), ids.dtype))
        content &= ~self._vocabulary.preceding(prepared.tensors)
        return {**prepared.tensors, "ids": np.where(content, np.array(empty, ids.dtype), ids)}

    def transform(self, tensors: Mapping[str, np.ndarray], changes: Sequence[Change]) -> Mapping[str, np.ndarray]:
        """Words left out, tokens masked; special tokens and the prefix of the weights stay. Raises PluginError for a
        change that it does not know, and for masking where the tokenizer has no mask token."""
        varied = {name: tensor.copy() for name, tensor in tensors.items()}
        for change in changes:
            if change.name not in CHANGES:
                raise PluginError(f"the text kind cannot apply {change.name!r}")
            if why := self.lacking().get(change.name):
                raise PluginError(f"the text kind cannot apply {change.name!r} for these weights: {why}")
            share, seed = change.value
            varied = CHANGES[change.name](varied, self._vocabulary, share, seed)
        return varied

    def stage(self) -> keras.Model:
        """The tensors as they are."""
        import keras

        entries = {name: keras.Input((None,), dtype=spec.dtype, name=name) for name, spec in self.tensors.items()}
        return keras.Model(entries, {name: keras.layers.Identity()(entry) for name, entry in entries.items()})

    def find(self, raw: str | Path) -> Sequence[Any]:
        """See `find_texts`."""
        return find_texts(raw)

    def fingerprint(self, sample: Sample) -> int | None:
        """See `fingerprint_of`."""
        return fingerprint_of(sample.value.text)

    def preview(self, sample: Sample, changes: Sequence[Change] = ()) -> Preview | None:
        """The beginning of the text; where it varies, what the varied tokens say."""
        text = sample.value.text
        if changes:
            varied = self.transform(self.prepare(sample).tensors, changes)
            ids = varied["ids"][varied["mask"]]
            shown = ids[~self._vocabulary.special[ids] | (ids == self._vocabulary.mask)]
            text = self._tokenizer.decode(shown.tolist(), skip_special_tokens=False)
        return shown_text(text)
