"""The stations of a run after its plan: train, write the artefact, reload it, evaluate, conclude."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.artefact import Artefact, Blueprint, write_artefact
from headstart.atomic import write_file
from headstart.data.split_file import write_split
from headstart.engine.calibrate import initialise
from headstart.engine.checkpoints import Checkpoints
from headstart.engine.choosing import plain as plain_choice
from headstart.engine.compute import forward
from headstart.engine.feature_store import FeatureStore
from headstart.engine.graft import verify_ranges
from headstart.engine.learning import learning_of
from headstart.engine.phases import run_phases
from headstart.engine.precision import FLOAT32
from headstart.engine.reestimate import reestimate
from headstart.engine.source import Source
from headstart.engine.stages import assign_arrays, name_variables
from headstart.engine.training import PhaseResult, Training, training_precision
from headstart.environment import describe, versions
from headstart.errors import HeadstartError
from headstart.eventlog import EventLog, now
from headstart.events import BatchNormReestimated, RunFinished, RunStarted
from headstart.predictor import Predictor
from headstart.recipe import Recipe
from headstart.recipes.file import write_recipe
from headstart.runs.calibration import calibrated, calibration_facts
from headstart.runs.engines import EngineRoom
from headstart.runs.evaluation import Labelled, Scored, measure, plain, score, write_predictions
from headstart.runs.folder import RunFolder
from headstart.runs.planning import Plan, preprocess_of
from headstart.runs.resuming import Resumed
from headstart.specs import Backbone, FitsTargets, WeightsSpec
from headstart.timing import Stopwatch
from headstart.weights.source import load_arrays

RELOADED = 32
"""Samples of val whose answers are compared after the artefact was reloaded."""
TOLERANCE = 1e-4
"""Of max(1, standard deviation): design.md, section 4."""
CALIBRATION_SAMPLES = 32
REESTIMATED = "re-estimated"


def open_run(plan: Plan, room: EngineRoom, folder: RunFolder, log: EventLog, *, reestimated: int = 0) -> None:
    """Write what is known before training: recipe, split, environment; say what starts and what to mind."""
    write_recipe(_pinned(plan.resolved.recipe, room), folder.recipe)
    write_split(plan.data.split, folder.split)
    chosen = room.chosen
    recipe = plan.resolved.recipe
    facts = {
        **describe(plan.registry, plan.backend, precision=chosen.precision, threads=chosen.threads),
        "training_precision": training_precision(recipe.training_precision, chosen.precision),
        "batch_norm": recipe.batch_norm,
    }
    _write_json(folder.environment, facts)
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
            classes=tuple(plan.task.labels().get("classes", ())),
            samples=plan.samples(),
            parameters={"total": count_parameters(plan), "trainable": count_learned(plan)},
            phases=tuple(phase.name for phase in plan.phases),
        )
    )
    if reestimated:
        log.emit(BatchNormReestimated(time=now(), layers=reestimated, samples=plan.samples()["train"]))
    for warning in plan.warnings:
        log.warn(warning)


def _pinned(recipe: Recipe, room: EngineRoom) -> Recipe:
    """The recipe with what was chosen for this machine, so that a run that goes on computes as it began."""
    chosen = room.chosen
    return dataclasses.replace(
        recipe,
        engine=chosen.engine.name,
        precision=chosen.precision,
        training_precision=training_precision(recipe.training_precision, chosen.precision),
        threads=chosen.threads,
    )


def conclude(
    plan: Plan,
    room: EngineRoom,
    folder: RunFolder,
    log: EventLog,
    clock: Stopwatch,
    *,
    resumed: Resumed | None = None,
) -> None:
    """Train, write and reload the artefact, evaluate through it, and say how it went."""
    training = training_of(plan, room, folder, log, clock, resumed)
    with clock.measure("phases"):
        results = run_phases(plan.phases, training, resumed.loaded if resumed else None)
    task, calibration = calibrated(plan.task, training.targets["val"], results[-1].answers)
    plan = dataclasses.replace(plan, task=task)
    _write_artefact(plan, folder)
    with clock.measure("evaluate"):
        artefact = Artefact.load(folder.artefact, registry=plan.registry)
        refitted = results[-1].refit  # then the head has seen val: its answers there prove the reload and nothing else
        samples = [_labelled(plan, "val", RELOADED if refitted else None), _labelled(plan, "test")]
        scored = _evaluate(samples, room.predictor(artefact, sum(len(each.keys) for each in samples)), log)
        expected = answers_in_memory(training, exact=room.chosen.precision == FLOAT32)
        verify_reload(expected, scored[0], artefact.path)
    if refitted:
        scored = scored[1:]
    write_predictions(folder.predictions, plan.task, scored)
    result = {
        **_result(plan, folder, scored, results, log=log, clock=clock),
        "calibration": plain(_calibration(plan, calibration, scored)),
        "resumed": list(resumed.places) if resumed else [],
        "engine": plain_choice(room.chosen),
    }
    _write_json(folder.result, result)
    log.emit(RunFinished(time=now(), result=result))
    log.sync()


def weights_name(plan: Plan) -> str:
    """How the recipe names the weights that were taken."""
    weights = plan.resolved.weights
    return weights.name if isinstance(weights, WeightsSpec) else str(weights or "none")


def count_parameters(plan: Plan) -> int:
    """Every number in the network's weights, statistics included."""
    return sum(int(np.prod(variable.shape)) for variable in name_variables(plan.network.learned).values())


