"""Transfer scores: nine ways to say what a source's features are worth for a task, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import ScoreSpec

CLASSES, NUMBERS = "classes", "numbers"


@dataclass(frozen=True)
class NeighbourOptions:
    """What a user can choose about nearest neighbours."""

    neighbours: int = option(5, "How many of the nearest answer.", low=1, high=1000)


@dataclass(frozen=True)
class ProbeOptions:
    """What a user can choose about the linear probe."""

    folds: int = option(10, "Parts of the records that are left out in turn.", low=2, high=1000)


@dataclass(frozen=True)
class CodingOptions:
    """What a user can choose about coding rates."""

    distortion: float = option(1e-4, "How far from itself a coded feature may be, squared.", low=1e-12, high=1e6)


@dataclass(frozen=True)
class MixtureOptions:
    """What a user can choose about N-LEEP's mixture."""

    components: int = option(5, "Gaussians for each class.", low=1, high=100)
    energy: float = option(0.8, "Share of the variance that the principal axes keep.", low=0.01, high=1.0)


@hookimpl
def register_scores() -> Iterable[ScoreSpec]:
    """Offer the nine scores."""
    here = "headstart_plugins.scores"
    return (
        ScoreSpec(
            name="scores/probe",
            summary="What a linear head on frozen features answers about records that it was not fitted on.",
            options=ProbeOptions,
            build=f"{here}._probe:Probe",
            reads=(CLASSES, NUMBERS),
            unit="accuracy, or R squared",
            version=3,
            high=1.0,
            decides=True,
            paper="Allen 1974, Technometrics 16; Kornblith et al. 2019, arXiv:1805.08974",
        ),
        ScoreSpec(
            name="scores/knn",
            summary="What the nearest neighbours of each record answer about it.",
            options=NeighbourOptions,
            build=f"{here}._neighbours:Neighbours",
            reads=(CLASSES, NUMBERS),
            unit="accuracy, or R squared",
            version=3,
            high=1.0,
            paper="Cover & Hart 1967, IEEE Trans. Information Theory 13",
        ),
        ScoreSpec(
            name="scores/logme",
            summary="Log of the maximum evidence of a linear model for the targets, a record.",
            build=f"{here}._logme:LogME",
            reads=(CLASSES, NUMBERS),
            unit="nats a record",
            paper="You et al. 2021, arXiv:2102.11005; its fixed point: arXiv:2110.10545",
        ),
        ScoreSpec(
            name="scores/h_score",
            summary="How far class means lie apart, in units of a shrunk covariance of the features.",
            build=f"{here}._h_score:HScore",
            reads=(CLASSES,),
            unit="trace",
            low=0.0,
            paper="Bao et al. 2019, ICIP; shrunk: Ibrahim et al. 2021, arXiv:2110.06893",
        ),
        ScoreSpec(
            name="scores/transrate",
            summary="How many more nats all features need than those of each class alone.",
            options=CodingOptions,
            build=f"{here}._transrate:TransRate",
            reads=(CLASSES,),
            unit="nats",
            paper="Huang et al. 2022, arXiv:2106.09362",
        ),
        ScoreSpec(
            name="scores/gbc",
            summary="How much the Gaussians of each two classes overlap, counted against the source.",
            build=f"{here}._gbc:Bhattacharyya",
            reads=(CLASSES,),
            unit="overlap, negative",
            high=0.0,
            paper="Pandy et al. 2022, arXiv:2111.12780",
        ),
        ScoreSpec(
            name="scores/n_leep",
            summary="LEEP with a mixture of Gaussians on the features in place of the source's head.",
            options=MixtureOptions,
            build=f"{here}._leep:MixtureLEEP",
            reads=(CLASSES,),
            unit="nats a record",
            high=0.0,
            paper="Li et al. 2021, arXiv:2011.11200",
        ),
        ScoreSpec(
            name="scores/leep",
            summary="Log of what the source's own head lets one expect of the targets.",
            build=f"{here}._leep:LEEP",
            reads=(CLASSES,),
            unit="nats a record",
            asks_head=True,
            high=0.0,
            paper="Nguyen et al. 2020, arXiv:2002.12462",
        ),
        ScoreSpec(
            name="scores/nce",
            summary="What the source's own answer leaves open of the target, negative.",
            build=f"{here}._leep:ConditionalEntropy",
            reads=(CLASSES,),
            unit="nats a record",
            asks_head=True,
            high=0.0,
            paper="Tran et al. 2019, arXiv:1908.08142",
        ),
    )
