"""Everything a run needs before its first update: data read, checked and split, network grafted.

`fit` carries a plan out; `fit --dry-run` only shows it. Called after the backend was chosen.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.backend import activate
from headstart.cache import open_cache
from headstart.data.array_store import ArrayStore, encode_targets
from headstart.data.checks import raise_errors
from headstart.data.facts import Picked
from headstart.data.made import made_folder
from headstart.data.prepared import PreparedData, PrepareOptions, examine
from headstart.data.reading import OnProgress
from headstart.data.targets import build_target_kind, other_kind
from headstart.data.views import Composed, View, check_changes, check_mixing
from headstart.engine.network.blueprint import BackboneUse, Blueprint, assets_of, digests_of
from headstart.errors import DataError, HeadstartError, UsageError
from headstart.host.discovery import installed_release
from headstart.lineage import Lineage, lineage_of, with_head_of
from headstart.options import describe_options
from headstart.recipe import DEFAULT, PRETRAIN
from headstart.recipes.phases import is_solvable
from headstart.recipes.resolve import BoundRecipe, Ready, ResolvedRecipe, bind
from headstart.registry import Registry
from headstart.runs.continuing import changed_since
from headstart.runs.fitted_ahead import fit_and_prepare, fitted_to, is_unfitted, readable, training_split
from headstart.runs.folder import trained_by
from headstart.runs.leaks import met_before
from headstart.spans import span
from headstart.specs import (
    HEAD,
    PRETRAINED,
    AugmentationRequest,
    ComparesTargets,
    DatasetRequest,
    Finding,
    FitsTargets,
    InputKind,
    JoinsTargets,
    LocalFile,
    MixesTargets,
    Phase,
    ReadsForms,
    Records,
    TakesLabelIds,
    TakesOverHead,
    TargetKind,
    Task,
    TaskRequest,
    TellsOfTargets,
    WeightsSpec,
    features_of_head,
)
from headstart.specs.base import Batch
from headstart.threads import available_threads, spinning_findings
from headstart.weights.source import locate, locate_assets

if TYPE_CHECKING:
    from headstart.engine.network.network import Network

PARAMETERS_PER_SAMPLE = 100
"""Learned numbers per training sample of a head above which a warning is due (guards.md 18)."""
LEVELS = ("error", "warning", "note")
"""Of findings, the gravest first."""
FITTED = "fitted"
"""Below a run's scratch folder, the files of what is fitted to its training split."""


@dataclass(frozen=True)
class Plan:
    """A run, ready to start."""

    resolved: BoundRecipe
    registry: Registry
    backend: str
    records: Records
    data: PreparedData
    backbone: Blueprint
    kind: InputKind
    target_kind: TargetKind
    task: Task
    network: Network
    phases: tuple[Phase, ...]
    view: View | None
    scratch: Path
    findings: tuple[Finding, ...]
    """Warnings and notes: what the run tells once it has started."""

    @property
    def weights_name(self) -> str:
        """How the recipe names the weights that were taken."""
        return str(self.resolved.recipe.weights)

    @cached_property
    def lineage(self) -> Lineage:
        """How the weights that it starts from came to be, those of a head that goes on among them. Reads a file of the
        user's own for its digest."""
        begun = lineage_of(self.resolved.weights, self.resolved.backbone)
        head = self.resolved.head_source
        return begun if head is None else with_head_of(begun, head)

    def blueprint(self) -> Blueprint:
        """What the network is built from again."""
        resolved = self.resolved
        return dataclasses.replace(
            self.backbone,
            task=resolved.task,
            task_options=resolved.options["task"],
            head=resolved.built_head,
            labels=self.task.labels(),
            features=(),
            input_assets=assets_of(self.kind),
            task_assets=assets_of(self.task),
        )

    def forms(self) -> tuple[str, ...]:
        """Those of the records' payloads, see ReadsForms; () where the input kind tells none apart."""
        if not isinstance(self.kind, ReadsForms):
            return ()
        return tuple(sorted({self.kind.form(record.payload) for record in self.records.items}))

    def assets(self) -> dict[str, dict[str, str]]:
        """The SHA-256 (hex) of each file that the input kind and the task are built from, by name."""
        return {"input": digests_of(assets_of(self.kind)), "task": digests_of(assets_of(self.task))}

    def targets(self, split: str) -> Batch:
        """Encoded targets (rows, ...) of a split, by name; large ones lie in files of the run's scratch folder."""
        return encoded(self.task, self.target_kind, self.data, self.data.indices(split), self.scratch)

    def targets_once(self, split: str) -> Batch:
        """The same with each record of a split once, however many rows it gives."""
        return encoded(self.task, self.target_kind, self.data, self.data.firsts(split), self.scratch)


