"""The stations of a run before it trains: load weights, decide on an engine, write down what is known, gather what the
phases share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import zip_longest

import numpy as np

from headstart.backend import available_threads
from headstart.cache import open_cache
from headstart.data.array_store import ArrayStore
from headstart.data.facts import Picked
from headstart.data.split_file import SPLITS, write_split
from headstart.engine.features.decision import KEY, EngineDecision
from headstart.engine.features.export import Exporters
from headstart.engine.features.extractor import FeatureExtractor, samples_a_call
from headstart.engine.features.selection import Workload, decide
from headstart.engine.features.source import Source, is_storable
from headstart.engine.lowering.registry import lowered
from headstart.engine.network import loading
from headstart.engine.network.loading import CALIBRATION_SAMPLES
from headstart.engine.network.stages import name_variables
from headstart.engine.train.bn_stats import reestimate, statistics_of
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.context import TrainContext, training_precision
from headstart.engine.train.phases import cut_of
from headstart.engine.train.state import PhaseResult
from headstart.engine.train.trainable import select_trainable
from headstart.environment import describe
from headstart.eventlog import EventLog, now
from headstart.events import BatchNormReestimated, RunStarted
from headstart.recipes.file import write_recipe
from headstart.runs.folder import RunFolder, write_document
from headstart.runs.planning import Plan
from headstart.runs.resuming import Resumed
from headstart.specs import FitsTargets, WeightsSpec
from headstart.timing import Stopwatch

REESTIMATED = "re-estimated"


def load_weights(plan: Plan) -> int:
    """Give the backbone its weights: the published ones, a file's, or calibrated random ones; check a first batch.

    Returns of how many BatchNorm layers the statistics were estimated again, on the training split.
    """
    resolved = plan.resolved
    rows = plan.data.indices("train")[:CALIBRATION_SAMPLES]
    loading.load_weights(
        plan.network,
        {name: array[rows] for name, array in plan.data.tensors.items()},
        plan.kind,
        spec=resolved.backbone,
        source=resolved.weights,
        registry=plan.registry,
        seed=resolved.recipe.seed,
    )
    if resolved.pretrained_head is not None and isinstance(resolved.weights, WeightsSpec):
        loading.load_head(plan.network, resolved.backbone, resolved.weights, plan.registry)
    if resolved.recipe.batch_norm != REESTIMATED:
        return 0
    return reestimate(plan.network, plan.data.tensors, plan.data.indices("train"))


def open_extractor(
    plan: Plan, exporters: Exporters, warn: Callable[[str], None], *, decision: EngineDecision | None = None
) -> FeatureExtractor:
    """The extractor of a plan's network, its weights loaded: its engine is decided once, before anything is written, or
    by the `decision` of a run that goes on.

    Raises EngineRefusal where an engine that was named cannot run its backbone.
    """
    rows = np.resize(plan.data.indices("train"), samples_a_call())
    extractor = FeatureExtractor(
        stock=plan.network,
        fast=lowered(plan.network, plan.registry, warn),
        blueprint=plan.blueprint(),
        registry=plan.registry,
        exporters=exporters,
        cache=open_cache(warn),
        scratch=plan.scratch,
        threads=plan.resolved.recipe.threads or available_threads(),
        batch={name: array[rows] for name, array in plan.data.tensors.items()},
        warn=warn,
    )
    if decision is not None:
        return extractor.obeying(decision)
    work = workload_of(plan)
    engine = plan.resolved.engine if work.rows else extractor.native
    return decide(extractor, engine, plan.resolved.recipe.precision, work)


def workload_of(plan: Plan) -> Workload:
    """The largest frozen prefix that is stored, and how many samples pass it: those of the cut of the head, and none,
    where nothing is stored; then the samples of val and test that the artefact answers about."""
    train, val, test = (len(plan.data.indices(split)) for split in SPLITS)
    head = len(plan.network.stages) - 1
    cuts = [cut_of(plan.network, phase) for phase in plan.phases]
    found = [(head, 0)]
    for phase, cut in zip(plan.phases, cuts, strict=True):
        if is_storable(plan.network, cut, plan.data):
            views = 1 + phase.views if plan.view is not None else 1
            found.append((cut, views * train + val))
    stop, rows = max(found)
    return Workload(stop, rows, answers=val + test, changes=min(cuts) < head)


def open_run(plan: Plan, decision: EngineDecision, folder: RunFolder, log: EventLog, *, reestimated: int = 0) -> None:
    """Write what is known before training: recipe, split, environment; say what starts and what to mind."""
    resolved, recipe = plan.resolved, plan.resolved.recipe
    precision = training_precision(recipe.training_precision, decision.precision)
    # what was chosen for this machine is pinned, so that a run that goes on computes as it began
    pinned = dataclasses.replace(
        recipe,
        engine=decision.engine,
        precision=decision.precision,
        training_precision=precision,
        threads=decision.threads,
    )
    write_recipe(pinned, folder.recipe)
    write_split(plan.data.split, folder.split)
    facts = {
        **describe(plan.registry, plan.backend, precision=decision.precision, threads=decision.threads),
        "training_precision": precision,
        "batch_norm": recipe.batch_norm,
        KEY: decision.facts(),
    }
    write_document(folder.environment, facts)
    log.emit(
        RunStarted(
            time=now(),
            run=str(folder.path),
            backend=plan.backend,
            backbone=resolved.backbone.name,
            weights=plan.weights_name,
            task=resolved.task.name,
            strategy=resolved.strategy.name,
            primary_metric=plan.task.primary_metric,
            higher_is_better=plan.task.higher_is_better,
            classes=tuple(plan.task.summary().get("classes", ())),
            samples=plan.samples(),
            parameters={"total": count_parameters(plan), "trainable": count_learned(plan)},
            phases=tuple(phase.name for phase in plan.phases),
        )
    )
    if reestimated:
        log.emit(BatchNormReestimated(time=now(), layers=reestimated, samples=plan.samples()["train"]))
    for warning in plan.warnings:
        log.warn(warning)


def count_parameters(plan: Plan) -> int:
    """Every number in the network's weights, statistics included."""
    return sum(int(np.prod(variable.shape)) for variable in name_variables(plan.network.learned).values())


