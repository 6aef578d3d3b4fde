"""Scores of translations as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from headstart_plugins._heads.evaluators import middle_95
from headstart_plugins._placeholders import placeholders_of
from headstart_plugins._segments import FirstOf, Ranked, SegmentCounts, require_as_many, resampled_sums
from headstart_plugins._translation_scores.formulas import BLEU_COLUMNS, CHRF_COLUMNS, bleu_of, chrf_of
from headstart_plugins._translation_scores.sacre import Sacre

BLEU_PART = slice(0, BLEU_COLUMNS)
CHRF_PART = slice(BLEU_COLUMNS, BLEU_COLUMNS + CHRF_COLUMNS)
COUNTED = ("exact", "copied", "empty", "expected", "kept", "invented")
"""What is counted of a segment besides: the hypothesis is the reference, is the source though the reference is not, has
no letter though the reference has; and placeholders that source and reference share, those of them that the hypothesis
has, and those that it has and neither of the two."""
DIGITS = 2


class TranslationScores:
    """BLEU and chrF of detokenised texts, one reference each, equal to what sacrebleu gives for all of them at once.

    `metrics` are `bleu` and `chrf` in 0..100. What is kept of a sentence are 34 whole numbers and the few worst
    sentences; a `running` one keeps sums alone, and has neither intervals nor sentences. `tokenize` is one of
    TOKENIZERS, for BLEU. Any cut into calls of `add` and any grouping of merges give the same.

    Raises UsageError as `Sacre` does.
    """

    def __init__(
        self, *, tokenize: str = "13a", lowercase: bool = False, running: bool = False, worst: int = 10
    ) -> None:
        self._sacre = Sacre(tokenize, lowercase=lowercase)
        self.counts = SegmentCounts(CHRF_PART.stop + len(COUNTED), summed=running)
        self._worst = FirstOf(0 if running else worst)
        self._without_placeholders = FirstOf(0 if running else worst)

    def add(
        self,
        sources: Sequence[str],
        references: Sequence[str],
        hypotheses: Sequence[str],
        keys: Sequence[str] | None = None,
    ) -> None:
        """Add sentences, by their `keys` if these are to be told. Raises ValueError where there are not as many of
        each."""
        given = {"sources": sources, "references": references, "hypotheses": hypotheses}
        require_as_many(given | ({} if keys is None else {"keys": keys}))
        if not hypotheses:
            return
        bleu, chrf = self._sacre.counts(hypotheses, references)
        triples = list(zip(sources, references, hypotheses, strict=True))
        told = np.array([_told(*each) for each in triples], np.int64)
        self.counts.add(np.concatenate([bleu, chrf, told], axis=1))
        if self.counts.summed:
            return
        shown = list(_shown(triples, chrf_of(chrf), keys))
        self._worst.add(
            Ranked((each["chrf"], -len(reference)), each)
            for each, (_, reference, _) in zip(shown, triples, strict=True)
        )
        lost = told[:, COUNTED.index("expected")] - told[:, COUNTED.index("kept")]
        self._without_placeholders.add(Ranked((0.0,), shown[place]) for place in np.flatnonzero(lost).tolist())

    def merge(self, other: TranslationScores) -> None:
        """Add the sentences of `other`, scored in the same way, after the own ones."""
        self.counts.merge(other.counts)
        self._worst.merge(other._worst)
        self._without_placeholders.merge(other._without_placeholders)

    def metrics(self) -> dict[str, float]:
        """`bleu` and `chrf` of all sentences, 0..100: sacrebleu's own figures. Both are 0 without any."""
        bleu, chrf = self._sacre.scores(self.counts.sums[BLEU_PART], self.counts.sums[CHRF_PART])
        return {"bleu": float(bleu.score), "chrf": chrf}

    def intervals(self, seed: int = 0) -> dict[str, tuple[float, float]]:
        """95 % intervals of the metrics: the middle of 1,000 resamples of the sentences (Koehn 2004). None without any
        sentence. Raises ValueError of a running one."""
        rows = self.counts.rows
        if not len(rows):
            return {}
        return {name: middle_95(values) for name, values in self.resampled(seed).items()}

    def resampled(self, seed: int = 0) -> dict[str, np.ndarray]:
        """See `headstart.specs.ResamplesRows`. Raises ValueError of a running one."""
        return scored(resampled_sums(self.counts.rows, seed))

    def report(self) -> dict[str, Any]:
        """Plain values: `signatures`, `sentences`, what BLEU is made of, what COUNTED says, and the sentences of the
        lowest chrF side by side, `worst`, of equal ones the longest."""
        bleu, _ = self._sacre.scores(self.counts.sums[BLEU_PART], self.counts.sums[CHRF_PART])
        told = dict(zip(COUNTED, self.counts.sums[CHRF_PART.stop :].tolist(), strict=True))
        placeholders = {name: told.pop(name) for name in ("expected", "kept", "invented")}
        return {
            "signatures": self._sacre.signatures(),
            "sentences": self.counts.segments,
            "bleu": {
                "precisions": [float(each) for each in bleu.precisions],
                "brevity_penalty": float(bleu.bp),
                "hypothesis_tokens": bleu.sys_len,
                "reference_tokens": bleu.ref_len,
            },
            **told,
            "placeholders": {
                **placeholders,
                "lost": placeholders["expected"] - placeholders["kept"],
                "sentences": self._without_placeholders.shown(),
            },
            "worst": self._worst.shown(),
        }

    def state(self) -> Mapping[str, np.ndarray]:
        """See `headstart.specs.RunningEvaluator`: of a running one."""
        return self.counts.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `headstart.specs.RunningEvaluator`: of a running one."""
        self.counts.restore(state)


def scored(sums: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics (...) of `sums` (..., column) over segments as TranslationScores counts them."""
    return {"bleu": bleu_of(sums[..., BLEU_PART]), "chrf": chrf_of(sums[..., CHRF_PART])}


def _shown(
    triples: Sequence[tuple[str, str, str]], scores: np.ndarray, keys: Sequence[str] | None
) -> Iterator[dict[str, Any]]:
    for index, (source, reference, hypothesis) in enumerate(triples):
        named = {} if keys is None else {"key": keys[index]}
        texts = {"source": source, "reference": reference, "hypothesis": hypothesis}
        yield {**named, "chrf": round(float(scores[index]), DIGITS), **texts}


def _told(source: str, reference: str, hypothesis: str) -> tuple[int, ...]:
    """What COUNTED says of a segment."""
    asked, wanted, given = map(placeholders_of, (source, reference, hypothesis))
    expected: Counter[str] = asked & wanted
    return (
        hypothesis == reference,
        hypothesis == source != reference,
        bool(reference.strip()) and not hypothesis.strip(),
        expected.total(),
        (expected & given).total(),
        (given - (asked | wanted)).total(),
    )