def encoded(task: Task, kind: TargetKind, data: PreparedData, rows: np.ndarray, scratch: Path) -> Batch:
    """Encoded targets of `rows` (row,) int64 of the data, by name."""
    return encode_targets(
        task.encode,
        task.targets,
        values=data.read_values(kind, rows),
        facts=Picked(data.facts.__getitem__, rows),
        keys=[data.row_keys[row] for row in rows],
        store=ArrayStore(scratch=scratch),
    )


def backbone_blueprint(resolved: BoundRecipe, registry: Registry) -> Blueprint:
    """The backbone and the input kind, with the preprocessing and the files of the weights and the user's options."""
    use = BackboneUse(
        resolved.backbone,
        resolved.weights,
        resolved.options["backbone"],
        input=resolved.input,
        input_options=resolved.options["input"],
    )
    return use.blueprint(registry)


@span("opening data")
def open_records(resolved: ResolvedRecipe, registry: Registry) -> Records:
    """The dataset's records."""
    kinds = [(kind.name, kind.columns) for kind in registry.specs("targets")]
    columns = {column: (name, holds) for name, each in kinds for column, holds in each.items()}
    dataset, reference = resolved.dataset, resolved.reference
    made = made_folder(dataset, reference)
    request = DatasetRequest(reference, resolved.options["dataset"], target_columns=columns, made=made)
    records: Records = registry.load_target(dataset, dataset.build)(request)
    return records


def check_data(
    resolved: ResolvedRecipe, registry: Registry, *, on_progress: OnProgress | None = None
) -> tuple[Finding, ...]:
    """Everything that is to be said of a recipe's data before a run, errors first: of the records, their targets,
    contents and the split. Builds no network and imports no framework.

    Data that cannot be opened, or whose targets nothing recognises, is an error among them. Raises UsageError for what
    the user can set right without looking at the data.
    """
    warnings: list[str] = []
    try:
        records = open_records(resolved, registry)
        bound = bind(resolved, registry, records)
    except DataError as error:
        return (Finding("error", error.message, 1, error.hint),)
    backbone = backbone_blueprint(bound, registry)
    kind = backbone.kind(registry)
    if other := other_kind(records, registry.get("targets", bound.task.targets), registry):
        return (other,)
    with tempfile.TemporaryDirectory() as scratch:
        options = prepare_options(bound, backbone, kind, Path(scratch), warnings.append)
        targets = build_target_kind(registry, bound.task.targets)
        found = examine(records, readable(kind), targets, options, on_progress=on_progress)
    said = [Finding("warning", message) for message in (*bound.warnings, *warnings)]
    return _gravest_first([*said, *found])


def _gravest_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


@dataclass(frozen=True)
class Groundwork:
    """What a run knows before its network is built: the data read, checked and split, and the task bound to it. No
    framework was imported for it."""

    resolved: BoundRecipe
    records: Records
    data: PreparedData
    backbone: Blueprint
    kind: InputKind
    target_kind: TargetKind
    task: Task
    warnings: tuple[str, ...]
    told: tuple[Finding, ...]
    """What the task tells of the targets."""


def make_plan(
    ready: Ready,
    scratch: Path,
    *,
    on_progress: OnProgress | None = None,
    counted: Callable[[BoundRecipe, int], None] = lambda bound, count: None,
) -> Plan:
    """Read the data, build the network, plan the phases. `on_progress` hears how many samples are read, of how
    many, `counted` the recipe as it is bound to its records, and how many those are.

    Keras is imported only when the data turned out to be good, so that everything wrong with it is told at once.
    Raises UsageError, too, where a phase has nothing of the backbone to act on.
    """
    return plan_on(lay_ground(ready, scratch, on_progress=on_progress, counted=counted), ready, scratch)


