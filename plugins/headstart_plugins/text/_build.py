"""Texts read, tokenised, cut and padded to a few static lengths."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.folders import walk
from headstart.errors import DataError, PluginError, UsageError
from headstart.specs import Change, InputRequest, Prepared, Preview, Sample, TensorSpec
from headstart_plugins._text_suffixes import SUFFIXES, is_text
from headstart_plugins.text import TextOptions
from headstart_plugins.text._changes import CHANGES, Vocabulary
from headstart_plugins.text._tokenizer import encoded, open_tokenizer, prefix_of, vocabulary_of

if TYPE_CHECKING:
    import keras
    from tokenizers import Tokenizer

SHORTEST = 8
"""Tokens of the smallest static length; each next one is twice as long."""
LARGEST_FILE = 64 * 2**20
BLANKS = ("[MASK]", "<mask>", "[PAD]", "<pad>")
"""Tokens that stand for no text, the one first that weights met most in their pretraining."""
MOST_SHOWN = 2_000
"""Letters of a preview."""
OTHER_FILES = (*SUFFIXES, ".csv", ".tsv", ".jsonl", ".parquet", ".zip", ".tar", ".tgz", ".gz")
"""How a word ends that is meant as a file."""
SURROGATE = re.compile("[\ud800-\udfff]")
MANY_UNKNOWN = 0.5
EMPTY = "warning: without text"
HALF_EMPTY = "warning: without one of the two texts"
NUL = "warning: with NUL letters in it, as UTF-16 read as UTF-8 has"
UNKNOWN = "warning: mostly of tokens that these weights do not know"
CRLF = "with lines that end in CRLF"


@dataclass(frozen=True)
class Tokens:
    """A text as read: itself (a pair one below the other), and the ids and types (time,) int32 of its tokens."""

    text: str
    ids: np.ndarray
    types: np.ndarray


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
    return TextKind(dict(request.preprocess), options.max_tokens or most, dict(request.assets))


class TextKind:
    """Fulfils `headstart.specs.InputKind`, HasAssets, LacksChanges, NamesSteps and Trims. A Sample's value is `Tokens`.

    Tensors of a row: "ids" and "types" (time,) int32, "mask" (time,) bool, True where there is a token.
    """

    hint = "texts are read by the tokenizer of the weights"
    output_ranges: Mapping[str, tuple[float, float]] = {}

    def __init__(self, preprocess: Mapping[str, Any], length: int, files: Mapping[str, Path]) -> None:
        self._preprocess, self._length, self._files = preprocess, length, files
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

    def read(self, payload: Any, where: str) -> Sample:
        """A text, a file of it in UTF-8, or a pair of texts (a sequence of two, or a mapping of `text` and `text2`).

        What is longer than `length` tokens is cut at its end, of a pair the longer text first, which a note tells.
        Raises DataError naming `where` and the byte for a file that is no UTF-8, the letter for a lone surrogate.
        """
        first, second = _texts(payload, where)
        for text in (first, second or ""):
            if odd := SURROGATE.search(text):
                raise DataError(
                    f"{where}: letter {odd.start() + 1} is the lone surrogate U+{ord(odd[0]):04X}: half a letter",
                    hint="decode the bytes that it comes from by their own encoding",
                )
        found = encoded(self._tokenizer, prefix_of(self._preprocess) + first, second, self._length)
        ids, types = found.ids, found.type_ids
        notes = _notes(first, second)
        known = self._vocabulary
        real = found.special_tokens_mask.count(0)
        if known.unknown is not None and ids.count(known.unknown) > MANY_UNKNOWN * real:
            notes.append(UNKNOWN)
        if found.overflowing:
            notes.append(f"cut to {self._length} tokens")
        if not ids:  # a tokenizer without special tokens, such as GPT-2's
            ids, types = [known.end], [0]
        text = first if second is None else f"{first}\n{second}"
        return Sample(Tokens(text, np.array(ids, np.int32), np.array(types, np.int32)), tuple(notes))

    def prepare(self, sample: Sample) -> Prepared:
        """The tokens, padded with zeros."""
        tokens: Tokens = sample.value
        count = len(tokens.ids)
        missing = self._length - count
        tensors = {
            "ids": np.pad(tokens.ids, (0, missing)),
            "types": np.pad(tokens.types, (0, missing)),
            "mask": np.arange(self._length) < count,
        }
        return Prepared(tensors, {"tokens": count}, count)

    def steps(self, prepared: Prepared) -> Sequence[str]:
        """Each token alone, as its tokenizer writes it: `play`, `##ing`."""
        tokenizer, ids = self._tokenizer, prepared.tensors["ids"][: prepared.length].tolist()
        return [tokenizer.decode([each], skip_special_tokens=False) or str(tokenizer.id_to_token(each)) for each in ids]

    def blank(self, prepared: Prepared) -> Mapping[str, np.ndarray]:
        """Mask tokens, or what else the tokenizer has that stands for no text, between those that frame every text."""
        tokenizer, known = self._tokenizer, self._tokenizer.get_vocab()
        empty = next((known[name] for name in BLANKS if name in known), self._vocabulary.end)
        frame = {*tokenizer.encode("").ids, *tokenizer.encode("", "").ids}
        ids = prepared.tensors["ids"]
        content = prepared.tensors["mask"] & ~np.isin(ids, np.array(sorted(frame), ids.dtype))
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
        """A text alone; of a path the file, or the texts in a folder, by their suffixes; links as in `walk`.

        A text is taken for a path where there is such a file, where it begins as paths do, and where it is one word
        that ends as files do.
        """
        path = Path(raw)
        if isinstance(raw, str):
            if not raw.strip() or not (_is_there(path) or raw.startswith(("./", "../", "/", "~/")) or _is_name(raw)):
                return [raw]
            path = path.expanduser()
        if path.is_dir():
            return [file for file in walk(path).files if is_text(file)]
        if not path.is_file():
            raise UsageError(f"no such file or folder: {raw}", hint="a text that looks like a path is given by --text")
        return [path]

    def fingerprint(self, sample: Sample) -> int | None:
        """Of the letters, their marks, and the digits alone, in lower case: texts that differ in spaces and
        punctuation share it. None for texts without any, and without tokens to tell apart by."""
        text = unicodedata.normalize("NFKC", sample.value.text).casefold()
        letters = "".join(letter for letter in text if unicodedata.category(letter)[0] in "LMN")
        return int.from_bytes(hashlib.blake2b(letters.encode(), digest_size=8).digest()) if letters else None

    def preview(self, sample: Sample, changes: Sequence[Change] = ()) -> Preview | None:
        """The beginning of the text; where it varies, what the varied tokens say."""
        text = sample.value.text
        if changes:
            varied = self.transform(self.prepare(sample).tensors, changes)
            ids = varied["ids"][varied["mask"]]
            shown = ids[~self._vocabulary.special[ids] | (ids == self._vocabulary.mask)]
            text = self._tokenizer.decode(shown.tolist(), skip_special_tokens=False)
        if not text.strip():
            return None
        cut = text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."
        return Preview("text/plain", cut.encode("utf-8", "replace"))


def _notes(first: str, second: str | None) -> list[str]:
    texts = (first,) if second is None else (first, second)
    empty = [not text.strip() for text in texts]
    found = {
        EMPTY: all(empty),
        HALF_EMPTY: any(empty) and not all(empty),
        NUL: any("\0" in text for text in texts),
        CRLF: any("\r\n" in text for text in texts),
    }
    return [note for note, is_so in found.items() if is_so]


def _is_there(path: Path) -> bool:
    try:
        return path.expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long for a name, as texts are; a NUL; an unknown ~user
        return False


def _is_name(raw: str) -> bool:
    return len(raw.split()) == 1 and raw.lower().endswith(OTHER_FILES)


def _texts(payload: Any, where: str) -> tuple[str, str | None]:
    if isinstance(payload, Mapping) and isinstance(payload.get("text"), str):
        second = payload.get("text2")
        payload = payload["text"] if second is None else (payload["text"], second)
    if isinstance(payload, list | tuple) and len(payload) == 2 and all(isinstance(each, str) for each in payload):
        return payload[0], payload[1]
    if isinstance(payload, str):
        return payload, None
    if isinstance(payload, Path):
        try:
            if (size := payload.stat().st_size) > LARGEST_FILE:
                raise DataError(f"{where} has {size:,} bytes; expected {LARGEST_FILE:,} at most", hint="leave it out")
            payload = payload.read_bytes()
        except OSError as exc:
            raise DataError(f"{where} cannot be read: {exc.strerror or exc}") from exc
    if isinstance(payload, bytes):
        try:
            return payload.decode("utf-8-sig"), None
        except UnicodeDecodeError as exc:
            wide = payload[:2] in (b"\xff\xfe", b"\xfe\xff")
            raise DataError(
                f"{where} is no UTF-8: {exc.reason} at byte {exc.start} ({payload[exc.start]:02x})",
                hint="it begins as UTF-16 does: save it as UTF-8" if wide else "save it as UTF-8",
            ) from exc
    raise DataError(
        f"{where}: received {payload!r:.80}", hint="expected a text, or two: a sequence, or a mapping of text and text2"
    )
