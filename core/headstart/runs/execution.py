"""A plan carried out: load weights, decide on an engine, write down what is known, train, write the artefact, reload
it, evaluate, conclude."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from headstart.artefact import Artefact
from headstart.cache import open_cache
from headstart.data.array_store import ArrayStore
from headstart.data.facts import Picked
from headstart.data.split_file import write_split
from headstart.documents import plain
from headstart.engine.features.decision import KEY, EngineDecision
from headstart.engine.features.export import Exporters
from headstart.engine.features.extract import trial_batch
from headstart.engine.features.extractor import FeatureExtractor, Place
from headstart.engine.features.selection import decide
from headstart.engine.features.source import Source
from headstart.engine.lowering.registry import lowered
from headstart.engine.network import assemble
from headstart.engine.network.blueprint import describe as describe_network
from headstart.engine.network.saved import save_network
from headstart.engine.train.bn_stats import reestimate, statistics_of
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.context import TrainContext, training_precision
from headstart.engine.train.phases import run_phases
from headstart.engine.train.state import PhaseResult
from headstart.environment import describe, versions
from headstart.eventlog import EventLog
from headstart.events import BatchNormReestimated, Noted, RunFinished, RunStarted, Warned
from headstart.host.discovery import installed_version
from headstart.lineage import FILE, LINEAGE, RANDOM, UNKNOWN, as_documents, in_words, licence_of
from headstart.recipes.file import write_recipe
from headstart.runs import kept_scores
from headstart.runs.carried_head import begin_as_published
from headstart.runs.evaluation import (
    documents,
    why_no_test,
)
from headstart.runs.folder import RunFolder, write_document
from headstart.runs.outline import count_learned, count_parameters, workload_of
from headstart.runs.planning import Plan
from headstart.runs.reloading import proved_and_scored
from headstart.runs.resuming import ASSETS, Resumed
from headstart.spans import span
from headstart.specs import (
    Calibrates,
    Evaluation,
    FitsTargets,
    Training,
    WeightsSpec,
)
from headstart.threads import available_threads
from headstart.timing import Stopwatch

REESTIMATED = "re-estimated"


def load_weights(plan: Plan) -> int:
    """Give the backbone its weights: the published ones, a file's, or calibrated random ones; check a first batch.

    Returns of how many BatchNorm layers the statistics were estimated again, on the training split.
    """
    resolved = plan.resolved
    assemble.load_weights(
        plan.network,
        assemble.first_batch(plan.data.tensors, plan.data.indices("train")),
        plan.kind,
        spec=resolved.backbone,
        source=resolved.weights,
        registry=plan.registry,
        seed=resolved.recipe.seed,
    )
    if resolved.pretrained_head is not None and isinstance(resolved.weights, WeightsSpec):
        assemble.load_head(plan.network, resolved.backbone, resolved.weights, plan.registry)
    begin_as_published(resolved, plan.task, plan.network, plan.kind, plan.registry)
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
    extractor = FeatureExtractor(
        stock=plan.network,
        fast=lowered(plan.network, plan.registry, warn),
        blueprint=plan.blueprint(),
        registry=plan.registry,
        exporters=exporters,
        place=Place(open_cache(warn), plan.scratch, plan.resolved.recipe.threads or available_threads(), warn),
        batch=trial_batch(plan.data, plan.data.indices("train"), plan.network.length_axes(0)),
    )
    if decision is not None:
        return extractor.obeying(decision)
    work = workload_of(plan)
    engine = plan.resolved.engine if work.rows else extractor.native
    return decide(extractor, engine, plan.resolved.recipe.precision, work)


@span("writing the run")
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
        ASSETS: plan.assets(),
        LINEAGE: as_documents(plan.lineage),
        KEY: dataclasses.asdict(decision),
    }
    write_document(folder.environment, facts)
    log.emit(
        RunStarted(
            run=str(folder.path),
            backend=plan.backend,
            backbone=resolved.backbone.name,
            weights=plan.weights_name,
            lineage=in_words(plan.lineage) if isinstance(plan.lineage[-1], Training) else None,
            task=resolved.task.name,
            strategy=resolved.strategy.name,
            primary_metric=plan.task.primary_metric,
            higher_is_better=plan.task.higher_is_better,
            classes=tuple(plan.task.summary().get("classes", ())),
            samples=plan.data.split.counts,
            parameters={"total": count_parameters(plan), "trainable": count_learned(plan)},
            phases=tuple(phase.name for phase in plan.phases),
        )
    )
    if reestimated:
        log.emit(BatchNormReestimated(layers=reestimated, samples=plan.data.split.counts["train"]))
    for finding in plan.findings:
        kind = Warned if finding.level == "warning" else Noted
        log.emit(kind(message=finding.message, hint=finding.hint))


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
    source = Source(
        network=extractor.fast,
        data=plan.data,
        view=plan.view,
        view_key={
            "augmentations": [
                [spec.name, dataclasses.asdict(plan.resolved.options_of("augmentation", spec))]
                for spec in plan.resolved.augmentations
            ],
            "symmetries": sorted(plan.records.symmetries),
            "seed": recipe.seed,
        },
        open=extractor.open,
        store=ArrayStore(extractor.place.cache, folder.scratch, extractor.place.warn),
        told=lambda done, total: log.progress("features", done, total, "samples"),
        clock=clock,
        sampling_weights=sampling_weights,
        any_length=plan.resolved.backbone.any_length,
    )
    training = TrainContext(
        network=plan.network,
        fast=extractor.fast,
        task=plan.task,
        source=source,
        targets=targets,
        facts={split: Picked(plan.data.facts.__getitem__, plan.data.indices(split)) for split in targets},
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
        identity={
            **describe_network(plan.blueprint()),
            **kept_scores.made_by(plan.registry, plan.backend, extractor.decided.threads),
        },
    )
    training.seed_backbone()
    if recipe.batch_norm == REESTIMATED:
        training.changed |= statistics_of(plan.network)
    return training


def conclude(
    plan: Plan,
    extractor: FeatureExtractor,
    folder: RunFolder,
    log: EventLog,
    clock: Stopwatch,
    *,
    resumed: Resumed | None = None,
) -> None:
    """Train, write and reload the artefact, evaluate through it, and say how it went."""
    training = training_of(plan, extractor, folder, log, clock, resumed)
    with clock.measure("phases"):
        results = run_phases(plan.phases, training, resumed.loaded if resumed else None)
    last = results[-1] if results else None
    refit = last is not None and last.refit
    found = {} if last is None else last.found
    if isinstance(plan.task, Calibrates) and found:
        plan = dataclasses.replace(plan, task=plan.task.calibrated(found))
    resolved, weights = plan.resolved, plan.resolved.weights
    lineage = (*plan.lineage, *([trained(plan, folder, results)] if results else []))
    facts = {
        "versions": versions(),
        "backend": plan.backend,
        "source": {
            "weights": plan.weights_name if isinstance(weights, WeightsSpec) else FILE if weights else RANDOM,
            "licence": licence_of(lineage),
        },
        LINEAGE: as_documents(lineage),
    }
    save_network(folder.artefact, dataclasses.replace(plan.blueprint(), forms=plan.forms()), plan.network, facts=facts)
    with clock.measure("evaluate"):
        artefact = Artefact.load(folder.artefact, registry=plan.registry)
        scored, engine = proved_and_scored(artefact, plan, training, extractor, folder.predictions, refit=refit)
    # of a head that was refitted: as val chose it, and by what the task learned from those answers
    before = {"val": Evaluation(**last.before_refit)} if last is not None and last.refit else {}
    calibrated = {split: each.calibration for split, each in {**before, **scored}.items() if each.calibration}
    measured = documents(scored)
    absent = {} if "test" in scored else {"test": None}
    features = clock.seconds("features")
    result = {
        "run": str(folder.path),
        "backend": plan.backend,
        "task": resolved.task.short_name,
        "backbone": resolved.backbone.name,
        "weights": plan.weights_name,
        LINEAGE: as_documents(lineage),
        "strategy": resolved.strategy.short_name,
        "primary_metric": plan.task.primary_metric,
        "higher_is_better": plan.task.higher_is_better,
        "classes": list(plan.task.summary().get("classes", ())),
        "samples": plan.data.split.counts,
        "metrics": {**documents({**before, **scored})["metrics"], **absent},
        "intervals": {**measured["intervals"], **absent},
        "baseline": plain(
            plan.task.baseline(plan.targets_once("train"), plan.targets_once("val" if absent else "test"))
        ),
        "no_test": why_no_test(plan.phases) if absent else None,
        "parameters": {"total": count_parameters(plan), "trainable": count_learned(plan, results)},
        "phases": [plain(each.facts()) for each in results],
        "refit": refit,
        "report": {**measured["report"], **absent},
        "split_hash": plan.data.split.hash,
        "seconds": {
            "total": clock.total,
            "features": features,
            "train": clock.seconds("phases") - features,
            "evaluate": clock.seconds("evaluate"),
        },
        "warnings": list(log.warnings),
        "notes": list(log.notes),
        "calibration": plain({**found, **calibrated}),  # what val told, and what it is worth by split
        "resumed": list(resumed.places) if resumed else [],
        "engine": {**extractor.decided.result(), "answers": kept_scores.answered_in(engine)},
    }
    write_document(folder.result, result)
    log.emit(RunFinished(result=result))
    log.sync()


def trained(plan: Plan, folder: RunFolder, results: Sequence[PhaseResult]) -> Training:
    """This run, as the last step of what its weights were trained on. Their digest is that of the artefact's manifest,
    which lists it."""
    resolved, learned = plan.resolved, {stage for each in results for stage in each.learned}
    return Training(
        run=folder.path.absolute().name,
        data=Path(resolved.reference).name if resolved.reference else resolved.dataset.short_name,
        task=resolved.task.name,
        strategy=resolved.strategy.name,
        stages=tuple(stage for stage in plan.network.names if stage in learned),
        samples=plan.data.split.counts["train"],
        classes=len(plan.task.summary().get("classes", ())),
        headstart=installed_version(),
        digest=UNKNOWN,
    )
