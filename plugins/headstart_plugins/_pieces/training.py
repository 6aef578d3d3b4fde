"""Vocabularies learned from texts, and one joined to another."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.specs import Finding
from headstart_plugins._pieces.pieces import END, PAD, UNKNOWN, Pieces

LONGEST = 1 << 24
"""Bytes of a text: sentencepiece leaves out longer ones without a word, from 4,193 on by its own defaults."""
NEEDED = re.compile(r"required_chars\. \d+ vs (\d+)")


def learned(texts: Iterable[str], size: int, file: Path, *, tell: Callable[[Finding], None], what: str) -> Pieces:
    """A unigram model (Kudo 2018) of about `size` pieces in `file`, of all `texts`: equal texts give equal bytes.

    Nothing is normalised (sentencepiece's own default makes 105 of 10⁵ and m2 of m²), so that case, accents, spaces and
    spelling are kept, and every letter of the texts has a piece. Where they give fewer pieces than asked for, all that
    there are are taken, which is told; so is that letters alone are more. `what` names the vocabulary in messages.
    Raises DataError where there is no letter at all, UsageError where sentencepiece is not installed.
    """
    try:
        import sentencepiece
    except ImportError as exc:
        raise UsageError(
            "vocabularies of pieces need sentencepiece", hint="pip install 'headstart[translation]'"
        ) from exc
    kept = [text for text in texts if text.strip()]
    if not kept:
        raise DataError(
            f"{what}: no text of the training split has a letter", hint="`headstart check DATA` says how it was read"
        )

    def train(count: int) -> bytes:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(kept),
            model_writer=model,
            model_type="unigram",
            vocab_size=count,
            hard_vocab_limit=False,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            character_coverage=1.0,
            max_sentence_length=LONGEST,
            num_threads=1,  # the order of sums in floating point depends on it
            eos_id=END,
            unk_id=UNKNOWN,
            pad_id=PAD,
            bos_id=-1,
            minloglevel=2,
        )
        return model.getvalue()

    try:
        content = train(size)
    except RuntimeError as exc:
        needed = NEEDED.search(str(exc))
        if needed is None:
            raise DataError(
                f"{what} cannot be learned from {len(kept):,} texts: {exc}",
                hint="`headstart check DATA` says how they were read; fewer pieces need fewer texts",
            ) from exc
        tell(
            Finding(
                "warning",
                f"{what}: the training split has {needed[1]} letters and signs, more than the {size} pieces asked for; "
                "each is a piece",
                hint="ask for more pieces",
            )
        )
        content = train(int(needed[1]))
    file.write_bytes(content)
    pieces = Pieces(file)
    if len(pieces) < size:
        tell(
            Finding(
                "note",
                f"{what}: {len(kept):,} texts of the training split give {len(pieces):,} pieces, of {size:,} asked for",
            )
        )
    return pieces


def joined(first: Pieces, second: Pieces, file: Path) -> Pieces:
    """All pieces of `first` under their ids, then those of `second` that it lacks with their own scores, in `file`.

    The file of sentencepiece is a message of protobuf, whose field 1 is a piece each time it stands there: so pieces
    are added by bytes behind its end.
    """
    known = set(first.pieces)
    added = [each for each in zip(second.pieces, second.scores(), strict=True) if each[0] not in known]
    file.write_bytes(first.file.read_bytes() + b"".join(_message(piece, score) for piece, score in added))
    return Pieces(file)


def _message(piece: str, score: float) -> bytes:
    """`pieces { piece: ... score: ... }` as protobuf writes it: tag, length, content."""
    text = piece.encode()
    body = b"\x0a" + _varint(len(text)) + text + b"\x15" + struct.pack("<f", score)
    return b"\x0a" + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that there are more."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
