"""A vocabulary whose pieces are numbered in a file of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from headstart.errors import DataError
from headstart_plugins._pieces.pieces import Pieces

LANGUAGE = re.compile(r">>[^<>]+<<")
"""What stands before a source that a model answers in one of several languages: one piece, which is no text."""


class NumberedPieces:
    """The `pieces` of a model under the ids of a file, `{"piece": id}`, as MarianMT's folders have them: what the file
    does not list is unknown. Fulfils what `Pieces` does. Raises DataError for a file that is no such table.
    """

    def __init__(self, pieces: Pieces, file: Path) -> None:
        self._inner, self.file = pieces, pieces.file
        try:
            table = json.loads(file.read_text("utf-8"))
            self._ids: dict[str, int] = {str(piece): int(place) for piece, place in table.items()}
            self.end, self.unknown = self._ids["</s>"], self._ids["<unk>"]
        except (OSError, ValueError, AttributeError, TypeError, KeyError) as exc:
            raise DataError(f"{file} is no table of ids by piece: {exc!r}", hint="get another copy of it") from exc
        self.pad = self._ids.get("<pad>", self.end)
        by_id = {place: piece for piece, place in self._ids.items()}
        self.pieces = tuple(by_id.get(place, "") for place in range(max(by_id) + 1))
        self._places = {piece: place for place, piece in enumerate(pieces.pieces)}

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without the end."""
        codes = [LANGUAGE.match(text) for text in texts]
        begins = [[self._ids[code[0]]] if code is not None and code[0] in self._ids else [] for code in codes]
        rest = [
            text[code.end() :].lstrip() if begin and code is not None else text
            for text, code, begin in zip(texts, codes, begins, strict=True)
        ]
        inner = self._inner
        return [
            begin + [self._ids.get(inner.pieces[each], self.unknown) for each in ids]
            for begin, ids in zip(begins, inner.encode(rest), strict=True)
        ]

    def unknown_letters(self, text: str) -> int:
        """How many letters and other marks of a text no piece of the model has."""
        return self._inner.unknown_letters(text)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids up to the end, without padding and what the table does not have."""
        kept = []
        for each in ids:
            if each == self.end:
                break
            if each != self.pad and each < len(self.pieces) and self.pieces[each] in self._places:
                kept.append(self._places[self.pieces[each]])
        return self._inner.decode(kept)

    def steps(self, ids: Iterable[int]) -> list[str]:
        """Each piece alone, as it reads."""
        return [self.pieces[each].replace("▁", " ") for each in ids]
