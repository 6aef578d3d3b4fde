"""A vocabulary as it is used: text to ids and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError

END, UNKNOWN, PAD = 0, 1, 2
"""Ids of the vocabularies that are learned here; no text has END or PAD in it."""
WHITE_SPACE = [letter for letter in map(chr, range(0x3001)) if letter.isspace()]


class Pieces:
    """A sentencepiece model in a file (Kudo & Richardson 2018). Ids are those of the file.

    Raises UsageError where sentencepiece is not installed, DataError for a file that is no such model.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            import sentencepiece
        except ImportError as exc:
            raise UsageError(
                "vocabularies of pieces need sentencepiece", hint="pip install 'headstart[translation]'"
            ) from exc
        try:
            self._model: Any = sentencepiece.SentencePieceProcessor(model_proto=file.read_bytes())
        except (OSError, RuntimeError) as exc:
            raise DataError(f"{file} is no model of sentencepiece: {exc}", hint="get another copy of it") from exc

    def __len__(self) -> int:
        return int(self._model.vocab_size())

    @property
    def end(self) -> int:
        """What ends a sequence. Raises DataError where the model has no such piece."""
        return self._special("end of a sentence", self._model.eos_id())

    @property
    def pad(self) -> int:
        """What stands behind the end. Raises DataError where the model has no such piece."""
        return self._special("padding", self._model.pad_id())

    @property
    def unknown(self) -> int:
        """What stands for letters that no piece has."""
        return int(self._model.unk_id())

    def _special(self, what: str, found: int) -> int:
        if found < 0:
            raise DataError(f"{self.file} has no piece for the {what}", hint="a model that is learned here has one")
        return int(found)

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """What each id stands for, "▁" for a space."""
        return tuple(self._model.id_to_piece(list(range(len(self)))))

    def scores(self) -> Sequence[float]:
        """The log probability of each piece by itself."""
        return [float(each) for each in self._model.get_score(list(range(len(self))))]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without the end. White space that is unknown, such as the end of a line where none was
        in what was learned from, is as a space: an unknown piece would say more than there is."""
        found: list[list[int]] = self._model.encode(list(map(self._spaced, texts)), num_threads=1)
        return found

    def _spaced(self, text: str) -> str:
        spaces = self._spaces
        return (text.replace("\r\n", "\n") if ord("\r") in spaces else text).translate(spaces)

    @cached_property
    def _spaces(self) -> dict[int, str]:
        """White space that the model knows neither as a piece nor by its own normalisation."""
        encoded = self._model.encode(WHITE_SPACE)
        return {ord(each): " " for each, ids in zip(WHITE_SPACE, encoded, strict=True) if self.unknown in ids}

    def unknown_letters(self, text: str) -> int:
        """How many letters and other marks of a text no piece has."""
        (ids,), spelled = self.encode([text]), self._model.encode(self._spaced(text), out_type=str)
        strange = [piece for each, piece in zip(ids, spelled, strict=True) if each == self.unknown]
        return sum(letter not in " ▁\n" for piece in strange for letter in piece)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids up to the end, without padding and ids that stand for nothing, as T5 has some."""
        kept = []
        for each in ids:
            if each == self._model.eos_id():
                break
            if each != self._model.pad_id() and each < len(self):
                kept.append(int(each))
        return str(self._model.decode(kept))

    def steps(self, ids: Iterable[int]) -> list[str]:
        """Each piece alone, as it reads."""
        return [self.pieces[each].replace("▁", " ") for each in ids]