def lay_ground(
    ready: Ready,
    scratch: Path,
    *,
    on_progress: OnProgress | None = None,
    counted: Callable[[BoundRecipe, int], None] = lambda bound, count: None,
) -> Groundwork:
    """Read, check and split the data of a recipe, and bind its task, see `make_plan`."""
    registry = ready.registry
    check_weights_present(ready.resolved, registry)
    records = open_records(ready.resolved, registry)
    bound = bind(ready.resolved, registry, records)
    check_weights_present(bound, registry)
    counted(bound, len(records.items))
    backbone = backbone_blueprint(bound, registry)
    kind = backbone.kind(registry)
    if other := other_kind(records, registry.get("targets", bound.task.targets), registry):
        raise_errors([other])
    targets = build_target_kind(registry, bound.task.targets)
    said: list[str] = []
    options = prepare_options(bound, backbone, kind, scratch, said.append)
    kind, data = fit_and_prepare(
        records,
        kind,
        targets,
        options,
        seed=bound.recipe.seed,
        folder=scratch / FITTED / "input",
        on_progress=on_progress,
    )
    task, told = _build_task(bound, registry, records, data, (kind, targets), scratch)
    warnings = (*bound.warnings, *said)
    return Groundwork(bound, records, data, backbone, kind, targets, task, warnings, tuple(told))


def plan_on(ground: Groundwork, ready: Ready, scratch: Path) -> Plan:
    """Build the network for data that is read, on the backend of `ready`, and plan the phases, see `make_plan`."""
    registry, bound, records, data = ready.registry, ground.resolved, ground.records, ground.data
    kind, targets, task, told = ground.kind, ground.target_kind, ground.task, ground.told
    recipe = bound.recipe  # the threads are those that the run will pin
    activate(ready.choice, recipe.threads or available_threads(), deterministic=recipe.deterministic)
    from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft
    from headstart.engine.network.network import choose_features
    from headstart.engine.precision import FLOAT32
    from headstart.engine.train.context import training_precision
    from headstart.engine.train.trainable import select_trainable
    from headstart.runs.carried_head import take_over_head

    inputs = backbone_inputs(kind)
    stages = build_backbone(bound.backbone, registry, options=bound.options["backbone"], inputs=inputs)
    features = choose_features(bound.backbone.features, features_of_head(bound.task, bound.built_head))
    network = graft(kind, stages, features, task=task, head=bound.built_head, seed=bound.recipe.seed)
    since = changed_since(bound, data.split)
    carried = [] if bound.head_source is None else [take_over_head(bound.head_source, task, network)]
    if bound.begun_head is not None and isinstance(bound.weights, WeightsSpec) and isinstance(task, TakesOverHead):
        carried.append(
            Finding("note", f"the head begins as the one that comes with the weights {bound.weights.name!r}")
        )
    phases = bound.phases or bound.planner.plan(
        tuple(stage.name for stage in network.backbone),
        weightless=tuple(stage.name for stage in network.backbone if not stage.model.weights),
    )
    for phase in phases:
        select_trainable(network, phase, seed=recipe.seed, batch_norm=recipe.batch_norm)  # raises as a run would
    training_precision(recipe.training_precision, FLOAT32)  # raises now rather than after weights were loaded
    if any(phase.contrast for phase in phases) and not isinstance(task, ComparesTargets):
        raise UsageError(
            f"{bound.task.name} does not say how alike two targets are, which {bound.strategy.name} learns from",
            hint="use --strategy lp_ft",
        )
    bound = _with_statistics(bound, network, phases)
    view = build_view(bound, registry, records, kind)
    if view is not None and targets.moves:
        view = dataclasses.replace(view, targets=targets.transform)
    warnings = [*ground.warnings, *left_out(bound, records)]
    warnings += _wide_head(bound, network, len(data.indices("train")))
    warnings += dict.fromkeys(_leaked(bound, data))  # weights and head may have a run in common
    told = (*told, *_computed_again(network, phases, data, view))
    spinning = spinning_findings(recipe.threads or available_threads()) if ready.choice.name == "torch" else []
    return Plan(
        resolved=bound,
        registry=registry,
        backend=ready.choice.name,
        records=records,
        data=data,
        backbone=ground.backbone,
        kind=kind,
        target_kind=targets,
        task=task,
        network=network,
        phases=phases,
        view=view,
        scratch=scratch,
        findings=_gravest_first(
            [*(Finding("warning", message) for message in warnings), *carried, *since, *data.findings, *told, *spinning]
        ),
    )


def _wide_head(bound: BoundRecipe, network: Network, rows: int) -> list[str]:
    """That a new head learns too many numbers for `rows` samples, where most of them are, and what is safer: the task's
    first head, where that can be solved for, which is regularised."""
    from headstart.engine.network.stages import trainable_variables

    if bound.pretrained_head is not None or bound.head_source is not None:
        return []

    shapes = [tuple(variable.shape) for variable in trainable_variables(network, (HEAD,)).values()]
    count = sum(map(math.prod, shapes))
    first = bound.task.heads[0]
    if not is_solvable(bound.task, first) or bound.built_head == first:
        return []
    if is_solvable(bound.task, bound.head) or count <= PARAMETERS_PER_SAMPLE * rows:
        return []
    widest = max(shapes, key=math.prod)
    features = ", ".join(features_of_head(bound.task, first))
    return [
        f"the head {bound.head} has {count:,} numbers to learn from {rows:,} samples, {math.prod(widest):,} of them in "
        f"weights of {' x '.join(f'{size:,}' for size in widest)}; --head {first}, on {features}, is safer"
    ]


