"""An artefact that a run just wrote, reloaded: it is shown to answer as the network in memory does, and scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from headstart.artefact import Artefact
from headstart.data.order import batches
from headstart.engine.batch import bytes_a_row, filled_together, rows_within, take
from headstart.engine.device import compiles_each_shape, forward, score_step
from headstart.engine.features.extractor import FLOAT32_MOST, MOVES, FeatureExtractor
from headstart.engine.features.rounding import moved_by_weights
from headstart.engine.in_flight import Joined
from headstart.engine.precision import FLOAT32
from headstart.engine.train.context import TrainContext
from headstart.errors import EngineRefusal, HeadstartError
from headstart.predictor import Predictor, sizes_for
from headstart.runs import kept_scores
from headstart.runs.evaluation import Labelled, PredictionsFile, open_predictions, score, score_once
from headstart.runs.planning import Plan
from headstart.spans import span
from headstart.specs import EngineSpec, Evaluation, FeedsTargets, Generates

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


def proved_and_scored(
    artefact: Artefact,
    plan: Plan,
    training: TrainContext,
    extractor: FeatureExtractor,
    predictions: Path,
    *,
    refit: bool,
) -> tuple[dict[str, Evaluation], EngineSpec | None]:
    """The scores of val and test, of test alone where the head was `refit` on val, with each answer in the file
    `predictions`; and the engine in which they were answered, None for stock layers.

    Stock layers answer some samples of val first, and so does what scores, where that is another; scores of the same
    artefact and samples are taken from the cache. Raises HeadstartError where the reloaded artefact answers otherwise.
    """
    val, test = _labelled(plan, "val"), _labelled(plan, "test")
    samples = [each for each in ([test] if refit else [val, test]) if each.keys]
    expected = answers_in_memory(training, exact=extractor.decided.precision == FLOAT32)
    moved = partial(moved_when_reloaded, artefact, val)

    def verify(predictor: Predictor, count: int) -> None:
        first = {name: rows[:count] for name, rows in expected.items()}
        verify_reload(first, reloaded_answers(predictor, val, count), artefact.path, moved)

    cache, warn = extractor.place.cache, extractor.place.warn
    keys_in = kept_scores.keys_in(
        artefact.manifest["files"],
        {each.split: plan.data.split.only(each.split).rows for each in samples},
        by=kept_scores.made_by(plan.registry, plan.backend, extractor.decided.threads),
    )
    engine = answering_engine(extractor, artefact, sum(len(each.keys) for each in samples))
    for known in dict.fromkeys((engine, None)):  # none where it refused
        kept = kept_scores.found_under(cache, [keys_in(known)])
        if len(kept) == len(samples):
            # of a run that showed it on all RELOADED samples
            verify(stock_predictor(artefact, RELOADED_STOCK), RELOADED_STOCK)
            with open_predictions(predictions, plan.task) as table:
                for each in samples:
                    table.write_rows(kept[each.split].rows)
            return {each.split: kept[each.split].evaluation for each in samples}, known
    predictor = artefact.predictor
    if engine is None:
        verify(stock_predictor(artefact, RELOADED), RELOADED)
    else:
        few = RELOADED_STOCK if engine.export is None else BESIDE_GRAPH
        verify(stock_predictor(artefact, few), few)
        predictor, engine = predictor_in_engine(extractor, artefact, engine)
        verify(predictor, RELOADED)

    def told(done: int, total: int) -> None:
        training.log.progress("evaluate", done, total, "samples")

    def scores_of(each: Labelled, rows: PredictionsFile | None) -> Evaluation:
        return score(predictor, each, predictions=rows, on_progress=told)

    keys = keys_in(engine)
    with open_predictions(predictions, plan.task) as table:
        return {
            each.split: score_once(
                partial(scores_of, each),
                plan.task,
                (cache, keys[each.split], warn),
                predictions=table,
            )
            for each in samples
        }, engine


def _labelled(plan: Plan, split: str) -> Labelled:
    """The raw samples of a split."""
    payloads = {record.key: record.payload for record in plan.records.items}
    owners = plan.data.owners[plan.data.firsts(split)]
    keys = tuple(plan.data.keys[owner] for owner in owners)
    targets = tuple(plan.data.values[owner] for owner in owners)
    return Labelled(split, keys, tuple(payloads[key] for key in keys), targets, plan.target_kind)


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
    return dataclasses.replace(stock, forward=Joined(backbone, head), sizes=sizes)


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
    size = sizes_for(artefact.kind)[-1]
    try:
        opened = extractor.of_artefact(network, artefact.path, size, engine).open(stop, timed=False)
    except EngineRefusal as exc:
        extractor.place.warn(f"{exc.message}; stock layers answer instead")
        return artefact.predictor, None
    predictor = artefact.predictor.by(opened, forward(network, stop, stop + 1))
    return predictor, extractor.registry.get("engines", opened.key["engine"])


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
