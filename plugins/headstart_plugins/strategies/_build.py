"""Build targets of the strategies: phases as plain data, no framework.

Each raises UsageError for a stage that the backbone does not have, and for a flag or option with nothing to act on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from headstart.errors import UsageError
from headstart.specs import HEAD, LowRank, Phase, StrategyRequest
from headstart_plugins.strategies import _asked as asked
from headstart_plugins.strategies._asked import kept_views, views_below
from headstart_plugins.strategies._options import (
    FullOptions,
    GradualOptions,
    L2SpOptions,
    LastKOptions,
    LoraOptions,
    LpFtOptions,
    ProbeOptions,
    SoupOptions,
    SurgicalOptions,
    WiseFtOptions,
)

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
            hint="give --learning-rate; `headstart lr` with that rate suggests a better one",
        )
    return Rate(peak, suited.layer_decay if options.layer_decay is None else options.layer_decay)


VIEWS = 4
"""Augmented views that a probe keeps beside the plain one, unless --views is given."""
NAME = "fine_tune"
Phases = tuple[Phase, ...]


def probe(request: StrategyRequest) -> Phases:
    """The head alone on frozen features. Raises UsageError where backbone stages are to be trained."""
    options: ProbeOptions = request.options
    asked.refuse_train(request, "probe trains no backbone stage", "use --strategy lp_ft")
    views = asked.kept_views(request, VIEWS)
    if request.solvable:
        asked.refuse_gradient_values(request)
        return (solved_head(strength_path(options), views=views, refit=True),)
    return (
        Phase(
            name="probe",
            train=(HEAD,),
            solver="gradient",
            epochs=request.epochs or options.epochs,
            rates={HEAD: request.learning_rate or options.head_rate},
            weight_decay=options.weight_decay,
            clip=options.clip,
            views=views,
            patience=options.patience,
        ),
    )


def lp_ft(request: StrategyRequest) -> Phases:
    """A head on frozen features, then backbone and head together (Kumar et al. 2022, arXiv:2202.10054)."""
    return _from_a_head(request, fine_tuning(NAME, request, asked.learning_stages(request)))


def full(request: StrategyRequest) -> Phases:
    """Backbone and head together from a random head."""
    stages = asked.learning_stages(request)
    if asked.kept_views(request, 0) and request.stages[0] in stages:
        raise UsageError(
            f"--views {request.views} has nothing to act on: every stage learns, so nothing of a view could be kept",
            hint="leave --views out, or name the stages that learn with --train",
        )
    return (fine_tuning("full", request, stages),)


def gradual(request: StrategyRequest) -> Phases:
    """A head first, then more of the backbone in each step, from the top (Howard & Ruder 2018, arXiv:1801.06146)."""
    options: GradualOptions = request.options
    unfrozen = _steps(asked.some_stages(request, "gradual"), options.steps)
    steps = (fine_tuning(f"unfreeze_{number}", request, stages) for number, stages in enumerate(unfrozen, start=1))
    return _from_a_head(request, *steps)


def discriminative(request: StrategyRequest) -> Phases:
    """As lp_ft, rates falling with depth (Howard & Ruder 2018, arXiv:1801.06146, section 3.2)."""
    return _from_a_head(request, fine_tuning(NAME, request, asked.some_stages(request, "discriminative")))


def norm_only(request: StrategyRequest) -> Phases:
    """Scales and shifts of norms (Frankle et al. 2020, arXiv:2003.00152), their statistics fixed, and the head."""
    stages = asked.some_stages(request, "norm_only")
    return _from_a_head(request, replace(fine_tuning(NAME, request, stages, "norms"), roles=("gamma", "beta")))


def bitfit(request: StrategyRequest) -> Phases:
    """Biases (Ben Zaken et al. 2021, arXiv:2106.10199), the shifts of norms among them, and the head."""
    stages = asked.some_stages(request, "bitfit")
    return _from_a_head(request, replace(fine_tuning(NAME, request, stages, "biases"), roles=("bias", "beta")))


def lora(request: StrategyRequest) -> Phases:
    """Low-rank updates of kernels (Hu et al. 2021, arXiv:2106.09685), and the head."""
    options: LoraOptions = request.options
    phase = fine_tuning(NAME, request, asked.some_stages(request, "lora"), "low_rank")
    return _from_a_head(request, replace(phase, adapter=LowRank(options.rank, options.scale)))


def last_k(request: StrategyRequest) -> Phases:
    """The topmost stages, and the head. Raises UsageError where stages are named, or where there are not so many."""
    options: LastKOptions = request.options
    asked.refuse_train(request, "last_k trains the topmost stages", "use --strategy lp_ft")
    return _from_a_head(request, fine_tuning(NAME, request, asked.topmost(request, options.k, "k")))


def surgical(request: StrategyRequest) -> Phases:
    """The stages where the loss pulls the hardest, or those named (Lee et al. 2022, arXiv:2210.11466), and the head."""
    options: SurgicalOptions = request.options
    phase = fine_tuning(NAME, request, asked.some_stages(request, "surgical"))
    if request.train is None:
        asked.topmost(request, options.stages, "stages")
        phase = replace(phase, pick=options.stages)
    return _from_a_head(request, phase)


def l2_sp(request: StrategyRequest) -> Phases:
    """As lp_ft, the backbone pulled back to where it began (Li et al. 2018, arXiv:1802.01483)."""
    options: L2SpOptions = request.options
    phase = fine_tuning(NAME, request, asked.some_stages(request, "l2_sp"))
    return _from_a_head(request, replace(phase, l2_sp=options.pull))


def soup(request: StrategyRequest) -> Phases:
    """As lp_ft, at several rates, and a greedy soup of what they gave (Wortsman et al. 2022, arXiv:2203.05482)."""
    options: SoupOptions = request.options
    factors = tuple(sorted(set(options.rate_factors)))
    if len(factors) < 2:
        raise UsageError(
            f"strategy.rate_factors is {list(options.rate_factors)}; a soup is made of two trainings or more",
            hint="name several, such as --set 'strategy.rate_factors=[0.3, 1.0, 3.0]', or use --strategy lp_ft",
        )
    phase = fine_tuning(NAME, request, asked.learning_stages(request))
    return _from_a_head(request, replace(phase, rate_factors=factors))


def wise_ft(request: StrategyRequest) -> Phases:
    """As lp_ft, then a mixture with the weights before it (Wortsman et al. 2021, arXiv:2109.01903)."""
    options: WiseFtOptions = request.options
    shares = tuple(sorted(set(options.shares)))
    if not any(0 < share < 1 for share in shares):
        raise UsageError(
            f"strategy.shares is {list(options.shares)}; beside 0 and 1, which are tried anyway, val chooses among "
            "some in between",
            hint="name some, such as --set 'strategy.shares=[0.25, 0.5, 0.75]', or use --strategy lp_ft",
        )
    return _from_a_head(
        request, replace(fine_tuning(NAME, request, asked.some_stages(request, "wise_ft")), wise_ft=shares)
    )


def _from_a_head(request: StrategyRequest, *phases: Phase) -> Phases:
    """A head on frozen features first: a random one would spoil the features before it fits."""
    return (first_head(request, request.options), *phases)


def _steps(stages: tuple[str, ...], count: int) -> list[tuple[str, ...]]:
    """What learns in each of at most `count` steps: ever more of the topmost stages, those near the head in smaller
    groups."""
    count = min(count, len(stages))
    learning = (len(stages) * step // count for step in range(1, count + 1))
    return [stages[len(stages) - number :] for number in learning]
