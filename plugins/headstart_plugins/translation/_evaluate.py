"""Evaluators of translations: sacrebleu's figures of what was generated, on detokenised text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.specs import Batch, Evaluation, Facts
from headstart_plugins._translation_scores import TranslationScores

if TYPE_CHECKING:
    from headstart_plugins.translation._vocabulary import Vocabulary


class TranslationEvaluator:
    """BLEU and chrF of generated texts; where a head was fed with targets, nothing but the loss is known."""

    def __init__(self, vocabulary: Vocabulary, tokenize: str) -> None:
        self._vocabulary = vocabulary
        self._scores = TranslationScores(tokenize=tokenize)
        self._count = 0

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See Evaluator. References are the whole targets where they are known, else their pieces."""
        if "tokens" not in outputs:
            return
        tokens = outputs["tokens"]
        best = tokens[:, 0] if tokens.ndim == 3 else tokens
        hypotheses = [self._vocabulary.decode(ids) for ids in best.tolist()]
        sources = [
            str(fact["text"]) if "text" in fact else _text(row)
            for fact, row in zip(facts, targets["source"], strict=True)
        ]
        keys = [str(fact.get("key", "")) for fact in facts]
        self._scores.add(sources, self._references(targets), hypotheses, keys if any(keys) else None)
        self._count += len(hypotheses)

    def add_copies(self, targets: Batch) -> None:
        """Sources as if they were their translations."""
        sources = [_text(row) for row in targets["source"]]
        self._scores.add(sources, self._references(targets), sources)
        self._count += len(sources)

    def _references(self, targets: Batch) -> list[str]:
        if "reference" in targets:
            return [bytes(row).decode() for row in targets["reference"]]
        return [self._vocabulary.decode(ids) for ids in targets["next"].tolist()]

    def merge(self, other: TranslationEvaluator) -> None:
        """See Evaluator."""
        self._scores.merge(other._scores)
        self._count += other._count

    def metrics(self) -> Mapping[str, float]:
        """`bleu` and `chrf`, 0 to 100; none where nothing was generated."""
        return self._scores.metrics() if self._count else {}

    def resampled(self) -> Mapping[str, np.ndarray]:
        """See ResamplesRows."""
        return self._scores.resampled() if self._count else {}

    def result(self) -> Evaluation:
        """With intervals of resampled sentences, and the worst ones."""
        if not self._count:
            return Evaluation({})
        return Evaluation(self.metrics(), self._scores.intervals(), self._scores.report())


def _text(row: np.ndarray) -> str:
    """UTF-8 bytes, padded with zeros and perhaps cut within a letter."""
    return bytes(row).rstrip(b"\0").decode("utf-8", "ignore")