def count_learned(plan: Plan, results: Sequence[PhaseResult] = ()) -> int:
    """The numbers that learn in any of the phases; those of an adapter are its factors, not the kernels below them.

    Of a phase that picks its stages, those of all from which it may pick, until `results` say which it picked.
    """
    recipe = plan.resolved.recipe
    learned: dict[str, int] = {}
    ran = {result.phase: result.learned for result in results}
    for planned in plan.phases:
        phase = dataclasses.replace(planned, train=ran.get(planned.name, planned.train))
        found = learning_of(plan.network, phase, seed=recipe.seed, batch_norm=recipe.batch_norm)
        learned |= {name: int(np.prod(variable.shape)) for name, variable in found.trainable.items()}
    return sum(learned.values())


def load_weights(plan: Plan) -> int:
    """Give the backbone its weights: the published ones, a file's, or calibrated random ones; check a first batch.

    Returns of how many BatchNorm layers the statistics were estimated again, on the training split.
    """
    resolved, stages = plan.resolved, plan.network.backbone
    rows = plan.data.indices("train")[:CALIBRATION_SAMPLES]
    batch = forward(plan.network, 0, 1)({name: array[rows] for name, array in plan.data.tensors.items()})
    verify_ranges(batch, plan.kind.output_ranges)
    if resolved.weights is None:
        initialise(stages, batch, resolved.recipe.seed)
    else:
        arrays = load_arrays(resolved.weights, resolved.backbone, backbone=Backbone(stages), registry=plan.registry)
        assign_arrays(stages, arrays, source=weights_name(plan))
    if resolved.recipe.batch_norm != REESTIMATED:
        return 0
    return reestimate(plan.network, plan.data.tensors, plan.data.indices("train"))


def training_of(
    plan: Plan, room: EngineRoom, folder: RunFolder, log: EventLog, clock: Stopwatch, resumed: Resumed | None
) -> Training:
    """What the phases of a run share."""
    recipe = plan.resolved.recipe
    targets = {split: plan.targets(split) for split in ("train", "val")}
    chances = plan.task.chances(targets["train"]) if isinstance(plan.task, FitsTargets) else None
    if resumed is not None:
        clock.add(resumed.loaded.facts["seconds"])
    source = Source(
        network=room.fast,
        data=plan.data,
        view=plan.view,
        view_key=_view_key(plan),
        open=room.open,
        store=FeatureStore(room.prefixes.cache, folder.scratch, room.warn),
        told=lambda done, total: log.progress("features", done, total, "samples"),
        clock=clock,
        chances=chances,
    )
    return Training(
        network=plan.network,
        fast=room.fast,
        task=plan.task,
        source=source,
        targets=targets,
        seed=recipe.seed,
        batch_size=recipe.batch_size,
        log=log,
        checkpoints=resumed.checkpoints if resumed else Checkpoints(folder.checkpoints),
        precision=training_precision(recipe.training_precision, room.chosen.precision),
        chances=chances,
        batch_norm=recipe.batch_norm,
        checkpoint_every=recipe.checkpoint_every,
        elapsed=clock.sums,
    )


def _calibration(plan: Plan, facts: Mapping[str, Any], scored: Sequence[Scored]) -> Mapping[str, Any]:
    """What calibrating came to on val, and what it is worth on the splits that nothing was chosen on."""
    found = {one.split: calibration_facts(plan.task, one.targets, one.outputs) for one in scored if one.split != "val"}
    return {**facts, **{split: each for split, each in found.items() if each}}


def _view_key(plan: Plan) -> dict[str, Any]:
    """How training samples vary, as plain values."""
    resolved = plan.resolved
    return {
        "augmentations": [
            [spec.name, dataclasses.asdict(resolved.options_of("augmentation", spec))]
            for spec in resolved.augmentations
        ],
        "symmetries": sorted(plan.records.symmetries),
        "seed": resolved.recipe.seed,
    }


