"""Transfer scores: what a source is worth for a task, told from its features alone, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from headstart.specs.base import Spec

if TYPE_CHECKING:
    import numpy as np

    from headstart.specs.spectrum import Spectrum


@dataclass(frozen=True)
class Observed:
    """What a source makes of records, and what these are to be answered with.

    `features` (record, channel) float32 are finite. `form` says which of the score's `reads` the `targets` are in:
    "classes" are (record,) int64 from 0 on, each of which has a record; "numbers" (record, output) float64, finite, no
    column of them constant. `answers` (record, answer) float64 are the probabilities that the source's own head gives,
    rows of which sum to 1, where the score asks for them. `groups` (record,) int64 are equal for records that belong
    together, such as those of one person: what judges a record by others leaves its group out.

    `weights` (resample, record) float64 > 0 are those of the Bayesian bootstrap (Rubin 1981): each row sums to the
    number of records, and no class is ever without one. They are the same for all sources, so that two can be compared
    in pairs."""

    features: np.ndarray
    form: str
    targets: np.ndarray
    groups: np.ndarray
    weights: np.ndarray
    answers: np.ndarray | None = None

    @cached_property
    def spectrum(self) -> Spectrum:
        """The features along their principal axes: one decomposition, which all scores share."""
        from headstart.specs.spectrum import spectrum_of

        return spectrum_of(self.features)


@dataclass(frozen=True)
class Baseline:
    """What a score would be of answers that look at no feature: its finite `value`, and what these answers are in a few
    words, `says`, such as "always the commonest class"."""

    value: float
    says: str


@dataclass(frozen=True)
class Scored:
    """A score, higher is better: its finite `value` on all records, and what it is in each resample, `resampled`
    (resample,) float64, as far as `Observed.weights` say. Of `resampled` only the spread and what two sources have in
    common are read: it may be that of a cheaper form of the score. `interval` is the 95 % interval where the score
    knows one that is better than their spread, as of a share of hits. `baseline` is what features are to beat, where
    the score knows that; the same for all sources.
    """

    value: float
    resampled: np.ndarray
    interval: tuple[float, float] | None = None
    baseline: Baseline | None = None


class Score(Protocol):
    """Says what features are worth; equal ones give equal bits, on any machine of one kind."""

    def measure(self, observed: Observed) -> Scored:
        """The score. Never NaN: raises DataError, with the reason in a few words, for what it is not defined on, such
        as features that are all alike."""


@dataclass(frozen=True)
class ScoreRequest:
    """What a score is built from."""

    options: Any


class ScoreBuild(Protocol):
    """Build target of a ScoreSpec; it imports no framework."""

    def __call__(self, request: ScoreRequest) -> Score:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class ScoreSpec(Spec):
    """A transfer score. `build` is a ScoreBuild; `reads` are the forms of targets that it is defined on, the one that
    it likes best first: those that a task gives are in TellsTargets.

    `asks_head`: it is told from what the source's own head answers, and left out where there is none. `low` and `high`
    are what it cannot pass, where there is such a bound. `unit` says what it is, such as "accuracy". By the one that
    `decides`, sources are put in order where the user names none. `version` changes when it would give other numbers.
    """

    build: str
    reads: tuple[str, ...]
    unit: str
    asks_head: bool = False
    decides: bool = False
    low: float | None = None
    high: float | None = None
    paper: str = field(default="")
    version: int = 1
