"""Scores of transcripts as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from headstart.errors import UsageError
from headstart_plugins._heads.evaluators import middle_95
from headstart_plugins._segments import FirstOf, Ranked, SegmentCounts, require_as_many, resampled_sums
from headstart_plugins._transcription_scores.normal_form import FORMS, Form, normal_form

STEPS = ("equal", "substitute", "delete", "insert")
"""What jiwer calls a step of an alignment; each unit of the reference is one of the first three."""
WORDS, CHARACTERS = slice(0, 4), slice(4, 8)
RIGHT, SILENT = 8, 9
"""Columns: the transcript is right, and it is empty though something was said."""
COLUMNS = 10
MOST_COMMON = 20
DIGITS = 4


class TranscriptionScores:
    """Word and character error rates, equal to what jiwer gives for all transcripts at once.

    `metrics` are `wer` and `cer`, and `substitutions`, `deletions` and `insertions` of words, which add up to `wer`:
    all as shares of what the references hold, so that much that is made up makes them larger than 1. Before that,
    transcripts are brought into a `form`, see `normal_form`. What is kept of a clip are ten whole numbers and how often
    each of its words went wrong, and of the few worst clips the texts; a `running` one keeps sums alone, and has
    neither intervals nor clips.

    Raises UsageError where jiwer is not installed.
    """

    def __init__(self, *, form: Form = "spoken", running: bool = False, worst: int = 10) -> None:
        try:
            import jiwer
        except ImportError as exc:
            raise UsageError("scores of transcripts need jiwer", hint="pip install 'headstart[speech]'") from exc
        self._jiwer: Any = jiwer
        self.form: Form = form
        self.counts = SegmentCounts(COLUMNS, summed=running)
        self._worst = FirstOf(0 if running else worst)
        self._wrong: Counter[tuple[str, str]] = Counter()

    def add(self, references: Sequence[str], hypotheses: Sequence[str], keys: Sequence[str] | None = None) -> None:
        """Add clips: what was said, what was understood, and their `keys` if these are to be told. Raises ValueError
        where there are not as many of each."""
        given = {"references": references, "hypotheses": hypotheses}
        require_as_many(given | ({} if keys is None else {"keys": keys}))
        if not references:
            return
        said, understood = ([normal_form(text, self.form) for text in texts] for texts in (references, hypotheses))
        words = self._jiwer.process_words(said, understood)
        characters = self._jiwer.process_characters(said, understood)
        rows = np.zeros((len(said), COLUMNS), np.int64)
        rows[:, WORDS] = [_steps(each) for each in words.alignments]
        rows[:, CHARACTERS] = [_steps(each) for each in characters.alignments]
        rows[:, RIGHT] = [one == other for one, other in zip(said, understood, strict=True)]
        rows[:, SILENT] = [bool(one) and not other for one, other in zip(said, understood, strict=True)]
        self.counts.add(rows)
        if self.counts.summed:
            return
        for aligned in zip(words.alignments, words.references, words.hypotheses, strict=True):
            self._wrong.update(_wrong_words(*aligned))
        errors, rates = rows[:, 1:4].sum(axis=1), rates_of(rows)["wer"]
        self._worst.add(
            Ranked(
                (-float(rates[index]), -float(errors[index])),
                {
                    **({} if keys is None else {"key": keys[index]}),
                    "wer": round(float(rates[index]), DIGITS),
                    "reference": references[index],
                    "hypothesis": hypotheses[index],
                },
            )
            for index in np.flatnonzero(errors).tolist()
        )

    def merge(self, other: TranscriptionScores) -> None:
        """Add the clips of `other`, of the same form, after the own ones."""
        self.counts.merge(other.counts)
        self._worst.merge(other._worst)
        self._wrong.update(other._wrong)

    def metrics(self) -> dict[str, float]:
        """See the class; jiwer's own figures. All are 0 without any clip; where nothing was said, insertions are
        counted."""
        return {name: float(value) for name, value in rates_of(self.counts.sums).items()}

    def intervals(self, seed: int = 0) -> dict[str, tuple[float, float]]:
        """95 % intervals of the metrics: the middle of 1,000 resamples of the clips (Bisani & Ney 2004). None without
        any clip. Raises ValueError of a running one."""
        rows = self.counts.rows
        if not len(rows):
            return {}
        return {name: middle_95(values) for name, values in self.resampled(seed).items()}

    def resampled(self, seed: int = 0) -> dict[str, np.ndarray]:
        """See `headstart.specs.ResamplesRows`. Raises ValueError of a running one."""
        return rates_of(resampled_sums(self.counts.rows, seed))

    def report(self) -> dict[str, Any]:
        """Plain values: the `signature`, `clips`, those that are `right` and `empty`, steps of words and characters,
        the clips of the highest rate, `worst`, of equal ones those with more errors; and what is most often
        `confused` (said, understood, times), `deleted` and `inserted` (word, times)."""
        sums = self.counts.sums
        confused, deleted, inserted = (
            Counter({wrong: times for wrong, times in self._wrong.items() if (wrong[0] != "", wrong[1] != "") == form})
            for form in ((True, True), (True, False), (False, True))
        )
        return {
            "signature": f"{FORMS[self.form]}|jiwer:{version('jiwer')}",
            "clips": self.counts.segments,
            "right": int(sums[RIGHT]),
            "empty": int(sums[SILENT]),
            "words": dict(zip(STEPS, sums[WORDS].tolist(), strict=True)),
            "characters": dict(zip(STEPS, sums[CHARACTERS].tolist(), strict=True)),
            "worst": self._worst.shown(),
            "confused": [[*pair, times] for pair, times in _commonest(confused)],
            "deleted": [[said, times] for (said, _), times in _commonest(deleted)],
            "inserted": [[understood, times] for (_, understood), times in _commonest(inserted)],
        }

    def state(self) -> Mapping[str, np.ndarray]:
        """See `headstart.specs.RunningEvaluator`: of a running one."""
        return self.counts.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `headstart.specs.RunningEvaluator`: of a running one."""
        self.counts.restore(state)


