"""Plan the phases of a recipe: what its strategy makes of it, checked before any data is read where that can be."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field
from typing import Any, get_args

from headstart.errors import HeadstartError, Problem, RecipeError, UsageError
from headstart.options import OptionInfo, describe_options
from headstart.recipe import Recipe
from headstart.recipes.file import toml_item
from headstart.recipes.lookup import Choices, awaits_augmentation
from headstart.registry import Registry
from headstart.specs import (
    HEAD,
    PRETRAINED,
    FeatureSpec,
    LowRank,
    Optimizer,
    Phase,
    RateSchedule,
    StrategyRequest,
    StrategySpec,
    TaskSpec,
    idle_stages,
)


@dataclass(frozen=True)
class PhasePlanner:
    """A strategy with its request, all but the stages: those of some backbones are known only when they are built."""

    strategy: StrategySpec
    request: StrategyRequest
    registry: Registry
    batch_norm: str
    only_mixing: tuple[str, ...] = ()
    """The augmentations, where all that were chosen do nothing but mix samples."""
    only_by_gradient: Mapping[str, str] = field(default_factory=dict)
    """Values by key of the task's options that were set and that training by gradient alone reads: `task.dropout`."""
    features: tuple[FeatureSpec, ...] = ()
    """What the head takes of the backbone."""
    weightless: tuple[str, ...] = ()
    """The backbone's stages that hold no weights, as far as its spec tells."""
    refit: bool = True
    """Whether heads that are solved for may be solved once more on train and val."""

    def plan(self, stages: tuple[str, ...], *, weightless: tuple[str, ...] | None = None) -> tuple[Phase, ...]:
        """The strategy's phases for a backbone of these stages, bottom first; `weightless` are those that hold no
        weights, where the network is built.

        Raises UsageError where the request contradicts itself, where an option has nothing to act on, or where a plan
        could not be carried out.
        """
        strategy = self.strategy
        build = self.registry.load_target(strategy, strategy.build)
        options, read = _note_reads(self.request.options)
        bare = self.weightless if weightless is None else weightless
        idle = tuple(dict.fromkeys((*idle_stages(stages, self.features), *bare)))
        request = dataclasses.replace(self.request, stages=stages, idle=idle, options=options)
        phases = tuple(build(request))
        if not phases and not request.head_fitted:
            raise UsageError(
                f"strategy {strategy.name} plans no phase for a head that is new",
                hint="tell its author, or choose another one",
            )
        for phase in phases:
            for problem in _phase_problems(phase, request):
                told = f"strategy {strategy.name}: phase {phase.name!r} {problem}"
                raise UsageError(told, hint="tell its author, or choose another strategy")
            if phase.roles and self.batch_norm == "trainable":
                raise UsageError(
                    f"--strategy {strategy.short_name} trains the {' and '.join(phase.roles)} alone, with BatchNorm "
                    "statistics that stay; received --batch-norm trainable",
                    hint="leave --batch-norm out or use re-estimated, or choose another strategy",
                )
        if self.batch_norm == "trainable" and all(set(phase.train) == {HEAD} for phase in phases):
            raise _nothing_to_act_on(
                {"batch_norm": "--batch-norm trainable"},
                "no stage of the backbone learns",
                "use --batch-norm frozen or re-estimated, or choose a strategy that trains the backbone",
            )
        if _unread(self.request.options, read):  # a recipe may set what a flag overrides: it is read without the flag
            for flag in ("epochs", "learning_rate"):
                without: dict[str, Any] = {flag: None}
                with contextlib.suppress(HeadstartError):
                    build(dataclasses.replace(request, **without))
        if unread := _unread(self.request.options, read):
            told = ", ".join(
                f"{phase.name} ({f'gradient, {phase.optimizer}' if phase.solver == 'gradient' else 'closed form'})"
                for phase in phases
            )
            raise _nothing_to_act_on(
                _spell("strategy", self.request.options, unread),
                f"whatever it is, the phases are {told}",
                "leave it out, or choose a strategy, optimizer, head or stages that it acts on",
            )
        if self.only_by_gradient and all(phase.solver == "closed_form" for phase in phases):
            does = "solves this head in closed form" if phases else "trains nothing"
            raise _nothing_to_act_on(
                self.only_by_gradient,
                f"training by gradient alone reads it, and {self.strategy.short_name} {does}",
                "leave it out, or use --strategy lp_ft",
            )
        phases = tuple(dataclasses.replace(phase, refit=phase.refit and self.refit) for phase in phases)
        return self._without_views_of_nothing(phases)

    def _without_views_of_nothing(self, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        """A head in closed form learns from no mixed label: views that only mix would be the plain one over again."""
        if not self.only_mixing:
            return phases
        if all(phase.solver == "closed_form" for phase in phases):
            raise UsageError(
                f"--augment {' '.join(self.only_mixing)} has nothing to act on: it mixes samples and labels, and "
                f"{self.strategy.short_name} solves this head in closed form, which takes whole labels",
                hint="leave it out, add one that varies samples themselves, or use --strategy lp_ft",
            )
        return tuple(
            dataclasses.replace(phase, views=0) if phase.solver == "closed_form" else phase for phase in phases
        )


def make_planner(
    recipe: Recipe,
    choices: Choices,
    options: Mapping[str, Any],
    registry: Registry,
    *,
    task: TaskSpec,
    head: str | None,
    features: Collection[str],
) -> PhasePlanner | None:
    """What plans the phases for a head that takes these `features`; None where something that they depend on was
    already found wrong."""
    strategy, backbone = choices.strategy, choices.backbone
    if strategy is None or backbone is None or head is None or options.get("strategy") is None:
        return None
    request = StrategyRequest(
        options=options["strategy"],
        stages=(),
        train=tuple(recipe.train) if recipe.train else None,
        solvable=is_solvable(task, head) and recipe.head_from is None,  # what was learned would be thrown away
        augmented=bool(choices.augmentations) or awaits_augmentation(recipe, choices),
        views=recipe.views,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        family=backbone.family,
        head_fitted=head == PRETRAINED,
    )
    mixing = tuple(spec.short_name for spec in choices.augmentations if spec.mixes)
    of_task, split = options.get("task"), options.get("split")
    changed = [] if of_task is None else _changed(of_task)
    by_gradient = [option for option in changed if option.name in task.gradient_options]
    return PhasePlanner(
        strategy,
        request,
        registry,
        recipe.batch_norm,
        only_mixing=mixing if len(mixing) == len(choices.augmentations) else (),
        only_by_gradient=_spell("task", of_task, by_gradient),
        features=tuple(each for each in backbone.features if each.name in features),
        weightless=backbone.weightless,
        refit=split is None or split.refit,
    )


def _note_reads(options: Any) -> tuple[Any, set[str]]:
    """The same `options`, of a class that notes which of them are read, and the names of those that were so far."""
    read: set[str] = set()
    kind = type(options)

    def note(self: Any, name: str) -> Any:
        read.add(name)
        return object.__getattribute__(self, name)

    noting = type(kind.__name__, (kind,), {"__getattribute__": note})
    noted = noting(**{each.name: getattr(options, each.name) for each in dataclasses.fields(options)})
    read.clear()  # of what the class checks itself
    return noted, read


def _changed(options: Any) -> list[OptionInfo]:
    """The options that differ from their defaults."""
    return [option for option in describe_options(type(options)) if getattr(options, option.name) != option.default]


def _unread(options: Any, read: Collection[str]) -> list[OptionInfo]:
    """The options that were set and are not among those `read`; free text is no mistake where it is not read."""
    unread = (option for option in _changed(options) if option.name not in read)
    return [option for option in unread if option.choices or "str" not in option.type]


def _spell(table: str, options: Any, chosen: Sequence[OptionInfo]) -> dict[str, str]:
    """The values of the `chosen` ones as on the command line, by key: `strategy.epochs` has `5`."""
    values = {f"{table}.{option.name}": getattr(options, option.name) for option in chosen}
    return {
        key: str(value) if value is None or isinstance(value, str) else toml_item(value).as_string()
        for key, value in values.items()
    }


def _nothing_to_act_on(values: Mapping[str, str], why: str, hint: str) -> RecipeError:
    """The error that names each of these `values`, by key."""
    told = {key: f"{value} has nothing to act on: {why}" for key, value in values.items()}
    return RecipeError([Problem(key, message, hint, idle=True) for key, message in told.items()])


def is_solvable(task: TaskSpec, head: str) -> bool:
    """Whether the task can fit this head, written as in `--head`, in closed form."""
    return head.partition(":")[0] in task.closed_form


def _phase_problems(phase: Phase, request: StrategyRequest) -> Iterator[str]:
    """How a phase breaks what a plan must keep to, whoever wrote the strategy; the first is what is told."""
    learning = [stage for stage in phase.train if stage != HEAD]
    known = (*request.stages, HEAD)
    if HEAD not in phase.train or any(stage not in known for stage in learning):
        yield f"trains {phase.train}; expected {HEAD!r} among stages of {known}"
    if len(set(phase.train)) != len(phase.train):
        yield f"trains {phase.train}, one of them twice"
    if phase.solver == "gradient":
        yield from _gradient_problems(phase)
    elif phase.solver == "closed_form":
        yield from _closed_form_problems(phase, solvable=request.solvable)
    else:
        yield f"has the solver {phase.solver!r}; expected gradient or closed_form"
    yield from _number_problems(phase)
    # What chooses among the weights of the backbone's stages needs stages, and one way to choose.
    chosen = {"roles": phase.roles, "an adapter": phase.adapter, "pick": phase.pick, "l2_sp": phase.l2_sp}
    chosen["contrast"] = phase.contrast
    if not learning and any(chosen.values()):
        yield f"has {' and '.join(name for name, value in chosen.items() if value)}, but trains the head alone"
    if phase.roles and phase.adapter:
        yield "has roles and an adapter; expected one of them: an adapter's kernels have no other role"
    if not 0 <= phase.pick <= len(learning):
        yield f"picks {phase.pick} of the {len(learning)} stages {', '.join(learning)}"


def _gradient_problems(phase: Phase) -> Iterator[str]:
    if lacking := [stage for stage in phase.train if stage not in phase.rates]:
        yield f"lacks a rate for {', '.join(lacking)}"
    if unread := [name for name in ("strengths", "refit") if getattr(phase, name)]:
        yield f"learns by gradient; nothing of it follows {' and '.join(unread)}"
    for name, value, known in (
        ("optimizer", phase.optimizer, get_args(Optimizer)),
        ("schedule", phase.schedule, get_args(RateSchedule)),
    ):
        if value not in known:
            yield f"has the {name} {value!r}; expected one of {', '.join(known)}"
    if phase.momentum and phase.optimizer != "sgd":
        yield f"has momentum {phase.momentum:g}, which the optimizer {phase.optimizer} does not have; expected 0 or sgd"


def _closed_form_problems(phase: Phase, *, solvable: bool) -> Iterator[str]:
    """A closed form is of a head alone that the task can solve for, and knows neither steps nor rates."""
    if not solvable:
        yield "is in closed form, and the task cannot solve for this head; StrategyRequest.solvable says so"
    if tuple(phase.train) != (HEAD,) or not phase.strengths:
        yield (
            f"is in closed form, so it needs strengths and trains the head alone; received train {phase.train}, "
            f"strengths {phase.strengths}"
        )
    unused = [name for name in ("l2_sp", "average", "wise_ft", "contrast") if getattr(phase, name)]
    plain = Phase(name=phase.name, train=phase.train, solver=phase.solver)
    unused += [
        name
        for name in ("rate_factors", "optimizer", "momentum", "schedule")
        if getattr(phase, name) != getattr(plain, name)
    ]
    if unused:
        yield f"is in closed form; nothing of it follows {' and '.join(unused)}"


def _number_problems(phase: Phase) -> Iterator[str]:
    """Each number that is outside of what it can mean."""
    adapter, setting = phase.adapter or LowRank(), phase.rate_setting
    bounds = (
        ("a rate", phase.rates.values(), all(0 < rate < math.inf for rate in phase.rates.values()), "above 0"),
        ("epochs", phase.epochs, _is_whole(phase.epochs, 1), "a whole number, at least 1"),
        ("views", phase.views, _is_whole(phase.views, 0), "a whole number, 0 or above"),
        ("patience", phase.patience, _is_whole(phase.patience, 0), "a whole number, 0 or above"),
        ("the rate setting", phase.rate_setting, setting is None or 0 < setting.value < math.inf, "of a value above 0"),
        ("strengths", phase.strengths, all(0 < each < math.inf for each in phase.strengths), "above 0"),
        ("warmup", phase.warmup, 0 <= phase.warmup < 1, "from 0 to below 1"),
        ("momentum", phase.momentum, 0 <= phase.momentum < 1, "from 0 to below 1"),
        ("average", phase.average, 0 <= phase.average < 1, "from 0 to below 1"),
        ("contrast", phase.contrast, 0 <= phase.contrast <= 1, "from 0 to 1"),
        ("clip", phase.clip, 0 <= phase.clip < math.inf, "0 or above"),
        ("l2_sp", phase.l2_sp, 0 <= phase.l2_sp < math.inf, "0 or above"),
        ("weight_decay", phase.weight_decay, 0 <= phase.weight_decay < math.inf, "0 or above"),
        ("the adapter", phase.adapter, adapter.rank >= 1 and adapter.scale > 0, "of rank 1 or more, scaled above 0"),
        ("wise_ft", phase.wise_ft, all(0 <= share <= 1 for share in phase.wise_ft), "from 0 to 1"),
        (
            "rate_factors",
            phase.rate_factors,
            bool(phase.rate_factors) and all(0 < factor < math.inf for factor in phase.rate_factors),
            "one or more, above 0",
        ),
    )
    yield from (f"has {name} {_spelt(value)}; expected {wanted}" for name, value, fits, wanted in bounds if not fits)


def _is_whole(value: object, low: int) -> bool:
    return isinstance(value, int) and value >= low


def _spelt(value: object) -> str:
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, ValuesView | tuple) else str(value)
