"""A plan carried out: load weights, decide on an engine, write down what is known, train, write the artefact, reload
it, evaluate, conclude."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from headstart.artefact import Artefact
from headstart.cache import Cache, open_cache
from headstart.data.array_store import ArrayStore
from headstart.data.facts import Picked
from headstart.data.order import batches
from headstart.data.split_file import write_split
from headstart.documents import plain
from headstart.engine.batch import bytes_a_row, filled_together, rows_within, take
from headstart.engine.device import compiles_each_shape, forward, score_step
from headstart.engine.features.decision import KEY, EngineDecision
from headstart.engine.features.export import Exporters
from headstart.engine.features.extract import trial_batch
from headstart.engine.features.extractor import FLOAT32_MOST, MOVES, FeatureExtractor, Place
from headstart.engine.features.rounding import moved_by_weights
from headstart.engine.features.selection import decide
from headstart.engine.features.source import Source
from headstart.engine.lowering.registry import lowered
from headstart.engine.network import assemble
from headstart.engine.network.blueprint import describe as describe_network
from headstart.engine.network.saved import save_network
from headstart.engine.precision import FLOAT32
from headstart.engine.train.bn_stats import reestimate, statistics_of
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.context import TrainContext, training_precision
from headstart.engine.train.phases import run_phases
from headstart.engine.train.state import PhaseResult
from headstart.environment import describe, versions
from headstart.errors import EngineRefusal, HeadstartError
from headstart.eventlog import EventLog
from headstart.events import BatchNormReestimated, Noted, RunFinished, RunStarted, Warned
from headstart.host.discovery import installed_version
from headstart.lineage import FILE, LINEAGE, RANDOM, UNKNOWN, as_documents, in_words, licence_of
from headstart.predictor import Predictor
from headstart.recipes.file import write_recipe
from headstart.runs import kept_scores
from headstart.runs.carried_head import begin_as_published
from headstart.runs.evaluation import (
    Labelled,
    PredictionsFile,
    documents,
    open_predictions,
    score,
    score_once,
    why_no_test,
)
from headstart.runs.folder import RunFolder, write_document
from headstart.runs.outline import count_learned, count_parameters, workload_of
from headstart.runs.planning import Plan
from headstart.runs.resuming import ASSETS, Resumed
from headstart.spans import span
from headstart.specs import (
    Calibrates,
    EngineSpec,
    Evaluation,
    FeedsTargets,
    FitsTargets,
    Generates,
    Training,
    WeightsSpec,
)
from headstart.threads import available_threads
from headstart.timing import Stopwatch

REESTIMATED = "re-estimated"
RELOADED = 32
"""Samples of val whose answers are compared after the artefact was reloaded."""
FEW = 32
"""Samples below which stock layers answer, unless a graph is there: to open another network takes as long."""
RELOADED_STOCK = 8
"""So many of them are answered on stock layers where those that are scored are answered on lowered ones, or known."""
BESIDE_GRAPH = 2
"""So many where these are answered by a graph, which another process made of the network that it built."""
TOLERANCE = 1e-4
"""Of max(1, standard deviation): design.md, section 4."""


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
    last = results[-1]
    if isinstance(plan.task, Calibrates) and last.found:
        plan = dataclasses.replace(plan, task=plan.task.calibrated(last.found))
    resolved, weights = plan.resolved, plan.resolved.weights
    lineage = (*plan.lineage, trained(plan, folder, results))
    facts = {
        "versions": versions(),
        "backend": plan.backend,
        "source": {
            "weights": plan.weights_name if isinstance(weights, WeightsSpec) else FILE if weights else RANDOM,
            "licence": licence_of(lineage),
        },
        LINEAGE: as_documents(lineage),
    }
    save_network(folder.artefact, plan.blueprint(), plan.network, facts=facts)
    with clock.measure("evaluate"):
        artefact = Artefact.load(folder.artefact, registry=plan.registry)
        val, test = _labelled(plan, "val"), _labelled(plan, "test")
        samples = [
            each for each in ([test] if last.refit else [val, test]) if each.keys
        ]  # a refitted head has seen val
        expected = answers_in_memory(training, exact=extractor.decided.precision == FLOAT32)
        moved = partial(moved_when_reloaded, artefact, val)

        def verified(predictor: Predictor, count: int) -> None:
            first = {name: rows[:count] for name, rows in expected.items()}
            verify_reload(first, reloaded_answers(predictor, val, count), artefact.path, moved)

        planned = answering_engine(extractor, artefact, sum(len(each.keys) for each in samples))
        keys_in = partial(_scores_keys, samples, plan, extractor, artefact)
        kept, engine = _kept(extractor.place.cache, keys_in, planned)
        predictor = artefact.predictor
        # what is kept is of a run that verified the same artefact on all RELOADED samples
        graph = not kept and planned is not None and planned.export is not None
        few = BESIDE_GRAPH if graph else RELOADED_STOCK if kept or planned is not None else RELOADED
        verified(stock_predictor(artefact, few), few)
        if planned is not None and not kept:
            predictor, engine = predictor_in_engine(extractor, artefact, planned)
            verified(predictor, RELOADED)
        keys = keys_in(engine)
        with open_predictions(folder.predictions, plan.task) as predictions:
            scored = dict[str, Evaluation]()
            for each in samples:
                if each.split in kept:
                    predictions.write_rows(kept[each.split].rows)
                    scored[each.split] = kept[each.split].evaluation
                else:
                    to = (extractor.place.cache, keys[each.split], extractor.place.warn)
                    scored[each.split] = _scored(each, predictor, log, to, predictions)
    # of a head that was refitted: as val chose it, and by what the task learned from those answers
    before = {"val": Evaluation(**last.before_refit)} if last.refit else {}
    calibrated = {split: each.calibration for split, each in {**before, **scored}.items() if each.calibration}
    measured = documents(scored)
    absent = {} if test.keys else {"test": None}
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
        "refit": last.refit,
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
        "calibration": plain({**last.found, **calibrated}),  # what val told, and what it is worth by split
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


def answering_engine(extractor: FeatureExtractor, artefact: Artefact, count: int) -> EngineSpec | None:
    """The engine in which an artefact answers about `count` raw samples, its head on the backend; None: stock layers.

    That of the run where its graph pays, or costs nothing; else the backend's own on lowered layers, which the run held
    equal to stock ones on this network.
    """
    if isinstance(artefact.task, FeedsTargets | Generates):
        return None
    if extractor.decided.exports:
        spec: EngineSpec = extractor.registry.get("engines", extractor.decided.engine)
        return spec
    return None if extractor.has_stock_layers or count < FEW else extractor.native


def stock_predictor(artefact: Artefact, count: int) -> Predictor:
    """What answers about `count` raw samples on stock layers: backbone and head apart, as engines are held against the
    former, so that nothing is compiled twice; where nothing is compiled, no more rows a call than there are."""
    stock = artefact.predictor
    if isinstance(artefact.task, FeedsTargets | Generates):
        return stock
    sizes = stock.sizes if compiles_each_shape() else (min(count, stock.sizes[-1]),)
    network = artefact.network
    stop = len(network.stages) - 1
    backbone, head = forward(network, 0, stop), forward(network, stop, stop + 1)
    return dataclasses.replace(stock, forward=lambda batch: head(backbone(batch)), sizes=sizes)


def predictor_in_engine(
    extractor: FeatureExtractor, artefact: Artefact, engine: EngineSpec
) -> tuple[Predictor, EngineSpec | None]:
    """What answers about raw samples with a reloaded artefact, its backbone in `engine` and its head on the backend;
    and that engine, None where that refuses and stock layers answer.

    The backbone is made of the artefact's own stock layers, and is held against them on real samples first, unless a
    network of the same weights was.
    """
    network = artefact.network
    stop = len(network.stages) - 1
    size = artefact.predictor.sizes[-1]
    try:
        opened = extractor.of_artefact(network, artefact.path, size, engine).open(stop, timed=False)
    except EngineRefusal as exc:
        extractor.place.warn(f"{exc.message}; stock layers answer instead")
        return artefact.predictor, None
    backbone, head = opened.compiled, forward(network, stop, stop + 1)
    predictor = dataclasses.replace(artefact.predictor, forward=lambda batch: head(backbone(batch)), sizes=(size,))
    return predictor, extractor.registry.get("engines", opened.key["engine"])


def _scores_keys(
    samples: Sequence[Labelled],
    plan: Plan,
    extractor: FeatureExtractor,
    artefact: Artefact,
    engine: EngineSpec | None,
) -> dict[str, Mapping[str, Any]]:
    """By split, what scores in `engine`, or of stock layers, are found by."""
    by = kept_scores.made_by(plan.registry, plan.backend, extractor.decided.threads)
    by["engine"] = kept_scores.answered_in(engine)
    splits = [each.split for each in samples]
    files, rows = artefact.manifest["files"], {split: plan.data.split.only(split).rows for split in splits}
    return {split: kept_scores.key_of(files, rows[split], by=by, asked={}) for split in splits}


def _kept(
    cache: Cache, keys_in: Callable[[EngineSpec | None], Mapping[str, Mapping[str, Any]]], planned: EngineSpec | None
) -> tuple[dict[str, kept_scores.Scored], EngineSpec | None]:
    """The scores of all splits from the cache, and in which engine they were found: the `planned` one, or none where it
    refused. Empty where any is not there."""
    for engine in dict.fromkeys((planned, None)):
        keys = keys_in(engine)
        kept = kept_scores.found_under(cache, [keys])
        if len(kept) == len(keys):
            return kept, engine
    return {}, None


def _scored(
    samples: Labelled,
    predictor: Predictor,
    log: EventLog,
    to: tuple[Cache, Mapping[str, Any], Callable[[str], None]],
    predictions: PredictionsFile,
) -> Evaluation:
    """The scores of one split, kept for the next time."""

    def told(done: int, total: int) -> None:
        log.progress("evaluate", done, total, "samples")

    def compute(table: PredictionsFile | None) -> Evaluation:
        return score(predictor, samples, predictions=table, on_progress=told)

    return score_once(compute, predictor.task, to, predictions=predictions)


def _labelled(plan: Plan, split: str) -> Labelled:
    """The raw samples of a split."""
    payloads = {record.key: record.payload for record in plan.records.items}
    owners = plan.data.owners[plan.data.firsts(split)]
    keys = tuple(plan.data.keys[owner] for owner in owners)
    targets = tuple(plan.data.values[owner] for owner in owners)
    return Labelled(split, keys, tuple(payloads[key] for key in keys), targets, plan.target_kind)


@span("reloading")
def answers_in_memory(training: TrainContext, *, exact: bool) -> dict[str, np.ndarray]:
    """The outputs (rows, ...) of the first RELOADED rows of val, by the network as it was trained; teacher-forced where
    its head is fed targets.

    What is frozen was computed in the run's engine, which is held against stock layers; where that is not `exact`, the
    network computes it again.
    """
    seen = training.source.latest("val") if exact else training.source.plain(0, "val")
    network, count = training.fast, min(RELOADED, seen.samples.count)
    row_bytes = bytes_a_row(seen.samples.take(0, np.arange(1)))
    run = forward(network, seen.start, len(network.stages))
    fed = score_step(network, seen.start, training.task) if isinstance(training.task, FeedsTargets) else None
    parts = []
    for rows, mask in batches(np.arange(count), min(count, rows_within(row_bytes, RELOADED))):
        tensors = seen.samples.take(0, rows)
        outputs = run(tensors) if fed is None else fed(tensors, take(training.targets["val"], rows)).outputs
        parts.append(take(outputs, mask > 0))
    return filled_together(parts)


@span("reloading")
def reloaded_answers(predictor: Predictor, val: Labelled, count: int) -> dict[str, np.ndarray]:
    """What a reloaded artefact gives for the first `count` samples of val, from the raw samples on."""
    first = slice(0, count)
    if predictor.score is None:
        return predictor.outputs(val.payloads[first])
    values, parts, done = val.values(first), [], 0
    for answered in predictor.answer(val.payloads[first]):
        rows, owners = answered.rows, answered.rows.owners + done
        targets = predictor.task.encode([values[of] for of in owners], rows.facts, [val.keys[of] for of in owners])
        parts.append(predictor.score(rows.tensors, targets).outputs)
        done += len(answered.facts)
    return filled_together(parts)


def moved_when_reloaded(artefact: Artefact, val: Labelled) -> dict[str, float]:
    """How far rounding alone moves what `reloaded_answers` are, of stock layers."""
    compute = partial(reloaded_answers, artefact.predictor, val, RELOADED)
    return moved_by_weights(artefact.network.stages[1:], compute, compute())


@span("reloading")
def verify_reload(
    expected: Mapping[str, np.ndarray],
    reloaded: Mapping[str, np.ndarray],
    artefact: Path,
    moved: Callable[[], Mapping[str, float]] = dict,
) -> None:
    """A run is done only after its artefact answers val, from the raw samples on, as the network in memory does.

    `moved` is asked where an output is further off than TOLERANCE: how far rounding alone moves each of them, which is
    allowed as `verify_equal` allows it to engines. Raises HeadstartError naming the output and the difference.
    """
    for name, reference in expected.items():
        scale = max(1.0, float(reference.std()))
        allowed = TOLERANCE * scale
        found = reloaded[name][tuple(map(slice, reference.shape))]  # which is padded where rows differ in length
        off = np.abs(found.astype(np.float64) - reference)
        difference = float(off.max())
        if difference > allowed and np.sqrt(np.mean(off**2)) <= allowed:
            allowed = max(allowed, min(MOVES * moved().get(name, 0.0), FLOAT32_MOST * scale))
        if not difference <= allowed:
            raise HeadstartError(
                f"the reloaded artefact answers differently: output {name!r} is off by {difference:.3g}, "
                f"allowed {allowed:.3g}; {artefact} must not be used",
                hint="please report this: a weight is missing from the artefact, or a layer's state is",
            )
