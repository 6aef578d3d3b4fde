"""What must fit together in a recipe. Each check raises UsageError; the caller gathers them."""

from __future__ import annotations

from pathlib import Path

from headstart.data.targets import kinds_of, why_other
from headstart.errors import UsageError
from headstart.recipe import Recipe
from headstart.registry import Registry
from headstart.specs import (
    AUTO,
    BACKENDS,
    HEAD,
    PRETRAINED,
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    EngineSpec,
    InputSpec,
    PretrainedHead,
    StrategySpec,
    TaskSpec,
    WeightsSpec,
    features_of_head,
    read_head,
)
from headstart.suggest import suggestion


def check_head(task: TaskSpec, head: str | None) -> str:
    """The head's name, the task's first one where None is asked. Numbers stand after a colon, as in `mlp:512,256`."""
    if head is None:
        return task.heads[0]
    name = head.partition(":")[0]
    known = {each.partition(":")[0]: each for each in reversed(task.heads)}  # the first of a name
    if name not in known:
        raise UsageError(f"{task.name} has no head {name!r}", hint=suggestion(name, known))
    _, numbers = read_head(head)
    if numbers and name in task.closed_form:
        raise UsageError(
            f"the head {name!r} of {task.name} is solved for as it is and takes no number; received {head!r}",
            hint=f"write --head {name}; others are {', '.join(each for each in task.heads if each != name) or 'none'}",
        )
    return head if numbers else known[name]


def head_that_begins(task: TaskSpec, weights: WeightsSpec | Path | None) -> PretrainedHead | None:
    """The head that comes with the weights and that new ones for this task begin as, where there is one."""
    head = weights.head if isinstance(weights, WeightsSpec) else None
    return head if head is not None and head.begins and head.task == task.name else None


def check_pretrained_head(task: TaskSpec, weights: WeightsSpec | Path | None, registry: Registry) -> str:
    """The name for the head that comes with the weights; they must have one, for this task."""
    head = weights.head if isinstance(weights, WeightsSpec) else None
    if not isinstance(weights, WeightsSpec) or head is None:
        raise UsageError(
            "these weights come without a head", hint=f"leave out --head {PRETRAINED}, or choose other --weights"
        )
    if registry.get("tasks", head.task).name != task.name:
        raise UsageError(
            f"the head of the weights {weights.name!r} is for {head.task}, and the task is {task.name}",
            hint=f"leave out --head {PRETRAINED} or --task",
        )
    check_head(task, head.head)
    return PRETRAINED


def check_backbone(backbone: BackboneSpec, backend: str | None) -> None:
    """The backbone must not refuse the backend."""
    if backend is not None and backend in backbone.refuses:
        others = [name for name in BACKENDS if name not in backbone.refuses]
        hint = f"use --backend {others[0]}" if others else "choose another backbone"
        raise UsageError(f"{backbone.name} does not run on {backend}: {backbone.refuses[backend]}", hint=hint)


def check_train(train: tuple[str, ...] | None, backbone: BackboneSpec, strategy: StrategySpec | None) -> None:
    """`--train` names stages of the backbone, where they are known yet, and needs a strategy that trains it."""
    if train is None:
        return
    if strategy is not None and not strategy.trains_backbone:
        raise UsageError(
            f"{strategy.name} trains the head only, so stages cannot be chosen",
            hint="leave out --train, or choose another strategy",
        )
    if backbone.stages is None:
        return
    known = (*backbone.stages, HEAD)
    unknown = [stage for stage in train if stage not in known]
    if unknown:
        stages = f"{backbone.name} has the stages {', '.join(backbone.stages)}"
        close = suggestion(unknown[0], known) if len(unknown) == 1 else None
        raise UsageError(
            f"no such stage: {', '.join(unknown)}",
            hint=f"{close} {stages}" if close and close.startswith("did") else stages,
        )


def check_augmentation(augmentation: AugmentationSpec, kind: InputSpec) -> None:
    """The input kind of the run must apply what an augmentation draws."""
    if missing := sorted(augmentation.draws - kind.changes.keys()):
        raise UsageError(
            f"{augmentation.name} draws {', '.join(missing)}, which the input kind {kind.name} does not apply",
            hint=f"leave it out of --augment; `headstart inputs {kind.short_name}` lists what it applies",
        )


def check_feature(task: TaskSpec, head: str, backbone: BackboneSpec) -> None:
    """The backbone must offer the features that the task's `head` asks for."""
    offered = [feature.name for feature in backbone.features]
    wanted = features_of_head(task, head)
    if missing := [name for name in wanted if name not in offered]:
        own = wanted != task.features
        raise UsageError(
            f"{f'the head {head!r} of ' if own else ''}{task.name} needs the feature {missing[0]!r}; {backbone.name} "
            f"offers {', '.join(offered) or 'none'}",
            hint=f"choose another backbone or {'head' if own else 'task'}",
        )


def check_targets(task: TaskSpec, dataset: DatasetSpec | None, registry: Registry) -> None:
    """What the task learns must be what the dataset has, as far as its spec says that."""
    given = () if dataset is None else kinds_of(dataset, registry)
    if dataset is None or not given:
        return
    told = why_other(given, registry.get("targets", task.targets), registry, medium=dataset.medium)
    if told is not None:
        raise UsageError(told[0], hint=told[1])


def check_engine(recipe: Recipe, registry: Registry) -> EngineSpec | None:
    """The engine that was named, None for `auto`: installed, and able to compute in the precision that was named."""
    if recipe.engine == AUTO:
        return None
    spec: EngineSpec = registry.get("engines", recipe.engine)
    if missing := spec.missing:
        hint = f'pip install "headstart[{spec.extra}]"' if spec.extra else f"pip install {' '.join(missing)}"
        raise UsageError(f"the engine {spec.name} needs {', '.join(missing)}, which is not installed", hint=hint)
    if recipe.precision not in (*spec.precisions, AUTO):
        raise UsageError(
            f"{spec.name} does not compute in {recipe.precision}", hint=f"it knows {', '.join(spec.precisions)}"
        )
    return spec
