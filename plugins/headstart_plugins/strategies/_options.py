"""Options of the strategies: each adds to, or presets, what the plan that it builds on has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headstart.options import option


@dataclass(frozen=True)
class GradientOptions:
    """How weights that learn by gradient follow it."""

    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = option(
        "adamw", "What follows the gradient, as Keras' own optimizers of these names do."
    )
    momentum: float = option(0.0, "Momentum of sgd, without Nesterov's; 0: none.", low=0.0, high=0.999)
    schedule: Literal["cosine", "constant"] = option(
        "cosine", "How rates go from their peak: down to zero as a cosine, or constant."
    )
    warmup: float = option(
        0.1, "Share of all steps in which rates rise to their peak, whatever the schedule; 0: none.", low=0.0, high=0.9
    )
    weight_decay: float | None = option(
        None,
        "Decoupled weight decay, of any optimizer; biases, norms and others of one axis have none; none: 0.01 for "
        "adamw, 0 for others.",
        low=0.0,
        high=1.0,
    )
    clip: float = option(1.0, "Largest norm of all gradients together; 0: any.", low=0.0, high=1e6)


@dataclass(frozen=True)
class ProbeOptions(GradientOptions):
    """How a head is trained on frozen features."""

    weakest: float = option(1e-5, "Weakest regularisation tried in closed form.", low=1e-9, high=1e3)
    strongest: float = option(10.0, "Strongest regularisation tried in closed form.", low=1e-9, high=1e3)
    strengths: int = option(7, "How many strengths are tried, evenly spaced on a log scale.", low=1, high=50)
    epochs: int = option(20, "Epochs of any other head, unless --epochs is given.", low=1, high=1000)
    head_rate: float | None = option(
        None,
        "Peak rate of any other head, unless --learning-rate is given; none: 0.001, for sgd 0.01 (1 - momentum).",
        low=1e-8,
        high=1.0,
    )
    patience: int = option(
        5,
        "Epochs without a better validation metric before it stops; 0 runs them all.",
        low=0,
        high=1000,
    )


@dataclass(frozen=True)
class FullOptions(GradientOptions):
    """How the backbone is trained together with its head."""

    backbone_rate: float | None = option(
        None,
        "Peak rate of the backbone's topmost stage, unless --learning-rate is given; none: what suits the "
        "backbone, for sgd 0.01 (1 - momentum).",
        low=1e-8,
        high=1.0,
    )
    head_factor: float = option(3.0, "The head's rate as a multiple of the backbone's.", low=1e-3, high=1e3)
    layer_decay: float | None = option(
        None,
        "Rates fall by this factor from each stage to the one below; none: what suits the backbone.",
        low=0.01,
        high=1.0,
    )
    epochs: int = option(10, "Epochs of fine-tuning, unless --epochs is given.", low=1, high=1000)
    average: float = option(
        0.0, "Decay of a moving average of the weights, which is then what is kept; 0: none.", low=0.0, high=0.99999
    )
    patience: int = option(
        0,
        "Epochs without a better validation metric before it stops; 0 runs them all.",
        low=0,
        high=1000,
    )


@dataclass(frozen=True)
class ScratchOptions(FullOptions):
    """How everything is trained from random weights: one rate for all of it, for longer, held more firmly."""

    head_factor: float = option(1.0, "The head's rate as a multiple of the backbone's.", low=1e-3, high=1e3)
    epochs: int = option(30, "Epochs, unless --epochs is given.", low=1, high=1000)
    weight_decay: float | None = option(
        None,
        "Decoupled weight decay, of any optimizer; biases, norms and others of one axis have none; none: 0.05 for "
        "adamw, 0 for others.",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class LpFtOptions(FullOptions):
    """How the head is solved first, and how everything is trained from there: the head no faster than the rest."""

    head_factor: float = option(1.0, "The head's rate as a multiple of the backbone's.", low=1e-3, high=1e3)
    weakest: float = option(1e-4, "Weakest regularisation tried for the first head.", low=1e-9, high=1e3)
    strongest: float = option(1.0, "Strongest regularisation tried for the first head.", low=1e-9, high=1e3)
    strengths: int = option(5, "How many strengths are tried for the first head.", low=1, high=50)
    probe_epochs: int = option(10, "Epochs of a first head that has no closed form.", low=1, high=1000)
    head_rate: float | None = option(
        None,
        "Peak rate of a first head that has no closed form; none: 0.001, for sgd 0.01 (1 - momentum).",
        low=1e-8,
        high=1.0,
    )


@dataclass(frozen=True)
class GradualOptions(LpFtOptions):
    """How many steps the backbone is unfrozen in."""

    steps: int = option(4, "Phases after the first head; several stages start to learn in each.", low=1, high=100)
    epochs: int = option(3, "Epochs of each step, unless --epochs is given.", low=1, high=1000)


@dataclass(frozen=True)
class DiscriminativeOptions(LpFtOptions):
    """How fast rates fall with depth."""

    layer_decay: float | None = option(
        0.75,
        "Rates fall by this factor from each stage to the one below; none: what suits the backbone.",
        low=0.01,
        high=1.0,
    )


@dataclass(frozen=True)
class FewOptions(LpFtOptions):
    """How few of the backbone's numbers are trained: fast, and the head, which is solved already, slowly."""

    head_factor: float = option(0.3, "The head's rate as a multiple of the backbone's.", low=1e-3, high=1e3)


@dataclass(frozen=True)
class LoraOptions(FewOptions):
    """How large the updates of kernels may be."""

    rank: int = option(8, "Rank of each kernel's update.", low=1, high=512)
    scale: float = option(2.0, "What updates are multiplied by: alpha / rank in the paper.", low=1e-3, high=1e3)
    head: bool = option(
        False, "Kernels of the head have such updates too: for one that comes trained, such as a run's decoder."
    )


@dataclass(frozen=True)
class LastKOptions(LpFtOptions):
    """How much of the backbone learns."""

    k: int = option(1, "How many of the topmost stages learn.", low=1, high=1000)


@dataclass(frozen=True)
class SurgicalOptions(LpFtOptions):
    """How much of the backbone learns."""

    stages: int = option(1, "How many stages are picked, where --train names none.", low=1, high=1000)


@dataclass(frozen=True)
class L2SpOptions(LpFtOptions):
    """How firmly the backbone is held where it began."""

    pull: float = option(
        10.0,
        "Share of the way back to its start, times the rate, that an update moves a weight; in place of weight decay.",
        low=0.0,
        high=1e3,
    )


@dataclass(frozen=True)
class SoupOptions(LpFtOptions):
    """Which rates are tried."""

    rate_factors: tuple[float, ...] = option(
        (0.3, 1.0, 3.0), "All rates times each of these, one training for each.", low=1e-3, high=1e3
    )


@dataclass(frozen=True)
class ContrastiveOptions(LpFtOptions):
    """How much is learned from pairs, at one rate for all stages; it runs all its epochs, the last of which is kept."""

    contrast: float = option(
        1.0, "Share of the loss that is of pairs of samples; the rest is the task's own.", low=0.01, high=1.0
    )
    layer_decay: float | None = option(
        1.0,
        "Rates fall by this factor from each stage to the one below; none: what suits the backbone.",
        low=0.01,
        high=1.0,
    )


@dataclass(frozen=True)
class WiseFtOptions(LpFtOptions):
    """Which mixtures of the weights before and after are tried."""

    shares: tuple[float, ...] = option(
        (0.0, 0.25, 0.5, 0.75, 1.0),
        "Shares of what was learned that are tried on val, beside 0 and 1.",
        low=0.0,
        high=1.0,
    )