def blueprint_of(plan: Plan) -> Blueprint:
    """What the run's network is built from again."""
    resolved = plan.resolved
    return Blueprint(
        backbone=plan.registry.builder_of(resolved.backbone),
        backbone_options=resolved.options["backbone"],
        input=resolved.input,
        input_options=resolved.options["input"],
        preprocess=preprocess_of(resolved),
        task=resolved.task,
        task_options=resolved.options["task"],
        head=resolved.head,
        labels=plan.task.labels(),
    )


def _write_artefact(plan: Plan, folder: RunFolder) -> None:
    resolved, weights = plan.resolved, plan.resolved.weights
    facts = {
        "versions": versions(),
        "backend": plan.backend,
        "source": {
            "weights": weights_name(plan) if isinstance(weights, WeightsSpec) else "file" if weights else "none",
            "licence": weights.licence if isinstance(weights, WeightsSpec) else resolved.backbone.licence,
        },
    }
    write_artefact(folder.artefact, blueprint_of(plan), plan.network, facts=facts)


def _labelled(plan: Plan, split: str, count: int | None = None) -> Labelled:
    """The raw samples of a split, or the first `count` of them."""
    payloads = {record.key: record.payload for record in plan.records.items}
    rows = plan.data.indices(split)[:count]
    keys = tuple(plan.data.keys[row] for row in rows)
    labels = tuple(plan.data.targets[row] for row in rows)
    return Labelled(split, keys, tuple(payloads[key] for key in keys), labels)


def answers_in_memory(training: Training, *, exact: bool) -> dict[str, np.ndarray]:
    """The outputs (rows, ...) of the first RELOADED samples of val, by the network as it was trained.

    What is frozen was computed in the run's engine, which is held against stock layers; where that is not `exact`, the
    network computes it again.
    """
    seen = training.source.latest("val") if exact else training.source.plain(0, "val")
    rows = np.arange(min(RELOADED, seen.samples.count))
    return forward(training.fast, seen.start, len(training.fast.stages))(seen.samples.take(0, rows))


def verify_reload(expected: Mapping[str, np.ndarray], reloaded: Scored, artefact: Path) -> None:
    """A run is done only after its artefact answers val, from the raw samples on, as the network in memory does.

    Raises HeadstartError naming the output and the difference.
    """
    for name, reference in expected.items():
        allowed = TOLERANCE * max(1.0, float(reference.std()))
        difference = float(np.abs(reloaded.outputs[name][: len(reference)] - reference).max())
        if not difference <= allowed:
            raise HeadstartError(
                f"the reloaded artefact answers differently: output {name!r} is off by {difference:.3g}, "
                f"allowed {allowed:.3g}; {artefact} must not be used",
                hint="please report this: a weight is missing from the artefact, or a layer's state is",
            )


def _evaluate(samples: Sequence[Labelled], predictor: Predictor, log: EventLog) -> list[Scored]:
    return [
        score(predictor, each, lambda done, total: log.progress("evaluate", done, total, "samples")) for each in samples
    ]


def _result(
    plan: Plan,
    folder: RunFolder,
    scored: list[Scored],
    results: list[PhaseResult],
    *,
    log: EventLog,
    clock: Stopwatch,
) -> dict[str, Any]:
    resolved = plan.resolved
    measured = measure(plan.task, scored)
    last = results[-1]
    if last.refit:
        measured["metrics"] = {"val": plain(last.best), **measured["metrics"]}  # from before it was refitted
    features = clock.seconds("features")
    return {
        "run": str(folder.path),
        "backend": plan.backend,
        "task": resolved.task.short_name,
        "backbone": resolved.backbone.name,
        "weights": weights_name(plan),
        "strategy": resolved.strategy.short_name,
        "primary_metric": plan.task.primary_metric,
        "higher_is_better": plan.task.higher_is_better,
        "classes": list(plan.task.labels().get("classes", ())),
        "samples": plan.samples(),
        "metrics": measured["metrics"],
        "intervals": measured["intervals"],
        "baseline": plain(plan.task.baseline(plan.targets("train"), plan.targets("test"))),
        "parameters": {
            "total": count_parameters(plan),
            "trainable": count_learned(plan, results),
        },
        "phases": [plain(result.facts()) for result in results],
        "refit": last.refit,
        "report": measured["report"],
        "split_hash": plan.data.split.hash,
        "seconds": {
            "total": clock.total,
            "features": features,
            "train": clock.seconds("phases") - features,
            "evaluate": clock.seconds("evaluate"),
        },
        "warnings": list(log.warnings),
    }


def _write_json(path: Path, document: Any) -> None:
    text = json.dumps(plain(document), indent=2, allow_nan=False, ensure_ascii=False)
    write_file(path, (text + "\n").encode("utf-8"))