def _computed_again(
    network: Network, phases: Sequence[Phase], data: PreparedData, view: View | None
) -> Iterator[Finding]:
    """That what frozen stages give is more than is stored, phase by phase; not where samples are drawn anew anyway."""
    from headstart.engine.features.source import FIRST_LEARNED, STORED_LIMIT, bytes_a_sample, is_storable
    from headstart.engine.train.context import is_fresh
    from headstart.engine.train.phases import cut_of

    for phase in phases:
        cut = cut_of(network, phase)
        if cut <= FIRST_LEARNED or is_storable(network, cut, data) or (view is not None and is_fresh(phase)):
            continue
        size = bytes_a_sample(network, cut, data) * len(data.owners) / 1e9
        message = (
            f"{phase.name}: what frozen stages give of all samples is {size:.3g} GB, and {STORED_LIMIT / 1e9:.3g} GB "
            "at most are stored: it is computed again whenever it is needed"
        )
        yield Finding("note", message, hint="a smaller input or fewer samples (--limit) are stored")


def build_view(resolved: BoundRecipe, registry: Registry, records: Records, kind: InputKind) -> View | None:
    """How training samples vary, or None. Raises UsageError where the input kind cannot apply that, or not mix."""
    if not resolved.augmentations:
        return None
    built = [
        registry.load_target(spec, spec.build)(
            AugmentationRequest(resolved.options_of("augmentation", spec), records.symmetries)
        )
        for spec in resolved.augmentations
    ]
    check_changes(resolved.augmentations, kind, resolved.input.name)
    mixes = check_mixing(resolved.augmentations, kind, resolved.input.name)
    return View(kind, Composed(tuple(built)), resolved.recipe.seed, mixes)


def check_weights_present(resolved: ResolvedRecipe, registry: Registry) -> None:
    """Raise MissingWeightsError now rather than after the data was read."""
    if isinstance(resolved.weights, WeightsSpec) and resolved.backbone is not None:
        locate(resolved.backbone, resolved.weights, registry)
        locate_assets(resolved.backbone, resolved.weights, registry)


def prepare_options(
    resolved: BoundRecipe, backbone: Blueprint, kind: InputKind, scratch: Path, warn: Callable[[str], None]
) -> PrepareOptions:
    """How a recipe's data is prepared; what was read is kept in the user's cache."""
    return PrepareOptions(
        limit=resolved.recipe.limit,
        split_seed=resolved.recipe.split_seed,
        shares=resolved.options["split"],
        draw=resolved.recipe.seed,
        store=ArrayStore(open_cache(warn), scratch, warn),
        read_by={
            "input": resolved.input.name,
            "version": resolved.input.version,
            "options": dataclasses.asdict(resolved.options["input"]),
            "preprocess": dict(backbone.preprocess),
            "assets": digests_of(assets_of(kind)),
            "packages": {name: installed_release(name) for name in ("headstart", *resolved.input.readers)},
        },
    )


