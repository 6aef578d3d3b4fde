"""Payloads of texts read, found, told apart and shown, whatever makes tokens of them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.data.folders import walk
from headstart.errors import DataError, UsageError
from headstart.specs import Preview
from headstart_plugins._text_suffixes import SUFFIXES, is_text

LARGEST_FILE = 64 * 2**20
MOST_SHOWN = 2_000
"""Letters of a preview."""
OTHER_FILES = (*SUFFIXES, ".csv", ".tsv", ".jsonl", ".parquet", ".zip", ".tar", ".tgz", ".gz")
"""How a word ends that is meant as a file."""
SURROGATE = re.compile("[\ud800-\udfff]")
EMPTY = "warning: without text"
HALF_EMPTY = "warning: without one of the two texts"
NUL = "warning: with NUL letters in it, as UTF-16 read as UTF-8 has"
CRLF = "with lines that end in CRLF"


def read_texts(payload: Any, where: str) -> tuple[str, str | None]:
    """A text, a file of it in UTF-8, or a pair of texts (a sequence of two, or a mapping of `text` and `text2`).

    Raises DataError naming `where` and the byte for a file that is no UTF-8, the letter for a lone surrogate.
    """
    first, second = _texts(payload, where)
    for text in (first, second or ""):
        if odd := SURROGATE.search(text):
            raise DataError(
                f"{where}: letter {odd.start() + 1} is the lone surrogate U+{ord(odd[0]):04X}: half a letter",
                hint="decode the bytes that it comes from by their own encoding",
            )
    return first, second


def is_pair(payload: Any) -> bool:
    """Whether a payload holds two texts, in the forms of `read_texts`."""
    if isinstance(payload, Mapping):
        return payload.get("text2") is not None
    return isinstance(payload, list | tuple)


def notes_of(first: str, second: str | None) -> list[str]:
    """What to note of a text or of two."""
    texts = (first,) if second is None else (first, second)
    empty = [not text.strip() for text in texts]
    found = {
        EMPTY: all(empty),
        HALF_EMPTY: any(empty) and not all(empty),
        NUL: any("\0" in text for text in texts),
        CRLF: any("\r\n" in text for text in texts),
    }
    return [note for note, is_so in found.items() if is_so]


def find_texts(raw: str | Path) -> Sequence[Any]:
    """A text alone; of a path the file, or the texts in a folder, by their suffixes; links as in `walk`.

    A text is taken for a path where there is such a file, where it begins as paths do, and where it is one word that
    ends as files do. Raises UsageError for a path that is not there.
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


def fingerprint_of(text: str) -> int | None:
    """Of the letters, their marks, and the digits alone, in lower case: texts that differ in spaces and punctuation
    share it. None for texts without any, and without tokens to tell apart by."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(letter for letter in folded if unicodedata.category(letter)[0] in "LMN")
    return int.from_bytes(hashlib.blake2b(letters.encode(), digest_size=8).digest()) if letters else None


def shown_text(text: str) -> Preview | None:
    """The beginning of the text; None where there is none."""
    if not text.strip():
        return None
    cut = text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."
    return Preview("text/plain", cut.encode("utf-8", "replace"))


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
