"""Build targets of the strategies: phases as plain data, no framework."""

from __future__ import annotations

from headstart.errors import UsageError
from headstart.specs import HEAD, Phase, StrategyRequest
from headstart.suggest import near_misses
from headstart_plugins.strategies import FullOptions, LpFtOptions, ProbeOptions

VIEWS = 4
"""Augmented views that a probe keeps beside the plain one, unless --views is given."""


def probe(request: StrategyRequest) -> tuple[Phase, ...]:
    """The head alone on frozen features. Raises UsageError where backbone stages are to be trained."""
    options: ProbeOptions = request.options
    if request.train is not None:
        raise UsageError(
            f"the strategy probe trains no backbone stage; received --train {','.join(request.train)}",
            hint="leave --train out, or use --strategy lp_ft",
        )
    views = _views(request, VIEWS)
    if request.solvable:
        _refuse_gradient_values(request)
        return (_closed_form(strength_path(options), views=views, refit=True),)
    return (
        Phase(
            name="probe",
            train=(HEAD,),
            solver="gradient",
            epochs=request.epochs or options.epochs,
            rates={HEAD: request.learning_rate or options.head_rate},
            weight_decay=options.weight_decay,
            views=views,
            patience=options.patience,
        ),
    )


def lp_ft(request: StrategyRequest) -> tuple[Phase, ...]:
    """A head on frozen features, then backbone and head together (Kumar et al. 2022, arXiv:2202.10054).

    Raises UsageError for a stage that the backbone does not have.
    """
    options: LpFtOptions = request.options
    views = _views(request, 0)
    if request.solvable:
        first = _closed_form(strength_path(options), views=views)
    else:
        first = Phase(
            name="probe",
            train=(HEAD,),
            solver="gradient",
            epochs=options.probe_epochs,
            rates={HEAD: options.head_rate},
            weight_decay=options.weight_decay,
            views=max(views, 1) if request.augmented else 0,
        )
    return (first, _fine_tune("fine_tune", request, options))


def full(request: StrategyRequest) -> tuple[Phase, ...]:
    """Backbone and head together from a random head. Raises UsageError for an unknown stage."""
    options: FullOptions = request.options
    if _views(request, 0) and not _keeps_a_prefix(request):
        raise UsageError(
            f"--views {request.views} has nothing to act on: every stage learns, so nothing of a view could be kept",
            hint="leave --views out, or name the stages that learn with --train",
        )
    return (_fine_tune("full", request, options),)


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


def _closed_form(strengths: tuple[float, ...], *, views: int = 0, refit: bool = False) -> Phase:
    return Phase(
        name="probe",
        train=(HEAD,),
        solver="closed_form",
        strengths=strengths,
        views=views,
        refit=refit,
    )


def _fine_tune(name: str, request: StrategyRequest, options: FullOptions) -> Phase:
    stages = _stages_to_train(request)
    backbone = request.learning_rate or options.backbone_rate
    return Phase(
        name=name,
        train=(*stages, HEAD),
        solver="gradient",
        epochs=request.epochs or options.epochs,
        rates={**dict.fromkeys(stages, backbone), HEAD: backbone * options.head_factor},
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        patience=options.patience,
        views=_views(request, 0) if _keeps_a_prefix(request) else 0,
    )


def _views(request: StrategyRequest, own: int) -> int:
    """How many augmented views are kept: what was asked for, else `own`; none where samples do not vary.

    Raises UsageError where views were asked for and samples do not vary.
    """
    if not request.augmented:
        if request.views is not None:
            raise UsageError(
                f"--views {request.views} has nothing to act on: training samples do not vary",
                hint="add --augment NAME, or leave --views out",
            )
        return 0
    return own if request.views is None else request.views


def _keeps_a_prefix(request: StrategyRequest) -> bool:
    """Whether the lowest stage stays frozen."""
    return request.train is not None and request.stages[0] not in request.train


def _stages_to_train(request: StrategyRequest) -> tuple[str, ...]:
    """The chosen stages in the backbone's order; all of them where none was chosen."""
    if request.train is None:
        return request.stages
    chosen = [stage for stage in request.train if stage != HEAD]
    for stage in chosen:
        if stage not in request.stages:
            near = [f"did you mean {name}?" for name in near_misses(stage, request.stages)[:1]]
            stages = f"stages, bottom first: {', '.join(request.stages)}"
            raise UsageError(
                f"--train names the stage {stage!r}, which this backbone does not have",
                hint=" ".join([*near, stages]),
            )
    return tuple(stage for stage in request.stages if stage in chosen)


def _refuse_gradient_values(request: StrategyRequest) -> None:
    for flag, value in (("--epochs", request.epochs), ("--learning-rate", request.learning_rate)):
        if value is not None:
            raise UsageError(
                f"{flag} {value} has nothing to act on: probe solves this head in closed form",
                hint=f"leave {flag} out, or use --head mlp or --strategy lp_ft",
            )
