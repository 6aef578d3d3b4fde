"""The stations of a run once it is open: train, write the artefact, reload it, evaluate, conclude."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.artefact import Artefact
from headstart.documents import plain
from headstart.engine.batch import take
from headstart.engine.device import forward, score_step
from headstart.engine.features.extractor import FeatureExtractor
from headstart.engine.network.saved import save_network
from headstart.engine.precision import FLOAT32
from headstart.engine.train.context import TrainContext
from headstart.engine.train.phases import run_phases
from headstart.environment import versions
from headstart.errors import HeadstartError
from headstart.eventlog import EventLog, now
from headstart.events import RunFinished
from headstart.predictor import BATCH, Predictor
from headstart.runs.evaluation import Labelled, documents, open_predictions, score
from headstart.runs.folder import RunFolder, write_document
from headstart.runs.opening import count_learned, count_parameters, training_of
from headstart.runs.planning import Plan
from headstart.runs.resuming import Resumed
from headstart.specs import Calibrates, Evaluation, FeedsTargets, Generates, WeightsSpec
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
    last = results[-1]
    if isinstance(plan.task, Calibrates) and last.found:
        plan = dataclasses.replace(plan, task=plan.task.calibrated(last.found))
    resolved, weights = plan.resolved, plan.resolved.weights
    facts = {
        "versions": versions(),
        "backend": plan.backend,
        "source": {
            "weights": plan.weights_name if isinstance(weights, WeightsSpec) else "file" if weights else "none",
            "licence": weights.licence if isinstance(weights, WeightsSpec) else resolved.backbone.licence,
        },
    }
    save_network(folder.artefact, plan.blueprint(), plan.network, facts=facts)
    with clock.measure("evaluate"):
        artefact = Artefact.load(folder.artefact, registry=plan.registry)
        val, test = _labelled(plan, "val"), _labelled(plan, "test")
        samples = [test] if last.refit else [val, test]  # a head that was refitted has seen val
        predictor = predictor_of(extractor, artefact)
        expected = answers_in_memory(training, exact=extractor.decided.precision == FLOAT32)
        verify_reload(expected, reloaded_answers(predictor, val), artefact.path)
        with open_predictions(folder.predictions, plan.task) as predictions:
            scored = {
                each.split: score(
                    predictor,
                    each,
                    predictions=predictions,
                    on_progress=lambda done, total: log.progress("evaluate", done, total, "samples"),
                )
                for each in samples
            }
    # of a head that was refitted: as val chose it, and by what the task learned from those answers
    before = {"val": Evaluation(**last.before_refit)} if last.refit else {}
    calibrated = {split: each.calibration for split, each in {**before, **scored}.items() if each.calibration}
    measured = documents(scored)
    features = clock.seconds("features")
    result = {
        "run": str(folder.path),
        "backend": plan.backend,
        "task": resolved.task.short_name,
        "backbone": resolved.backbone.name,
        "weights": plan.weights_name,
        "strategy": resolved.strategy.short_name,
        "primary_metric": plan.task.primary_metric,
        "higher_is_better": plan.task.higher_is_better,
        "classes": list(plan.task.summary().get("classes", ())),
        "samples": plan.samples(),
        "metrics": documents({**before, **scored})["metrics"],
        "intervals": measured["intervals"],
        "baseline": plain(plan.task.baseline(plan.targets_once("train"), plan.targets_once("test"))),
        "parameters": {"total": count_parameters(plan), "trainable": count_learned(plan, results)},
        "phases": [plain(each.facts()) for each in results],
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
        "calibration": plain({**last.found, **calibrated}),  # what val told, and what it is worth by split
        "resumed": list(resumed.places) if resumed else [],
        "engine": extractor.decided.result(),
    }
    write_document(folder.result, result)
    log.emit(RunFinished(time=now(), result=result))
    log.sync()


def predictor_of(extractor: FeatureExtractor, artefact: Artefact) -> Predictor:
    """What answers about raw samples with a reloaded artefact.

    Where the run decided that its engine is worth an export, the backbone runs as a graph of the artefact's own stock
    layers, held against them on real samples first. The head runs on the backend.
    """
    if not extractor.decided.exports or isinstance(artefact.task, FeedsTargets | Generates):
        return artefact.predictor
    network = artefact.network
    stop = len(network.stages) - 1
    backbone = extractor.of_artefact(network, artefact.path, BATCH).open(stop).compiled
    head = forward(network, stop, stop + 1)
    return dataclasses.replace(artefact.predictor, forward=lambda batch: head(backbone(batch)))


def _labelled(plan: Plan, split: str) -> Labelled:
    """The raw samples of a split."""
    payloads = {record.key: record.payload for record in plan.records.items}
    owners = plan.data.owners[plan.data.firsts(split)]
    keys = tuple(plan.data.keys[owner] for owner in owners)
    targets = tuple(plan.data.values[owner] for owner in owners)
    return Labelled(split, keys, tuple(payloads[key] for key in keys), targets, plan.target_kind)


def answers_in_memory(training: TrainContext, *, exact: bool) -> dict[str, np.ndarray]:
    """The outputs (rows, ...) of the first RELOADED rows of val, by the network as it was trained; teacher-forced where
    its head is fed targets.

    What is frozen was computed in the run's engine, which is held against stock layers; where that is not `exact`, the
    network computes it again.
    """
    seen = training.source.latest("val") if exact else training.source.plain(0, "val")
    rows = np.arange(min(RELOADED, seen.samples.count))
    tensors, network = seen.samples.take(0, rows), training.fast
    if isinstance(training.task, FeedsTargets):
        return dict(
            score_step(network, seen.start, training.task)(tensors, take(training.targets["val"], rows)).outputs
        )
    return forward(network, seen.start, len(network.stages))(tensors)


def reloaded_answers(predictor: Predictor, val: Labelled) -> dict[str, np.ndarray]:
    """What a reloaded artefact gives for the first RELOADED samples of val, from the raw samples on."""
    first = slice(0, RELOADED)
    if predictor.score is None:
        return predictor.outputs(val.payloads[first])
    (answered,) = predictor.answer(val.payloads[first])
    rows, values = answered.rows, val.values(first)
    keys = [val.keys[of] for of in rows.owners]
    targets = predictor.task.encode([values[of] for of in rows.owners], rows.facts, keys)
    return dict(predictor.score(rows.tensors, targets).outputs)


def verify_reload(expected: Mapping[str, np.ndarray], reloaded: Mapping[str, np.ndarray], artefact: Path) -> None:
    """A run is done only after its artefact answers val, from the raw samples on, as the network in memory does.

    Raises HeadstartError naming the output and the difference.
    """
    for name, reference in expected.items():
        allowed = TOLERANCE * max(1.0, float(reference.std()))
        found = reloaded[name][tuple(map(slice, reference.shape))]  # which is padded where rows differ in length
        difference = float(np.abs(found - reference).max())
        if not difference <= allowed:
            raise HeadstartError(
                f"the reloaded artefact answers differently: output {name!r} is off by {difference:.3g}, "
                f"allowed {allowed:.3g}; {artefact} must not be used",
                hint="please report this: a weight is missing from the artefact, or a layer's state is",
            )