def rates_of(sums: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics (...) float64 of `sums` (..., column) over clips."""

    def shares(steps: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        equal, substituted, deleted, inserted = np.moveaxis(sums[..., steps].astype(np.float64), -1, 0)
        whole = np.maximum(equal + substituted + deleted, 1.0)
        return substituted / whole, deleted / whole, inserted / whole

    substitutions, deletions, insertions = shares(WORDS)
    return {
        "wer": substitutions + deletions + insertions,
        "cer": np.sum(shares(CHARACTERS), axis=0),
        "substitutions": substitutions,
        "deletions": deletions,
        "insertions": insertions,
    }


def _steps(chunks: Iterable[Any]) -> list[int]:
    """How many units are of each of the STEPS in an alignment of jiwer."""
    counts = dict.fromkeys(STEPS, 0)
    for chunk in chunks:
        length = max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        counts[chunk.type] += length
    return list(counts.values())


def _wrong_words(chunks: Iterable[Any], said: Sequence[str], understood: Sequence[str]) -> Iterable[tuple[str, str]]:
    """(said, understood) of each wrong word, empty where it is a deletion or an insertion."""
    for chunk in chunks:
        ours, theirs = (
            said[chunk.ref_start_idx : chunk.ref_end_idx],
            understood[chunk.hyp_start_idx : chunk.hyp_end_idx],
        )
        if chunk.type == "substitute":
            yield from zip(ours, theirs, strict=True)
        elif chunk.type != "equal":
            yield from ((word, "") for word in ours)
            yield from (("", word) for word in theirs)


def _commonest(counter: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    """The most frequent, of equal ones in the order of the alphabet, so that no order of merges matters."""
    return sorted(counter.items(), key=lambda each: (-each[1], each[0]))[:MOST_COMMON]
