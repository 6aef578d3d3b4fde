"""The phases that plans are put together from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from headstart.errors import UsageError
from headstart.specs import HEAD, Phase, StrategyRequest
from headstart_plugins.strategies._asked import kept_views, views_below
from headstart_plugins.strategies._options import FullOptions, LpFtOptions, ProbeOptions

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


def strength_path(options: ProbeOptions | LpFtOptions) -> tuple[float, ...]:
    """`strengths` values from `weakest` to `strongest`, evenly spaced on a log scale, rising.

    Raises UsageError where `weakest` is above `strongest`.
    """
    low, high, count = options.weakest, options.strongest, options.strengths
    if low > high:
        raise UsageError(
            f"weakest regularisation {low} is above strongest {high}", hint="swap `weakest` and `strongest`"
        )
    if count == 1 or low == high:
        return (low,)
    ratio = (high / low) ** (1 / (count - 1))
    return tuple(float(f"{low * ratio**step:.6g}") for step in range(count))


def solved_head(strengths: tuple[float, ...], *, views: int = 0, refit: bool = False) -> Phase:
    """The head in closed form on frozen features."""
    return Phase(
        name="probe",
        train=(HEAD,),
        solver="closed_form",
        strengths=strengths,
        views=views,
        refit=refit,
    )


def first_head(request: StrategyRequest, options: LpFtOptions) -> Phase:
    """A head on frozen features to fine-tune from: solved for where the task can, else trained by gradient."""
    views = kept_views(request, 0)
    if request.solvable:
        return solved_head(strength_path(options), views=views)
    return Phase(
        name="probe",
        train=(HEAD,),
        solver="gradient",
        epochs=options.probe_epochs,
        rates={HEAD: options.head_rate},
        weight_decay=options.weight_decay,
        warmup=options.warmup,
        clip=options.clip,
        views=max(views, 1) if request.augmented else 0,
    )


def fine_tuning(name: str, request: StrategyRequest, stages: tuple[str, ...], kind: Kind = "everything") -> Phase:
    """These `stages` of the backbone and the head by gradient, at the rates that suit its family and what learns."""
    options: FullOptions = request.options
    rate = _rate(request, options, kind)
    return Phase(
        name=name,
        train=(*stages, HEAD),
        solver="gradient",
        epochs=request.epochs or options.epochs,
        rates={**stage_rates(request.stages, stages, rate), HEAD: rate.peak * (options.head_factor if stages else 1.0)},
        warmup=options.warmup,
        clip=options.clip,
        weight_decay=options.weight_decay,
        average=options.average,
        patience=options.patience,
        views=views_below(request, stages),
    )


def _rate(request: StrategyRequest, options: FullOptions, kind: Kind) -> Rate:
    """The rate that the user named, or the family's. Raises UsageError for a family without one."""
    suited = RATES.get((request.family, kind), Rate(0.0))
    peak = request.learning_rate or options.backbone_rate or suited.peak
    if not peak:
        raise UsageError(
            f"no rate is known to suit backbones of the family {request.family!r}",
            hint="give --learning-rate; `headstart lr` finds one",
        )
    return Rate(peak, suited.layer_decay if options.layer_decay is None else options.layer_decay)
