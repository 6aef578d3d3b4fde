"""Build targets of the strategies: phases as plain data, no framework.

Each raises UsageError for a stage that the backbone does not have, and for a flag or option with nothing to act on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from headstart.errors import UsageError
from headstart.specs import HEAD, NORM, LowRank, Phase, RateSetting, StrategyRequest
from headstart_plugins.strategies import _asked as asked
from headstart_plugins.strategies._options import (
    ContrastiveOptions,
    FullOptions,
    GradientOptions,
    GradualOptions,
    L2SpOptions,
    LastKOptions,
    LoraOptions,
    LpFtOptions,
    ProbeOptions,
    ScratchOptions,
    SoupOptions,
    SurgicalOptions,
    WiseFtOptions,
)

Kind = Literal["everything", "norms", "biases", "low_rank", "scratch"]
"""What learns in the backbone; "scratch" is everything, from random weights."""
RATES: Mapping[tuple[str, Kind], tuple[float, float]] = {
    ("cnn", "everything"): (3e-4, 1.0),
    ("cnn", "norms"): (1e-2, 1.0),
    ("cnn", "biases"): (1e-2, 1.0),
    ("cnn", "low_rank"): (2e-3, 1.0),
    ("cnn", "scratch"): (1e-3, 1.0),
    ("transformer", "everything"): (1e-4, 0.75),
    ("transformer", "norms"): (1e-3, 1.0),
    ("transformer", "biases"): (1e-3, 1.0),
    ("transformer", "low_rank"): (1e-3, 1.0),
    ("transformer", "scratch"): (5e-4, 1.0),
    ("recurrent", "everything"): (3e-4, 1.0),
    ("recurrent", "norms"): (1e-3, 1.0),
    ("recurrent", "biases"): (1e-3, 1.0),
    ("recurrent", "low_rank"): (1e-3, 1.0),
    ("recurrent", "scratch"): (1e-3, 1.0),
}
"""By family: the peak of the topmost stage, and the factor by which rates fall from each stage to the one below."""
SGD_RATE = 1e-2
"""The peak of stages and heads alike without momentum: Keras' own default. With momentum an update goes on in later
ones, to 1 / (1 - momentum) of its length, and the peak is so much smaller."""
HEAD_RATE = 1e-3
ADAMW_DECAY, SCRATCH_DECAY = 0.01, 0.05
"""Weight decay of AdamW where none is named; from random weights more."""
VIEWS = 4
"""Augmented views that a probe keeps beside the plain one, unless --views is given."""
LEARNING_RATE = "--learning-rate"
Phases = tuple[Phase, ...]


def as_is(request: StrategyRequest) -> Phases:
    """No phase. Raises UsageError for a head that does not come trained."""
    if not request.head_fitted:
        raise UsageError(
            "as_is trains nothing, and a new head knows nothing",
            hint="take the one that comes with the weights: --head pretrained; or use --strategy probe",
        )
    asked.refuse_train(request, "as_is trains nothing", "leave it out, or use --strategy lp_ft")
    for flag, value in (
        ("--epochs", request.epochs),
        ("--learning-rate", request.learning_rate),
        ("--views", request.views),
        ("--augment", request.augmented or None),
    ):
        if value is not None:
            raise UsageError(f"{flag} has nothing to act on: as_is trains nothing", hint="leave it out")
    return ()


def strength_path(options: ProbeOptions | LpFtOptions) -> tuple[float, ...]:
    """`strengths` values from `weakest` to `strongest`, evenly spaced on a log scale, rising.

    Raises UsageError where `weakest` is above `strongest`.
    """
    low, high = options.weakest, options.strongest
    if low > high:
        raise UsageError(
            f"weakest regularisation {low} is above strongest {high}", hint="swap `weakest` and `strongest`"
        )
    if low == high or options.strengths == 1:
        return (low,)
    ratio = (high / low) ** (1 / (options.strengths - 1))
    return tuple(float(f"{low * ratio**step:.6g}") for step in range(options.strengths))


def by_gradient(
    options: GradientOptions, name: str, *, rates: Mapping[str, float], setting: RateSetting, epochs: int
) -> Phase:
    """A phase of the stages that have a rate, by the optimizer and the schedule that `options` choose.

    What is called weight decay in AdamW is part of its default; the others have it where the user asks for it, as in
    Keras.
    """
    default_decay = ADAMW_DECAY if options.optimizer == "adamw" else 0.0
    return Phase(
        name=name,
        train=tuple(rates),
        solver="gradient",
        epochs=epochs,
        optimizer=options.optimizer,
        momentum=options.momentum if options.optimizer == "sgd" else 0.0,
        rates=rates,
        rate_setting=setting,
        warmup=options.warmup,
        schedule=options.schedule,
        clip=options.clip,
        weight_decay=default_decay if options.weight_decay is None else options.weight_decay,
    )


def suited_rate(options: GradientOptions, adapted: float) -> float:
    """The peak that suits the chosen optimizer, `adapted` where that adapts rates to gradients as Adam does."""
    return float(f"{SGD_RATE * (1 - options.momentum):.6g}") if options.optimizer == "sgd" else adapted


def head_rate(options: ProbeOptions | LpFtOptions) -> float:
    """The peak of a head that is trained by itself, where no flag names it."""
    return options.head_rate or suited_rate(options, HEAD_RATE)


def fine_tuning(
    request: StrategyRequest, stages: tuple[str, ...], kind: Kind = "everything", name: str = "fine_tune"
) -> Phase:
    """These `stages` of the backbone and the head by gradient, at the rates that suit its family and what learns.

    How deep a stage lies counts from the topmost one of the backbone, whatever else learns. Raises UsageError for a
    family that no rate is known for, where the user named none.
    """
    options: FullOptions = request.options
    suited_peak, suited_decay = RATES.get((request.family, kind), (0.0, 1.0))
    peak = request.learning_rate or options.backbone_rate or (suited_peak and suited_rate(options, suited_peak))
    if not peak:
        raise UsageError(
            f"no rate is known to suit backbones of the family {request.family!r}",
            hint="give --learning-rate; `headstart lr` with that rate suggests a better one",
        )
    rates = dict.fromkeys(stages, peak)
    if rates.keys() - {request.stages[-1]}:  # a decay acts below the topmost stage alone
        decay = suited_decay if options.layer_decay is None else options.layer_decay
        depths = {stage: depth for depth, stage in enumerate(reversed(request.stages))}
        rates = {stage: peak * decay ** depths[stage] for stage in stages}
    phase = by_gradient(
        options,
        name,
        rates={**rates, HEAD: peak * (options.head_factor if stages else 1.0)},
        setting=RateSetting(LEARNING_RATE, peak),
        epochs=request.epochs or options.epochs,
    )
    return replace(
        phase,
        average=options.average,
        patience=options.patience,
        views=0 if request.stages[0] in stages else asked.kept_views(request, 0),  # nothing lies below the lowest
    )


def probe(request: StrategyRequest) -> Phases:
    """The head alone on frozen features.

    Raises UsageError where backbone stages are to be trained, and where epochs or a rate were given and the head is
    solved for.
    """
    options: ProbeOptions = request.options
    asked.refuse_train(request, "probe trains no backbone stage", "use --strategy lp_ft")
    views = asked.kept_views(request, VIEWS)
    if request.solvable:
        for flag, value in (("--epochs", request.epochs), ("--learning-rate", request.learning_rate)):
            if value is not None:
                raise UsageError(
                    f"{flag} {value} has nothing to act on: probe solves this head in closed form",
                    hint=f"leave {flag} out, or use --head mlp or --strategy lp_ft",
                )
        return (
            Phase(
                name="probe",
                train=(HEAD,),
                solver="closed_form",
                strengths=strength_path(options),
                views=views,
                refit=True,
            ),
        )
    rate = request.learning_rate or head_rate(options)
    setting, epochs = RateSetting(LEARNING_RATE, rate), request.epochs or options.epochs
    phase = by_gradient(options, "probe", rates={HEAD: rate}, setting=setting, epochs=epochs)
    return (replace(phase, views=views, patience=options.patience),)


def lp_ft(request: StrategyRequest) -> Phases:
    """A head on frozen features, then backbone and head together (Kumar et al. 2022, arXiv:2202.10054)."""
    return _from_a_head(request, fine_tuning(request, asked.learning_stages(request)))


def full(request: StrategyRequest) -> Phases:
    """Backbone and head together from a random head."""
    return _with_views_that_act(request, fine_tuning(request, asked.learning_stages(request), name="full"))


def scratch(request: StrategyRequest) -> Phases:
    """Everything from random weights, together. Raises UsageError where stages are named, and for views, which nothing
    keeps: what does not learn stays random."""
    asked.refuse_train(request, "scratch trains every stage", "use --strategy full")
    if asked.kept_views(request, 0):
        raise UsageError(
            f"--views {request.views} has nothing to act on: every stage learns, so nothing of a view could be kept",
            hint="leave --views out",
        )
    options: ScratchOptions = request.options
    phase = fine_tuning(request, request.stages, "scratch", name="scratch")
    if options.weight_decay is None and options.optimizer == "adamw":
        phase = replace(phase, weight_decay=SCRATCH_DECAY)
    return (phase,)


def gradual(request: StrategyRequest) -> Phases:
    """A head first, then more of the backbone in each step, from the top (Howard & Ruder 2018, arXiv:1801.06146)."""
    options: GradualOptions = request.options
    named = asked.some_stages(request, "gradual")
    stages = asked.without_idle(request, named) or named  # idle ones alone are refused where the network is known
    count = min(options.steps, len(stages))
    learning = (len(stages) * step // count for step in range(1, count + 1))  # those near the head in smaller groups
    steps = (
        fine_tuning(request, stages[len(stages) - number :], name=f"unfreeze_{step}")
        for step, number in enumerate(learning, start=1)
    )
    return _from_a_head(request, *steps)


def discriminative(request: StrategyRequest) -> Phases:
    """As lp_ft, rates falling with depth (Howard & Ruder 2018, arXiv:1801.06146, section 3.2)."""
    return _from_a_head(request, fine_tuning(request, asked.some_stages(request, "discriminative")))


def norm_only(request: StrategyRequest) -> Phases:
    """Scales and shifts of norms (Frankle et al. 2020, arXiv:2003.00152), their statistics fixed, and the head."""
    stages = asked.some_stages(request, "norm_only")
    return _from_a_head(request, replace(fine_tuning(request, stages, "norms"), roles=(NORM,)))


def bitfit(request: StrategyRequest) -> Phases:
    """Biases (Ben Zaken et al. 2021, arXiv:2106.10199), the shifts of norms among them, and the head."""
    stages = asked.some_stages(request, "bitfit")
    return _from_a_head(request, replace(fine_tuning(request, stages, "biases"), roles=("bias", "beta")))


def lora(request: StrategyRequest) -> Phases:
    """Low-rank updates of kernels (Hu et al. 2021, arXiv:2106.09685), and the head; where that has such updates too, it
    comes trained and is not fitted first."""
    options: LoraOptions = request.options
    phase = fine_tuning(request, asked.some_stages(request, "lora"), "low_rank")
    phase = replace(phase, adapter=LowRank(options.rank, options.scale, options.head))
    return _with_views_that_act(request, phase) if options.head else _from_a_head(request, phase)


def last_k(request: StrategyRequest) -> Phases:
    """The topmost stages, and the head. Raises UsageError where stages are named, or where there are not so many."""
    options: LastKOptions = request.options
    asked.refuse_train(request, "last_k trains the topmost stages", "use --strategy lp_ft")
    return _from_a_head(request, fine_tuning(request, asked.topmost(request, options.k, "k")))


def surgical(request: StrategyRequest) -> Phases:
    """The stages where the loss pulls the hardest, or those named (Lee et al. 2022, arXiv:2210.11466), and the head."""
    options: SurgicalOptions = request.options
    phase = fine_tuning(request, asked.some_stages(request, "surgical"))
    if request.train is None:
        asked.topmost(request, options.stages, "stages")
        phase = replace(phase, pick=options.stages)
    return _from_a_head(request, phase)


def l2_sp(request: StrategyRequest) -> Phases:
    """As lp_ft, the backbone pulled back to where it began (Li et al. 2018, arXiv:1802.01483)."""
    options: L2SpOptions = request.options
    phase = fine_tuning(request, asked.some_stages(request, "l2_sp"))
    return _from_a_head(request, replace(phase, l2_sp=options.pull))


def contrastive(request: StrategyRequest) -> Phases:
    """The backbone by pairs of samples, then a head for what became of it (Tunstall et al. 2022, arXiv:2209.11055).

    Raises UsageError for a head that comes trained: it fits other features.
    """
    options: ContrastiveOptions = request.options
    if request.head_fitted:
        raise UsageError(
            "contrastive fits a new head to features that it changes; a trained one has no part in it",
            hint="use --strategy lp_ft, or another --head",
        )
    if options.patience:
        raise UsageError(
            f"strategy.patience={options.patience} has nothing to act on: contrastive keeps its last epoch, since no "
            "head fits its features before",
            hint="leave it out, or give --epochs",
        )
    tuned = fine_tuning(request, asked.some_stages(request, "contrastive"), name="contrast")
    head = _head_alone(request)
    return (replace(tuned, contrast=options.contrast), replace(head, name="head", refit=head.solver == "closed_form"))


def soup(request: StrategyRequest) -> Phases:
    """As lp_ft, at several rates, and a greedy soup of what they gave (Wortsman et al. 2022, arXiv:2203.05482)."""
    options: SoupOptions = request.options
    factors = tuple(sorted(set(options.rate_factors)))
    if len(factors) < 2:
        raise UsageError(
            f"strategy.rate_factors is {list(options.rate_factors)}; a soup is made of two trainings or more",
            hint="name several, such as --set 'strategy.rate_factors=[0.3, 1.0, 3.0]', or use --strategy lp_ft",
        )
    phase = fine_tuning(request, asked.learning_stages(request))
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
    return _from_a_head(request, replace(fine_tuning(request, asked.some_stages(request, "wise_ft")), wise_ft=shares))


def _with_views_that_act(request: StrategyRequest, *phases: Phase) -> Phases:
    """These phases. Raises UsageError where views were asked for and none of them keeps any."""
    if asked.kept_views(request, 0) and not any(phase.views for phase in phases):
        raise UsageError(
            f"--views {request.views} has nothing to act on: every stage learns, so nothing of a view could be kept",
            hint="leave --views out, or name the stages that learn with --train",
        )
    return phases


def _from_a_head(request: StrategyRequest, *phases: Phase) -> Phases:
    """A head on frozen features first, solved for where the task can, else trained by gradient: a random one would
    spoil the features before it fits. One that comes trained needs none of it."""
    if request.head_fitted:
        return _with_views_that_act(request, *phases)
    return (_head_alone(request), *phases)


def _head_alone(request: StrategyRequest) -> Phase:
    """The head on features as they are: solved for where the task can, else trained by gradient."""
    options: LpFtOptions = request.options
    views = asked.kept_views(request, 0)
    if request.solvable:
        return Phase(name="probe", train=(HEAD,), solver="closed_form", strengths=strength_path(options), views=views)
    rate = head_rate(options)
    setting = RateSetting("strategy.head_rate", rate)
    phase = by_gradient(options, "probe", rates={HEAD: rate}, setting=setting, epochs=options.probe_epochs)
    return replace(phase, views=max(views, 1) if request.augmented else 0)