def _build_task(
    resolved: BoundRecipe,
    registry: Registry,
    records: Records,
    data: PreparedData,
    kinds: tuple[InputKind, TargetKind],
    scratch: Path,
) -> tuple[Task, list[Finding]]:
    """The task, bound to its labels and to what it reads off the training split; and what it tells of the targets.

    `kinds` are those of the samples and of their targets.
    """
    (inputs, kind), head, options = kinds, resolved.pretrained_head, resolved.options["task"]
    firsts = np.unique(data.owners, return_index=True)[1]
    values = data.read_values(kind, firsts)  # of each record once
    request = TaskRequest(options, targets=values, inputs=inputs.tensors)
    if head is not None:
        assets = backbone_blueprint(resolved, registry).input_assets
        request = TaskRequest(options, labels=head.labels, assets=assets, inputs=inputs.tensors)
    task: Task = registry.load_target(resolved.task, resolved.task.build)(request)
    if head is not None:
        try:
            encoded(task, kind, data, np.arange(len(data.owners)), scratch)
        except DataError as exc:
            message = f"the pretrained head does not know these targets: {exc.message}"
            hint = (
                f"{f'{exc.hint}; or ' if exc.hint else ''}leave out --head {PRETRAINED}, or --continue, for a new "
                "head; --head-from RUN keeps what a run's head knows and adds the rest"
            )
            raise DataError(message, hint=hint) from exc
    if records.label_ids and isinstance(task, TakesLabelIds):
        task = task.with_label_ids(records.label_ids)
    mixing = [spec.name for spec in resolved.augmentations if spec.mixes]
    if mixing and not isinstance(task, (MixesTargets, JoinsTargets)):
        raise UsageError(
            f"{resolved.task.name} cannot mix targets, as {', '.join(mixing)} would need",
            hint="leave that augmentation out, or choose another task",
        )
    told: list[Finding] = []
    if is_unfitted(task):
        source, seed = resolved.head_source, resolved.recipe.seed
        training = training_split(records, data, kind, seed=seed, folder=scratch / FITTED / "task", tell=told.append)
        task = fitted_to(
            task,
            dataclasses.replace(training, assets=assets_of(inputs), source=None if source is None else source.task),
        )
    if isinstance(task, TellsOfTargets):
        facts, keys = ([each[row] for row in firsts] for each in (data.facts, data.row_keys))
        told += task.findings(values, facts, keys, mixes=bool(mixing))
    if isinstance(task, FitsTargets):
        task = task.fitted(encoded(task, kind, data, data.indices("train"), scratch))
    return task, told


def _with_statistics(bound: BoundRecipe, network: Network, phases: Sequence[Phase]) -> BoundRecipe:
    """`bound`, its policy for BatchNorm's statistics frozen where there are none and nobody named that policy.

    Raises UsageError where one that was named finds none that it could change.
    """
    from headstart.engine.network.stages import is_statistic, name_variables

    recipe = bound.recipe
    trained = {stage for phase in phases for stage in phase.train}
    asked = [stage for stage in network.backbone if recipe.batch_norm != "trainable" or stage.name in trained]
    if recipe.batch_norm == "frozen" or any(map(is_statistic, name_variables(asked))):
        return bound
    if recipe.origin("batch_norm") == PRETRAIN:
        return dataclasses.replace(bound, recipe=dataclasses.replace(recipe, batch_norm="frozen"))
    where = "the stages that learn have" if recipe.batch_norm == "trainable" else "the backbone has"
    raise UsageError(
        f"--batch-norm {recipe.batch_norm} has nothing to act on: {where} no BatchNorm layer", hint="leave it out"
    )


def _leaked(resolved: BoundRecipe, data: PreparedData) -> Iterator[str]:
    """Warnings of test samples that the runs whose weights are taken, or whose head, were trained or chosen on; where
    none is held out, of val's that they were trained on."""
    weights, head, taken = resolved.weights, resolved.head_source, []
    if isinstance(weights, WeightsSpec) and isinstance(weights.origin, LocalFile):
        taken.append(trained_by(Path(weights.origin.path)))
    if head is not None:
        taken.append(trained_by(head.path))
    is_tested = data.split.counts["test"] > 0
    side, how = ("test", "trained or chosen on") if is_tested else ("val", "trained on")  # each run chooses on val
    sides = ("train", "val") if is_tested else ("train",)
    judging = data.split.only(side).rows
    for run in dict.fromkeys(taken):
        if run is None:
            continue
        try:
            for folder, known in met_before(judging, run, sides=sides):
                yield (
                    f"{known} of {len(judging)} {side} samples are among those that the run {folder.path} was {how}: "
                    f"{side} figures flatter"
                )
        except HeadstartError as exc:
            yield f"whether {run} was trained on some of the {side} samples is not known: {exc.message}"


def left_out(resolved: BoundRecipe, records: Records) -> list[str]:
    """What the augmentations do not draw, since the dataset does not allow it, and how it may where it can. What the
    user said of it is heeded without a word."""
    can_say = {each.name for each in describe_options(resolved.dataset.options)}
    said = {name for name in can_say if resolved.recipe.origin(f"dataset.{name}") != DEFAULT}
    found = []
    for spec in resolved.augmentations:
        if lacking := sorted(spec.uses - records.symmetries - said):
            settings = " ".join(f"--set dataset.{name}=true" for name in lacking if name in can_say)
            found.append(
                f"augmentation {spec.short_name!r} leaves out {', '.join(lacking)}: {resolved.dataset.short_name} does "
                "not say that it keeps the labels true" + (f"; where it does, add {settings}" if settings else "")
            )
    return found
