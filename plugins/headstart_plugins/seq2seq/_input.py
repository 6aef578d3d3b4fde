"""Texts read, split where they are long, and brought to pieces; the vocabulary learned from a training split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import PluginError, UsageError
from headstart.specs import Change, InputRequest, Prepared, Preview, Sample, TensorSpec, TrainingSplit
from headstart_plugins._pieces import NumberedPieces, Pieces, learned
from headstart_plugins._reading_texts import (
    MOST_SHOWN,
    find_texts,
    fingerprint_of,
    notes_of,
    read_texts,
    shown_text,
)
from headstart_plugins._sentences import parts_that_fit
from headstart_plugins._sequences import lengths_up_to
from headstart_plugins.seq2seq import PiecesOptions

if TYPE_CHECKING:
    import keras

VOCABULARY, NUMBERED = "source.spm", "vocab.json"
"""The pieces, and their ids where they are not those of the model."""
MANY_UNKNOWN = 0.5
UNKNOWN = "warning: mostly of letters that the vocabulary does not know"


@dataclass(frozen=True)
class Parts:
    """A text as read, and the ids of its parts, each with its end; there are none before a vocabulary is known."""

    text: str
    ids: tuple[tuple[int, ...], ...] = ()


def build(request: InputRequest) -> PiecesKind:
    """The kind with the vocabulary of `request`'s assets, or one that is still to be learned. Raises UsageError where
    more pieces are asked for than the weights take."""
    options: PiecesOptions = request.options
    most = int(request.preprocess["length"])
    if options.max_tokens > most:
        raise UsageError(
            f"--max-tokens {options.max_tokens} is more than these weights take: {most}",
            hint=f"use {most} or less",
        )
    return PiecesKind(options, request.assets.get(VOCABULARY), request.assets.get(NUMBERED))


class PiecesKind:
    """Fulfils `headstart.specs.InputKind`, FitsAhead, HasAssets, NamesSteps, PreparesSeveral and Trims. A Sample's
    value is `Parts`.

    Tensors of a row: "ids" (time,) int32 and "mask" (time,) bool, True where there is a piece. A text of more than
    `max_tokens` pieces has a row for each part, with the facts `part` and `parts`.
    """

    hint = "texts are read by the vocabulary that was learned for them"
    output_ranges: Mapping[str, tuple[float, float]] = {}

    def __init__(self, options: PiecesOptions, file: Path | None, numbered: Path | None = None) -> None:
        self._options, self._file, self._numbered = options, file, numbered
        self._length = length = options.max_tokens
        self.lengths = lengths_up_to(length)

    @property
    def tensors(self) -> Mapping[str, TensorSpec]:
        """See the class."""
        values = len(self._pieces) if self.is_fitted else None
        return {
            "ids": TensorSpec((self._length,), "int32", length_axis=0, values=values),
            "mask": TensorSpec((self._length,), "bool", length_axis=0),
        }

    @cached_property
    def _pieces(self) -> Pieces | NumberedPieces:
        if self._file is None:
            raise PluginError("the kind `pieces` is asked for pieces before its vocabulary was learned")
        pieces = Pieces(self._file)
        return pieces if self._numbered is None else NumberedPieces(pieces, self._numbered)

    @property
    def is_fitted(self) -> bool:
        """See FitsAhead."""
        return self._file is not None

    def fitted_ahead(self, training: TrainingSplit) -> PiecesKind:
        """With a vocabulary of the training split's texts, `joint`: and of its targets where those are texts."""
        file, joint = training.folder / VOCABULARY, self._options.joint

        def texts() -> Iterator[str]:
            for payload in training.payloads:
                yield from filter(None, read_texts(payload, "a training sample"))
            for value in training.values if joint else ():
                if not isinstance(value, str):
                    raise UsageError(
                        "input.joint=true needs targets that are texts", hint="leave it out, or name such data"
                    )
                yield value

        what = "the vocabulary of sources and targets" if joint else "the vocabulary of sources"
        learned(texts(), self._options.vocabulary, file, tell=training.tell, what=what)
        return PiecesKind(self._options, file)

    def assets(self) -> Mapping[str, Path]:
        """The model of sentencepiece, and the ids of its pieces where they have others."""
        found = {VOCABULARY: self._file, NUMBERED: self._numbered}
        return {name: path for name, path in found.items() if path is not None}

    def read(self, payload: Any, where: str) -> Sample:
        """A text, or a file of it in UTF-8; of a pair both, one below the other. Raises as `read_texts` does."""
        first, second = read_texts(payload, where)
        if isinstance(payload, Path | bytes):
            first = first.rstrip("\r\n")  # the end of a file's last line, which is no part of the text
        notes = notes_of(first, second)
        text = first if second is None else f"{first}\n{second}"
        if not self.is_fitted:
            return Sample(Parts(text), tuple(notes))
        pieces = self._pieces
        prefix = self._options.prefix

        def encode(texts: Sequence[str]) -> list[list[int]]:
            return pieces.encode([prefix + each for each in texts])

        parts = parts_that_fit(text, self._length - 1, lambda texts: [len(each) for each in encode(texts)])
        ids = [[*each[: self._length - 1], pieces.end] for each in encode(parts)]
        # Letters are counted, since many unknown ones beside each other are one piece.
        strange = pieces.unknown_letters(text) if any(pieces.unknown in each for each in ids) else 0
        if strange > MANY_UNKNOWN * len("".join(text.split())):
            notes.append(UNKNOWN)
        if len(ids) > 1:
            notes.append(f"longer than {self._length} pieces: split at sentences")
        return Sample(Parts(text, tuple(map(tuple, ids))), tuple(notes))

    def prepare(self, sample: Sample) -> Prepared:
        """The first part, padded with zeros."""
        return self.prepare_several(sample)[0]

    def prepare_several(self, sample: Sample) -> Sequence[Prepared]:
        """The parts, padded with zeros. Facts: `text`, the whole as far as it is shown, and where there are several
        parts, which one it is of how many."""
        parts: Parts = sample.value
        rows = []
        for place, ids in enumerate(parts.ids):
            count = len(ids)
            tensors = {
                "ids": np.pad(np.array(ids, np.int32), (0, self._length - count)),
                "mask": np.arange(self._length) < count,
            }
            several = {"part": place, "parts": len(parts.ids)} if len(parts.ids) > 1 else {}
            rows.append(Prepared(tensors, {"text": parts.text[:MOST_SHOWN], "tokens": count, **several}, count))
        return rows

    def steps(self, prepared: Prepared) -> Sequence[str]:
        """Each piece alone."""
        return self._pieces.steps(prepared.tensors["ids"][: prepared.length].tolist())

    def blank(self, prepared: Prepared) -> Mapping[str, np.ndarray]:
        """Padding between the beginning and the end."""
        ids, pieces = prepared.tensors["ids"], self._pieces
        content = prepared.tensors["mask"] & (ids != pieces.end)
        return {**prepared.tensors, "ids": np.where(content, np.array(pieces.pad, ids.dtype), ids)}

    def transform(self, tensors: Mapping[str, np.ndarray], changes: Sequence[Change]) -> Mapping[str, np.ndarray]:
        """Nothing varies. Raises PluginError for any change."""
        for change in changes:
            raise PluginError(f"the kind `pieces` cannot apply {change.name!r}")
        return {name: tensor.copy() for name, tensor in tensors.items()}

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
        """The beginning of the text."""
        return shown_text(sample.value.text)
