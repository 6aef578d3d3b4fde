"""The stations of a run before it trains: write down what is known, load weights, gather what the phases share."""

from __future__ import annotations

import dataclasses

from headstart.data.array_store import ArrayStore
from headstart.data.facts import Picked
from headstart.data.split_file import write_split
from headstart.engine.features.decision import KEY, EngineDecision
from headstart.engine.features.extractor import FeatureExtractor
from headstart.engine.features.source import Source
from headstart.engine.network import assemble
from headstart.engine.network.assemble import CALIBRATION_SAMPLES
from headstart.engine.train.bn_stats import reestimate, statistics_of
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.context import TrainContext, training_precision
from headstart.environment import describe
from headstart.eventlog import EventLog, now
from headstart.events import BatchNormReestimated, RunStarted
from headstart.recipe import Recipe
from headstart.recipes.file import write_recipe
from headstart.runs.facts import count_learned, count_parameters, weights_name, write_document
from headstart.runs.folder import RunFolder
from headstart.runs.planning import Plan
from headstart.runs.resuming import Resumed
from headstart.specs import FitsTargets, WeightsSpec
from headstart.timing import Stopwatch

REESTIMATED = "re-estimated"


def open_run(plan: Plan, decision: EngineDecision, folder: RunFolder, log: EventLog, *, reestimated: int = 0) -> None:
    """Write what is known before training: recipe, split, environment; say what starts and what to mind."""
    write_recipe(_pinned(plan.resolved.recipe, decision), folder.recipe)
    write_split(plan.data.split, folder.split)
    recipe = plan.resolved.recipe
    facts = {
        **describe(plan.registry, plan.backend, precision=decision.precision, threads=decision.threads),
        "training_precision": training_precision(recipe.training_precision, decision.precision),
        "batch_norm": recipe.batch_norm,
        KEY: dataclasses.asdict(decision),
    }
    write_document(folder.environment, facts)
    resolved = plan.resolved
    log.emit(
        RunStarted(
            time=now(),
            run=str(folder.path),
            backend=plan.backend,
            backbone=resolved.backbone.name,
            weights=weights_name(plan),
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


def _pinned(recipe: Recipe, decision: EngineDecision) -> Recipe:
    """The recipe with what was chosen for this machine, so that a run that goes on computes as it began."""
    return dataclasses.replace(
        recipe,
        engine=decision.engine,
        precision=decision.precision,
        training_precision=training_precision(recipe.training_precision, decision.precision),
        threads=decision.threads,
    )


def load_weights(plan: Plan) -> int:
    """Give the backbone its weights: the published ones, a file's, or calibrated random ones; check a first batch.

    Returns of how many BatchNorm layers the statistics were estimated again, on the training split.
    """
    resolved = plan.resolved
    rows = plan.data.indices("train")[:CALIBRATION_SAMPLES]
    assemble.load_weights(
        plan.network,
        {name: array[rows] for name, array in plan.data.tensors.items()},
        plan.kind,
        spec=resolved.backbone,
        source=resolved.weights,
        registry=plan.registry,
        seed=resolved.recipe.seed,
    )
    if resolved.pretrained_head is not None and isinstance(resolved.weights, WeightsSpec):
        assemble.load_head(plan.network, resolved.backbone, resolved.weights, plan.registry)
    if resolved.recipe.batch_norm != REESTIMATED:
        return 0
    return reestimate(plan.network, plan.data.tensors, plan.data.indices("train"))


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
