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
from headstart.engine.frozen import count_trainable
from headstart.engine.graft import verify_ranges
from headstart.engine.phases import run_phases
from headstart.engine.precision import FLOAT32
from headstart.engine.source import Source
from headstart.engine.stages import assign_arrays, name_variables
from headstart.engine.training import PhaseResult, Training, training_precision
from headstart.environment import describe, versions
from headstart.errors import HeadstartError
from headstart.eventlog import EventLog, now
from headstart.events import RunFinished, RunStarted
from headstart.predictor import Predictor
from headstart.recipe import Recipe
from headstart.recipes.file import write_recipe
from headstart.runs.engines import EngineRoom
from headstart.runs.evaluation import Labelled, Scored, measure, plain, score, write_predictions
from headstart.runs.folder import RunFolder
from headstart.runs.planning import Plan, preprocess_of
from headstart.specs import Backbone, WeightsSpec
from headstart.timing import Stopwatch
from headstart.weights.source import load_arrays

RELOADED = 32
"""Samples of val whose answers are compared after the artefact was reloaded."""
TOLERANCE = 1e-4
"""Of max(1, standard deviation): design.md, section 4."""
CALIBRATION_SAMPLES = 32


def open_run(plan: Plan, room: EngineRoom, folder: RunFolder, log: EventLog) -> None:
    """Write what is known before training: recipe, split, environment; say what starts and what to mind."""
    write_recipe(_pinned(plan.resolved.recipe, room), folder.recipe)
    write_split(plan.data.split, folder.split)
    chosen = room.chosen
    facts = describe(plan.registry, plan.backend, precision=chosen.precision, threads=chosen.threads)
    _write_json(folder.environment, facts)
    learned = {stage for phase in plan.phases for stage in phase.train}
    counts = count_trainable(plan.network, tuple(learned))
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
            parameters={"total": count_parameters(plan), "trainable": sum(counts.values())},
            phases=tuple(phase.name for phase in plan.phases),
        )
    )
    for warning in plan.warnings:
        log.warn(warning)


def _pinned(recipe: Recipe, room: EngineRoom) -> Recipe:
    """The recipe with what was chosen for this machine, so that a run that goes on computes as it began."""
    chosen = room.chosen
    return dataclasses.replace(recipe, engine=chosen.engine.name, precision=chosen.precision, threads=chosen.threads)


def conclude(plan: Plan, room: EngineRoom, folder: RunFolder, log: EventLog, clock: Stopwatch) -> None:
    """Train, write and reload the artefact, evaluate through it, and say how it went."""
    training = _training(plan, room, folder, log, clock)
    with clock.measure("phases"):
        results = run_phases(plan.phases, training)
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
    result = {**_result(plan, folder, scored, results, log=log, clock=clock), "engine": plain_choice(room.chosen)}
    _write_json(folder.result, result)
    log.emit(RunFinished(time=now(), result=result))


def weights_name(plan: Plan) -> str:
    """How the recipe names the weights that were taken."""
    weights = plan.resolved.weights
    return weights.name if isinstance(weights, WeightsSpec) else str(weights or "none")


def count_parameters(plan: Plan) -> int:
    """Every number in the network's weights, statistics included."""
    return sum(int(np.prod(variable.shape)) for variable in name_variables(plan.network.learned).values())


def load_weights(plan: Plan) -> None:
    """Give the backbone its weights: the published ones, a file's, or calibrated random ones; check a first batch."""
    resolved, stages = plan.resolved, plan.network.backbone
    rows = plan.data.indices("train")[:CALIBRATION_SAMPLES]
    batch = forward(plan.network, 0, 1)({name: array[rows] for name, array in plan.data.tensors.items()})
    verify_ranges(batch, plan.kind.output_ranges)
    if resolved.weights is None:
        initialise(stages, batch, resolved.recipe.seed)
        return
    arrays = load_arrays(resolved.weights, resolved.backbone, backbone=Backbone(stages), registry=plan.registry)
    assign_arrays(stages, arrays, source=weights_name(plan))


def _training(plan: Plan, room: EngineRoom, folder: RunFolder, log: EventLog, clock: Stopwatch) -> Training:
    recipe = plan.resolved.recipe
    source = Source(
        network=room.fast,
        data=plan.data,
        view=plan.view,
        view_key=_view_key(plan),
        open=room.open,
        store=FeatureStore(room.prefixes.cache, folder.scratch, log.warn),
        told=lambda done, total: log.progress("features", done, total, "samples"),
        clock=clock,
    )
    return Training(
        network=plan.network,
        fast=room.fast,
        task=plan.task,
        source=source,
        targets={split: plan.targets(split) for split in ("train", "val")},
        seed=recipe.seed,
        batch_size=recipe.batch_size,
        log=log,
        checkpoints=Checkpoints(folder.checkpoints),
        precision=training_precision(room.chosen.precision),
    )


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
    learned = tuple({stage for phase in plan.phases for stage in phase.train})
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
            "trainable": sum(count_trainable(plan.network, learned).values()),
        },
        "phases": [plain(dataclasses.asdict(result)) for result in results],
        "refit": last.refit,
        "report": measured["report"],
        "split_hash": plan.data.split.hash,
        "resumed": [],
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