def count_learned(plan: Plan, results: Sequence[PhaseResult] = ()) -> int:
    """The numbers that learn in any of the phases; those of an adapter are its factors, not the kernels below them.

    Of a phase that picks its stages, those of all from which it may pick, until `results` say which it picked.
    """
    recipe = plan.resolved.recipe
    learned: dict[str, int] = {}
    for planned, result in zip_longest(plan.phases, results):
        phase = dataclasses.replace(planned, train=result.learned if result else planned.train)
        found = select_trainable(plan.network, phase, seed=recipe.seed, batch_norm=recipe.batch_norm)
        learned |= {name: int(np.prod(variable.shape)) for name, variable in found.variables.items()}
    return sum(learned.values())


def training_of(
    plan: Plan,
    extractor: FeatureExtractor,
    folder: RunFolder,
    log: EventLog,
    clock: Stopwatch,
    resumed: Resumed | None,
) -> TrainContext:
    """What the phases of a run share."""
    recipe = plan.resolved.recipe
    targets = {split: plan.targets(split) for split in ("train", "val")}
    sampling_weights = plan.task.sampling_weights(targets["train"]) if isinstance(plan.task, FitsTargets) else None
    if resumed is not None:
        clock.add(resumed.loaded.facts["seconds"])
    resolved = plan.resolved
    source = Source(
        network=extractor.fast,
        data=plan.data,
        view=plan.view,
        view_key={
            "augmentations": [
                [spec.name, dataclasses.asdict(resolved.options_of("augmentation", spec))]
                for spec in resolved.augmentations
            ],
            "symmetries": sorted(plan.records.symmetries),
            "seed": resolved.recipe.seed,
        },
        open=extractor.open,
        store=ArrayStore(extractor.cache, folder.scratch, extractor.warn),
        told=lambda done, total: log.progress("features", done, total, "samples"),
        clock=clock,
        sampling_weights=sampling_weights,
    )
    training = TrainContext(
        network=plan.network,
        fast=extractor.fast,
        task=plan.task,
        source=source,
        targets=targets,
        facts={split: Picked(plan.data.facts, plan.data.indices(split)) for split in targets},
        owners={split: plan.data.owners[plan.data.indices(split)] for split in targets if plan.data.has_several_rows},
        seed=recipe.seed,
        batch_size=recipe.batch_size,
        log=log,
        checkpoints=resumed.checkpoints if resumed else Checkpoints(folder.checkpoints),
        precision=training_precision(recipe.training_precision, extractor.decided.precision),
        sampling_weights=sampling_weights,
        batch_norm=recipe.batch_norm,
        checkpoint_every=recipe.checkpoint_every,
        elapsed=clock.sums,
    )
    training.seed_backbone()
    if recipe.batch_norm == REESTIMATED:
        training.changed |= statistics_of(plan.network)
    return training
