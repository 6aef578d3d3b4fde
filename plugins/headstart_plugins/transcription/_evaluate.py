"""Evaluators of transcripts: error rates of what was generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from headstart.specs import Batch, Evaluation, Facts
from headstart_plugins._transcription_scores import Form, TranscriptionScores

Heard = Callable[[np.ndarray, Facts], Sequence[tuple[str, bool]]]
"""Of the tokens of a clip and its facts: what each window says, and whether a loop was left out of it."""


class TranscriptionEvaluator:
    """Word and character error rates of generated texts; where a head was fed with targets, nothing but the loss is
    known. `heard` and `decode` make texts of what was generated, and of targets."""

    def __init__(self, heard: Heard, decode: Callable[[Sequence[int]], str], form: Form) -> None:
        self._heard, self._decode = heard, decode
        self._scores = TranscriptionScores(form=form)
        self._count = self._looped = 0

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See Evaluator. References are the whole texts where they are known, else their tokens."""
        if "tokens" not in outputs:
            return
        if "reference" in targets:
            said = [bytes(row).decode() for row in targets["reference"]]
        else:
            said = [self._decode(row[row >= 0].tolist()) for row in targets["next"]]
        windows = [self._heard(row, fact) for row, fact in zip(outputs["tokens"], facts, strict=True)]
        heard = [" ".join(text for text, _ in each) for each in windows]
        self._looped += sum(any(is_loop for _, is_loop in each) for each in windows)
        keys = [str(fact.get("key", "")) for fact in facts]
        self._scores.add(said, heard, keys if any(keys) else None)
        self._count += len(said)

    def merge(self, other: TranscriptionEvaluator) -> None:
        """See Evaluator."""
        self._scores.merge(other._scores)
        self._count += other._count
        self._looped += other._looped

    def metrics(self) -> Mapping[str, float]:
        """`wer`, `cer` and what the first is made of; none where nothing was generated."""
        return self._scores.metrics() if self._count else {}

    def resampled(self) -> Mapping[str, np.ndarray]:
        """See ResamplesRows."""
        return self._scores.resampled() if self._count else {}

    def result(self) -> Evaluation:
        """With intervals of resampled clips, and the worst ones; `looped` are clips of which a loop was left out."""
        if not self._count:
            return Evaluation({})
        return Evaluation(self.metrics(), self._scores.intervals(), {**self._scores.report(), "looped": self._looped})
