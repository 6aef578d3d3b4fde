"""Default peak rates, for AdamW with a warm-up and a cosine.

Whole kernels: convolutional backbones peak about 3e-4 without a decay by depth, transformers about 1e-4 with a decay of
0.75 a stage (Bao et al. 2021, arXiv:2106.08254, for the decay). Few numbers bear more, and want it: a norm or a bias
does little a step, and a low-rank update starts at 0. Those of convolutional backbones were chosen on val of a few
hundred digits; that of low-rank updates lies between what digits (3e-3) and stamps (1e-3) want. Those of transformers
are the usual ones and were not measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["everything", "norms", "biases", "low_rank"]
"""What learns in the backbone."""


@dataclass(frozen=True)
class Rate:
    """The `peak` of the topmost stage, and the factor by which the rate falls from each stage to the one below."""

    peak: float
    layer_decay: float = 1.0


RATES: Mapping[tuple[str, Kind], Rate] = {
    ("cnn", "everything"): Rate(3e-4),
    ("cnn", "norms"): Rate(1e-2),
    ("cnn", "biases"): Rate(1e-2),
    ("cnn", "low_rank"): Rate(2e-3),
    ("transformer", "everything"): Rate(1e-4, 0.75),
    ("transformer", "norms"): Rate(1e-3),
    ("transformer", "biases"): Rate(1e-3),
    ("transformer", "low_rank"): Rate(1e-3),
}


def stage_rates(stages: tuple[str, ...], learning: tuple[str, ...], rate: Rate) -> dict[str, float]:
    """The peak rate of each of the backbone's `stages`, bottom first, that is `learning`.

    How deep a stage lies counts from the topmost one of the backbone, whatever else learns.
    """
    depths = {stage: depth for depth, stage in enumerate(reversed(stages))}
    return {stage: rate.peak * rate.layer_decay ** depths[stage] for stage in learning}
