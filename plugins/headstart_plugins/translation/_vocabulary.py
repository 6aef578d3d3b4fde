"""The vocabulary of targets: learned from the training split, that of the sources, or what another run had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from headstart.errors import DataError, UsageError
from headstart.specs import Finding, TrainingSplit
from headstart_plugins._pieces import NumberedPieces, Pieces, joined, learned
from headstart_plugins.translation import TranslationOptions

TARGET, SOURCE = "target.spm", "source.spm"
NUMBERED = ("target_vocab.json", "vocab.json")
"""Ids by piece, where they are not those of the model, as Marian's are: of targets, or of both sides."""
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


def opened(assets: Mapping[str, Path]) -> Vocabulary:
    """The vocabulary that is among `assets`. Raises DataError where there is none."""
    if TARGET not in assets:
        raise DataError(f"a stored translation has no {TARGET}", hint="its artefact is not whole: get it again")
    pieces = Pieces(assets[TARGET])
    numbered = next((assets[name] for name in NUMBERED if name in assets), None)
    return pieces if numbered is None else NumberedPieces(pieces, numbered)


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
