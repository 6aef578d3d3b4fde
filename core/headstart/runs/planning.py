"""Everything a run needs before its first update: data read and split, network grafted.

`fit` carries a plan out; `fit --dry-run` only shows it. Called after the backend was chosen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backend import BackendChoice, activate, available_threads
from headstart.errors import DataError, UsageError
from headstart.options import describe_options
from headstart.runs.settling import settle_task
from headstart.specs import (
    HEAD,
    PRETRAINED,
    AugmentationRequest,
    DatasetRequest,
    FitsTargets,
    InputKind,
    InputRequest,
    Phase,
    Records,
    Task,
    TaskRequest,
    WeightsSpec,
)

OnProgress = Callable[[str, int, int], None]
"""Hears (activity, done, total)."""

if TYPE_CHECKING:
    from headstart.data.prepared import PreparedData
    from headstart.data.views import View
    from headstart.engine.network.network import Network
    from headstart.recipes.resolve import ResolvedRecipe
    from headstart.registry import Registry

READERS = ("headstart", "pillow", "numpy")
"""Packages whose releases may read the same file otherwise."""
PARAMETERS_PER_SAMPLE = 100
"""Learned numbers per training sample of a head above which a warning is due (guards.md 18)."""


@dataclass(frozen=True)
class Plan:
    """A run, ready to start."""

    resolved: ResolvedRecipe
    registry: Registry
    backend: str
    records: Records
    data: PreparedData
    kind: InputKind
    task: Task
    network: Network
    phases: tuple[Phase, ...]
    view: View | None
    warnings: tuple[str, ...]

    def targets(self, split: str) -> Any:
        """Encoded targets (rows, ...) of a split."""
        rows = self.data.indices(split)
        return self.task.encode([self.data.targets[i] for i in rows], [self.data.keys[i] for i in rows])

    def samples(self) -> dict[str, int]:
        """Rows by split."""
        return {split: len(self.data.indices(split)) for split in ("train", "val", "test")}


def preprocess_of(resolved: ResolvedRecipe) -> Mapping[str, Any]:
    """The preprocessing that goes with the chosen weights."""
    if isinstance(resolved.weights, WeightsSpec):
        return resolved.weights.preprocess
    return resolved.backbone.preprocess


def build_kind(resolved: ResolvedRecipe, registry: Registry) -> InputKind:
    """The input kind, with the weights' preprocessing and the user's options."""
    request = InputRequest(preprocess_of(resolved), resolved.options["input"])
    kind: InputKind = registry.load_target(resolved.input, resolved.input.build)(request)
    return kind


def open_records(resolved: ResolvedRecipe, registry: Registry) -> Records:
    """The dataset's records."""
    request = DatasetRequest(resolved.reference, resolved.options["dataset"])
    records: Records = registry.load_target(resolved.dataset, resolved.dataset.build)(request)
    return records


def make_plan(
    resolved: ResolvedRecipe,
    registry: Registry,
    *,
    choice: BackendChoice,
    scratch: Path,
    told: OnProgress,
    counted: Callable[[int], None] = lambda count: None,
) -> Plan:
    """Read the data, build the network. `told` hears (activity, done, total), `counted` how many records there are.

    Keras is imported only when the data turned out to be good, so that everything wrong with it is told at once.
    Raises UsageError, too, where a phase has nothing of the backbone to act on.
    """
    check_weights_present(resolved, registry)
    kind = build_kind(resolved, registry)
    records = open_records(resolved, registry)
    counted(len(records.items))
    resolved = settle_task(resolved, registry, records)
    said: list[str] = []
    data = _prepare(resolved, records, kind, scratch, told, said.append)
    task = _build_task(resolved, registry, data)
    recipe = resolved.recipe  # the threads are those that the run will pin
    activate(choice, recipe.threads or available_threads(), deterministic=recipe.deterministic)
    network = _build_network(resolved, registry, kind, task)
    phases = resolved.phases or resolved.planner.plan(tuple(stage.name for stage in network.backbone))
    _verify_phases(network, phases, recipe.batch_norm)
    _verify_training_precision(recipe.training_precision)
    _verify_statistics(network, phases, recipe.batch_norm)
    return Plan(
        resolved=resolved,
        registry=registry,
        backend=choice.name,
        records=records,
        data=data,
        kind=kind,
        task=task,
        network=network,
        phases=phases,
        view=build_view(resolved, registry, records, kind),
        warnings=(*resolved.warnings, *said, *left_out(resolved, records), *_warnings(resolved, network, data)),
    )


def build_view(resolved: ResolvedRecipe, registry: Registry, records: Records, kind: InputKind) -> View | None:
    """How training samples vary, or None. Raises UsageError where they would be mixed and the input kind cannot."""
    from headstart.data.views import Composed, View, check_mixing

    if not resolved.augmentations:
        return None
    built = [
        registry.load_target(spec, spec.build)(
            AugmentationRequest(resolved.options_of("augmentation", spec), records.symmetries)
        )
        for spec in resolved.augmentations
    ]
    mixes = check_mixing(resolved.augmentations, kind, resolved.input.name)
    return View(kind, Composed(tuple(built)), resolved.recipe.seed, mixes)


def check_weights_present(resolved: ResolvedRecipe, registry: Registry) -> None:
    """Raise MissingWeightsError now rather than after the data was read."""
    from headstart.weights.source import locate

    if isinstance(resolved.weights, WeightsSpec):
        locate(resolved.backbone, resolved.weights, registry)


