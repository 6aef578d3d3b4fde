"""What a request asks for: the stages that learn and the views that are kept, and what has nothing to act on."""

from __future__ import annotations

from headstart.errors import UsageError
from headstart.specs import HEAD, StrategyRequest
from headstart.suggest import near_misses


def learning_stages(request: StrategyRequest) -> tuple[str, ...]:
    """The chosen stages in the backbone's order; all of them where none was chosen.

    Raises UsageError for a stage that the backbone does not have.
    """
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


def some_stages(request: StrategyRequest, strategy: str) -> tuple[str, ...]:
    """As `learning_stages`. Raises UsageError too where that is none: `strategy` is about the backbone."""
    stages = learning_stages(request)
    if not stages:
        raise UsageError(
            f"the strategy {strategy} trains the backbone; received --train {','.join(request.train or ())}",
            hint="name stages with --train, or use --strategy probe",
        )
    return stages


def topmost(request: StrategyRequest, count: int, option: str) -> tuple[str, ...]:
    """The `count` topmost stages in which something can learn. Raises UsageError where there are fewer, naming the
    `option`."""
    stages = without_idle(request, request.stages)
    if count > len(stages):
        told = " with weights that the head depends on" if request.idle else ""
        raise UsageError(
            f"strategy.{option} is {count}; this backbone has {len(stages)} stages{told}",
            hint=f"use --set strategy.{option}={len(stages)} or less, or --strategy lp_ft for all of them",
        )
    return stages[-count:]


def without_idle(request: StrategyRequest, stages: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `stages` in which something can learn."""
    return tuple(stage for stage in stages if stage not in request.idle)


def kept_views(request: StrategyRequest, own: int) -> int:
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


def refuse_train(request: StrategyRequest, strategy: str, instead: str) -> None:
    """Raises UsageError where stages are named to a `strategy` that chooses them itself; the hint is `instead`."""
    if request.train is not None:
        raise UsageError(
            f"the strategy {strategy}; received --train {','.join(request.train)}",
            hint=f"leave --train out, or {instead}",
        )
