"""Texts read, tokenised, cut and padded to a few static lengths."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import DataError, PluginError, UsageError
from headstart.specs import Change, InputRequest, Prepared, Preview, Sample, TensorSpec
from headstart_plugins.text import TextOptions
from headstart_plugins.text._tokenizer import open_tokenizer

if TYPE_CHECKING:
    import keras
    from tokenizers import Tokenizer

SHORTEST = 16
"""Tokens of the smallest static length; each next one is twice as long."""
LARGEST_FILE = 64 * 2**20
BLANKS = ("[MASK]", "<mask>", "[PAD]", "<pad>")
"""Tokens that stand for no text, the one first that weights met most in their pretraining."""
EMPTY = "warning: no text"


@dataclass(frozen=True)
class Tokens:
    """A text as read: itself, and the ids and types (time,) int32 of its tokens."""

    text: str
    ids: np.ndarray
    types: np.ndarray


def build(request: InputRequest) -> TextKind:
    """The kind with the tokenizer of `request`'s assets. Raises UsageError where there is none that can be used."""
    options: TextOptions = request.options
    most = int(request.preprocess["length"])
    if options.max_tokens is not None and options.max_tokens > most:
        raise UsageError(
            f"--max-tokens {options.max_tokens} is more than these weights take: {most}",
            hint=f"use {most} or less, or weights for longer texts",
        )
    return TextKind(dict(request.preprocess), options.max_tokens or most, dict(request.assets))


class TextKind:
    """Fulfils `headstart.specs.InputKind`, HasAssets, Trims and NamesSteps. A Sample's value is `Tokens`.

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

    def assets(self) -> Mapping[str, Path]:
        """The tokenizer's files."""
        return self._files

    def read(self, payload: Any, where: str) -> Sample:
        """A text, a file of it in UTF-8, or a pair of texts (a sequence of two, or a mapping of `text` and `text2`)."""
        first, second = _texts(payload, where)
        prefix = str(self._preprocess.get("prefix") or "")
        tokenizer = self._tokenizer
        encoded = tokenizer.encode(prefix + first) if second is None else tokenizer.encode(prefix + first, second)
        ids, types = encoded.ids, encoded.type_ids
        notes = []
        if not first.strip() and not (second or "").strip():
            notes.append(EMPTY)
        if encoded.overflowing:
            notes.append(f"cut to {self._length} tokens")
        if not ids:  # a tokenizer without special tokens, such as GPT-2's
            ids, types = [self._end], [0]
        text = first if second is None else f"{first}\n{second}"
        return Sample(Tokens(text, np.array(ids, np.int32), np.array(types, np.int32)), tuple(notes))

    @property
    def _end(self) -> int:
        """What stands for a text without tokens."""
        known = self._tokenizer.get_vocab()
        return int(next((known[name] for name in ("<|endoftext|>", "</s>", "[SEP]") if name in known), 0))

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
        empty = next((known[name] for name in BLANKS if name in known), self._end)
        frame = {*tokenizer.encode("").ids, *tokenizer.encode("", "").ids}
        ids = prepared.tensors["ids"]
        content = prepared.tensors["mask"] & ~np.isin(ids, np.array(sorted(frame), ids.dtype))
        return {**prepared.tensors, "ids": np.where(content, np.array(empty, ids.dtype), ids)}

    def transform(self, tensors: Mapping[str, np.ndarray], changes: Sequence[Change]) -> Mapping[str, np.ndarray]:
        """No change is known yet."""
        for change in changes:
            raise PluginError(f"the text kind cannot apply {change.name!r}")
        return {name: tensor.copy() for name, tensor in tensors.items()}

    def stage(self) -> keras.Model:
        """The tensors as they are."""
        import keras

        entries = {name: keras.Input((None,), dtype=spec.dtype, name=name) for name, spec in self.tensors.items()}
        return keras.Model(entries, {name: keras.layers.Identity()(entry) for name, entry in entries.items()})

    def find(self, raw: str | Path) -> Sequence[Any]:
        """A text alone; of a path the file, or all *.txt files of a folder, sorted."""
        path = Path(raw)
        if isinstance(raw, Path) or raw.startswith((".", "/", "~")) or _is_there(path):
            path = path.expanduser()
            if path.is_dir():
                return sorted(each for each in path.rglob("*.txt") if each.is_file())
            if not path.is_file():
                raise UsageError(f"no such file: {raw}", hint="a text that looks like a path is given with --text")
            return [path]
        return [str(raw)]

    def fingerprint(self, sample: Sample) -> int | None:
        """Of the letters and digits alone, in lower case: texts that differ in spaces and marks share it."""
        letters = "".join(letter for letter in sample.value.text.casefold() if letter.isalnum())
        return (
            int.from_bytes(hashlib.blake2b(letters.encode(errors="surrogatepass"), digest_size=8).digest())
            if letters
            else None
        )

    def preview(self, sample: Sample, changes: Sequence[Change] = ()) -> Preview | None:
        """The text."""
        return Preview("text/plain", sample.value.text.encode("utf-8", "replace"))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, as texts are
        return False


def _texts(payload: Any, where: str) -> tuple[str, str | None]:
    if isinstance(payload, Mapping):
        payload = [payload.get("text"), payload.get("text2")]
    if isinstance(payload, list | tuple):
        if len(payload) != 2 or not all(isinstance(each, str) for each in payload):
            raise DataError(f"{where}: expected a text or two, received {payload!r:.80}")
        return payload[0], payload[1]
    if isinstance(payload, str):
        return payload, None
    if isinstance(payload, Path):
        try:
            if payload.stat().st_size > LARGEST_FILE:
                raise DataError(f"{where} has {payload.stat().st_size} bytes; more than {LARGEST_FILE} is no text")
            payload = payload.read_bytes()
        except OSError as exc:
            raise DataError(f"{where} cannot be read: {exc.strerror or exc}") from exc
    if isinstance(payload, bytes):
        try:
            return payload.decode("utf-8-sig"), None
        except UnicodeDecodeError as exc:
            raise DataError(f"{where} is no UTF-8: {exc.reason} at byte {exc.start}", hint="save it as UTF-8") from exc
    raise DataError(f"{where}: expected a text or two, received {type(payload).__name__}")