def _prepare(
    resolved: ResolvedRecipe,
    records: Records,
    kind: InputKind,
    scratch: Path,
    told: OnProgress,
    warn: Callable[[str], None],
) -> PreparedData:
    from headstart.cache import open_cache
    from headstart.data.prepared import PrepareOptions, prepare
    from headstart.data.sample_store import SampleStore

    recipe = resolved.recipe
    store = SampleStore(open_cache(warn), _read_by(resolved), scratch, warn)
    options = PrepareOptions(
        limit=recipe.limit,
        split_seed=recipe.split_seed,
        scratch=scratch,
        store=store,
        form=resolved.task.targets,
    )
    return prepare(records, kind, options, on_progress=lambda done, total: told("read", done, total))


def _read_by(resolved: ResolvedRecipe) -> dict[str, Any]:
    """What turns a record into tensors, as plain values."""
    from headstart.environment import versions

    installed = versions()
    return {
        "input": resolved.input.name,
        "version": resolved.input.version,
        "options": dataclasses.asdict(resolved.options["input"]),
        "preprocess": dict(preprocess_of(resolved)),
        "packages": {name: installed[name] for name in READERS},
    }


def _build_task(resolved: ResolvedRecipe, registry: Registry, data: PreparedData) -> Task:
    """The task, bound to its labels and to what it reads off the training split."""
    head = resolved.pretrained_head
    options = resolved.options["task"]
    request = TaskRequest(options, labels=head.labels) if head else TaskRequest(options, targets=data.targets)
    task: Task = registry.load_target(resolved.task, resolved.task.build)(request)
    if head is not None:
        try:
            task.encode(data.targets, data.keys)
        except DataError as exc:
            message = f"the pretrained head does not know these targets: {exc.message}"
            raise DataError(message, hint=f"leave out --head {PRETRAINED}, and a new head is trained") from exc
    mixing = [spec.name for spec in resolved.augmentations if spec.mixes]
    if mixing and not hasattr(task, "mix"):
        raise UsageError(
            f"{resolved.task.name} cannot mix targets, as {', '.join(mixing)} would need",
            hint="leave that augmentation out, or choose another task",
        )
    if not isinstance(task, FitsTargets):
        return task
    rows = data.indices("train")
    return task.fitted(task.encode([data.targets[row] for row in rows], [data.keys[row] for row in rows]))


def _build_network(resolved: ResolvedRecipe, registry: Registry, kind: InputKind, task: Task) -> Network:
    from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft

    inputs = backbone_inputs(kind)
    stages = build_backbone(resolved.backbone, registry, options=resolved.options["backbone"], inputs=inputs)
    offered = resolved.backbone.features
    return graft(kind, stages, offered, task=task, head=resolved.built_head, seed=resolved.recipe.seed)


def _verify_phases(network: Network, phases: Sequence[Phase], batch_norm: str) -> None:
    from headstart.engine.learning import expected_counts

    for phase in phases:
        expected_counts(network, phase, batch_norm=batch_norm)


def _verify_training_precision(precision: str) -> None:
    """Raise EngineRefusal now rather than after weights were loaded."""
    from headstart.engine.precision import FLOAT32
    from headstart.engine.training import training_precision

    training_precision(precision, FLOAT32)


def _verify_statistics(network: Network, phases: Sequence[Phase], batch_norm: str) -> None:
    """Raise UsageError where a policy for BatchNorm's statistics finds none that it could change."""
    from headstart.engine.network.frozen import is_statistic
    from headstart.engine.network.stages import name_variables

    trained = {stage for phase in phases for stage in phase.train}
    asked = [stage for stage in network.backbone if batch_norm != "trainable" or stage.name in trained]
    if batch_norm != "frozen" and not any(map(is_statistic, name_variables(asked))):
        where = "the stages that learn have" if batch_norm == "trainable" else "the backbone has"
        raise UsageError(
            f"--batch-norm {batch_norm} has nothing to act on: {where} no BatchNorm layer", hint="leave it out"
        )


def left_out(resolved: ResolvedRecipe, records: Records) -> list[str]:
    """What the augmentations do not draw, since the dataset does not allow it, and how it may where it can."""
    can_say = {each.name for each in describe_options(resolved.dataset.options)}
    found = []
    for spec in resolved.augmentations:
        if lacking := sorted(spec.uses - records.symmetries):
            settings = " ".join(f"--set dataset.{name}=true" for name in lacking if name in can_say)
            found.append(
                f"augmentation {spec.short_name!r} leaves out {', '.join(lacking)}: {resolved.dataset.short_name} does "
                "not say that it keeps the labels true" + (f"; where it does, add {settings}" if settings else "")
            )
    return found


def _warnings(resolved: ResolvedRecipe, network: Network, data: PreparedData) -> tuple[str, ...]:
    from headstart.engine.network.frozen import count_trainable
    from headstart.recipes.phases import is_solvable

    found = [finding.message for finding in data.findings if finding.level == "warning"]
    rows = len(data.indices("train"))
    head = count_trainable(network, (HEAD,))[HEAD]
    is_wide = not is_solvable(resolved.task, resolved.head)  # solved ones are regularised
    if is_wide and head > PARAMETERS_PER_SAMPLE * rows:
        found.append(
            f"the head has {head:,} numbers to learn from {rows:,} samples; --head {resolved.task.heads[0]} is safer"
        )
    return tuple(found)
