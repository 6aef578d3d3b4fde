"""The stations of a run once it is open: train, write the artefact, reload it, evaluate, conclude."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.artefact import Artefact
from headstart.engine.compute import forward
from headstart.engine.features.extractor import FeatureExtractor
from headstart.engine.network.saved import save_network
from headstart.engine.phases import run_phases
from headstart.engine.precision import FLOAT32
from headstart.engine.training import PhaseResult, Training
from headstart.environment import versions
from headstart.errors import HeadstartError
from headstart.eventlog import EventLog, now
from headstart.events import RunFinished
from headstart.predictor import Predictor
from headstart.runs.calibration import calibrated, calibration_facts
from headstart.runs.engines import predictor_of
from headstart.runs.evaluation import Labelled, Scored, measure, plain, score, write_predictions
from headstart.runs.facts import blueprint_of, count_learned, count_parameters, weights_name, write_document
from headstart.runs.folder import RunFolder
from headstart.runs.opening import training_of
from headstart.runs.planning import Plan
from headstart.runs.resuming import Resumed
from headstart.specs import WeightsSpec
from headstart.timing import Stopwatch

RELOADED = 32
"""Samples of val whose answers are compared after the artefact was reloaded."""
TOLERANCE = 1e-4
"""Of max(1, standard deviation): design.md, section 4."""


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
    task, calibration = calibrated(plan.task, training.targets["val"], results[-1].answers)
    plan = dataclasses.replace(plan, task=task)
    _write_artefact(plan, folder)
    with clock.measure("evaluate"):
        artefact = Artefact.load(folder.artefact, registry=plan.registry)
        refitted = results[-1].refit  # then the head has seen val: its answers there prove the reload and nothing else
        samples = [_labelled(plan, "val", RELOADED if refitted else None), _labelled(plan, "test")]
        scored = _evaluate(samples, predictor_of(extractor, artefact), log)
        expected = answers_in_memory(training, exact=extractor.decided.precision == FLOAT32)
        verify_reload(expected, scored[0], artefact.path)
    if refitted:
        scored = scored[1:]
    write_predictions(folder.predictions, plan.task, scored)
    result = {
        **_result(plan, folder, scored, results, log=log, clock=clock),
        "calibration": plain(_calibration(plan, calibration, scored)),
        "resumed": list(resumed.places) if resumed else [],
        "engine": extractor.decided.result(),
    }
    write_document(folder.result, result)
    log.emit(RunFinished(time=now(), result=result))
    log.sync()


def _calibration(plan: Plan, facts: Mapping[str, Any], scored: Sequence[Scored]) -> Mapping[str, Any]:
    """What calibrating came to on val, and what it is worth on the splits that nothing was chosen on."""
    found = {one.split: calibration_facts(plan.task, one.targets, one.outputs) for one in scored if one.split != "val"}
    return {**facts, **{split: each for split, each in found.items() if each}}


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
    save_network(folder.artefact, blueprint_of(plan), plan.network, facts=facts)


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


def _before_refit(plan: Plan, last: PhaseResult) -> Mapping[str, float]:
    """Metrics on val of the head that val chose: decided as on test, with what the task learned from those answers."""
    return plan.task.metrics(plan.targets("val"), last.answers) if last.answers else last.best


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
        measured["metrics"] = {"val": plain(_before_refit(plan, last)), **measured["metrics"]}
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
