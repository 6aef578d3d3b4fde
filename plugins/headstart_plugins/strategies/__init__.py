"""The built-in strategies: `probe`, `lp_ft` and `full`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import StrategySpec


@dataclass(frozen=True)
class ProbeOptions:
    """How a head is trained on frozen features."""

    weakest: float = option(1e-5, "Weakest regularisation tried in closed form.", low=1e-9, high=1e3)
    strongest: float = option(10.0, "Strongest regularisation tried in closed form.", low=1e-9, high=1e3)
    strengths: int = option(7, "How many strengths are tried, evenly spaced on a log scale.", low=1, high=50)
    epochs: int = option(20, "Epochs of any other head, unless --epochs is given.", low=1, high=1000)
    head_rate: float = option(
        1e-3,
        "Peak rate of any other head, unless --learning-rate is given.",
        low=1e-8,
        high=1.0,
    )
    weight_decay: float = option(0.01, "Decoupled weight decay of any other head.", low=0.0, high=1.0)
    patience: int = option(
        5,
        "Epochs without a better validation metric before it stops; 0 runs them all.",
        low=0,
        high=1000,
    )


@dataclass(frozen=True)
class FullOptions:
    """How the backbone is trained together with its head."""

    backbone_rate: float = option(
        3e-4,
        "Peak rate of the backbone's trained stages, unless --learning-rate is given.",
        low=1e-8,
        high=1.0,
    )
    head_factor: float = option(3.0, "The head's rate as a multiple of the backbone's.", low=1e-3, high=1e3)
    epochs: int = option(5, "Epochs of fine-tuning, unless --epochs is given.", low=1, high=1000)
    warmup: float = option(0.1, "Share of all steps in which rates rise to their peak.", low=0.0, high=0.9)
    weight_decay: float = option(0.01, "Decoupled weight decay.", low=0.0, high=1.0)
    patience: int = option(
        0,
        "Epochs without a better validation metric before it stops; 0 runs them all.",
        low=0,
        high=1000,
    )


@dataclass(frozen=True)
class LpFtOptions(FullOptions):
    """How the head is solved first, and how everything is trained from there."""

    weakest: float = option(1e-4, "Weakest regularisation tried for the first head.", low=1e-9, high=1e3)
    strongest: float = option(1.0, "Strongest regularisation tried for the first head.", low=1e-9, high=1e3)
    strengths: int = option(5, "How many strengths are tried for the first head.", low=1, high=50)
    probe_epochs: int = option(10, "Epochs of a first head that has no closed form.", low=1, high=1000)
    head_rate: float = option(1e-3, "Peak rate of a first head that has no closed form.", low=1e-8, high=1.0)


@hookimpl
def register_strategies() -> Iterable[StrategySpec]:
    """Offer the three plans."""
    return [
        StrategySpec(
            name="strategies/probe",
            summary="Train the head alone on frozen, cached features; in closed form where the task can.",
            options=ProbeOptions,
            build="headstart_plugins.strategies._build:probe",
            trains_backbone=False,
        ),
        StrategySpec(
            name="strategies/lp_ft",
            summary="Solve the head on frozen features first, then fine-tune backbone and head from there.",
            options=LpFtOptions,
            build="headstart_plugins.strategies._build:lp_ft",
            default=True,
        ),
        StrategySpec(
            name="strategies/full",
            summary="Train backbone and head together from a random head.",
            options=FullOptions,
            build="headstart_plugins.strategies._build:full",
        ),
    ]
