"""The vocabulary of targets: learned from the training split, that of the sources, or what another run had."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from headstart.errors import DataError, UsageError
from headstart.specs import Finding, TrainingSplit
from headstart_plugins._pieces import Pieces, joined, learned
from headstart_plugins.translation import TranslationOptions

TARGET, SOURCE = "target.spm", "source.spm"
NUMBERED = "vocab.json"
"""Ids by piece, where they are not those of the model: Marian's."""
WHAT = "the vocabulary of targets"


class Vocabulary(Protocol):
    """Text to ids and back."""

    @property
    def pieces(self) -> Sequence[str]:
        """What each id stands for."""

    def __len__(self) -> int:
        """How many ids there are."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without the end."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids up to the end, without padding."""


class NumberedPieces:
    """Pieces whose ids stand in a file of their own, `{"piece": id}`, as Marian's do. Raises DataError for another."""

    def __init__(self, pieces: Pieces, file: Path) -> None:
        self._inner = pieces
        try:
            self._ids: dict[str, int] = {
                str(piece): int(place) for piece, place in json.loads(file.read_text()).items()
            }
        except (OSError, ValueError, AttributeError, TypeError) as exc:
            raise DataError(f"{file} is no table of ids by piece: {exc}", hint="get another copy of it") from exc
        by_id = {place: piece for piece, place in self._ids.items()}
        self.pieces: Sequence[str] = tuple(by_id.get(place, "") for place in range(max(by_id) + 1))
        self._unknown = self._ids.get("<unk>", 1)
        self._end, self._pad = self._ids.get("</s>", 0), self._ids.get("<pad>", -1)
        self._places = {piece: place for place, piece in enumerate(pieces.pieces)}

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """See Vocabulary."""
        inner = self._inner
        return [[self._ids.get(inner.pieces[each], self._unknown) for each in ids] for ids in inner.encode(texts)]

    def decode(self, ids: Iterable[int]) -> str:
        """See Vocabulary."""
        kept = []
        for each in ids:
            if each == self._end:
                break
            if each != self._pad:
                kept.append(self._places.get(self.pieces[each], self._inner.unknown))
        return self._inner.decode(kept)


def opened(assets: Mapping[str, Path]) -> Vocabulary:
    """The vocabulary that is among `assets`. Raises DataError where there is none."""
    if TARGET not in assets:
        raise DataError(f"a stored translation has no {TARGET}", hint="its artefact is not whole: get it again")
    pieces = Pieces(assets[TARGET])
    return NumberedPieces(pieces, assets[NUMBERED]) if NUMBERED in assets else pieces


def fitted(options: TranslationOptions, training: TrainingSplit, parent: Any) -> Path:
    """The file of a vocabulary for the training split; `parent` is the vocabulary of the run that it goes on from, or
    None. Raises UsageError for settings that contradict each other."""
    file = training.folder / TARGET
    if parent is not None and not isinstance(parent, Pieces):
        raise UsageError(
            "the vocabulary of the run numbers its pieces in its own way and can only be kept",
            hint="--set task.parent_vocabulary=kept",
        )
    if options.joint:
        if parent is not None and options.parent_vocabulary != "new":
            raise UsageError(
                "task.joint takes the vocabulary of the sources, so that of the run has no place",
                hint="--set task.parent_vocabulary=new, or leave task.joint out",
            )
        if SOURCE not in training.assets:
            raise UsageError(
                "task.joint needs a vocabulary of the sources that is learned", hint="use --backbone seq2seq/small"
            )
        file.write_bytes(training.assets[SOURCE].read_bytes())
        return file
    if parent is not None and options.parent_vocabulary == "kept":
        file.write_bytes(parent.file.read_bytes())
        return file
    if parent is None or options.parent_vocabulary == "new":
        learned(training.values, options.vocabulary, file, tell=training.tell, what=WHAT)
        return file
    own = learned(training.values, options.vocabulary, training.folder / "own.spm", tell=training.tell, what=WHAT)
    both = joined(parent, own, file)
    message = (
        f"{WHAT}: the {len(parent):,} pieces of the run that it goes on from, and {len(both) - len(parent):,} that its "
        f"targets do not have, of {len(own):,} that these have"
    )
    training.tell(Finding("note", message))
    return file
