"""The feature extractor of a run: its engine decided once, before anything is written, and for its answers too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.artefact import Artefact
from headstart.backend import available_threads
from headstart.cache import open_cache
from headstart.data.split_file import SPLITS
from headstart.engine.device import forward
from headstart.engine.features.decision import EngineDecision
from headstart.engine.features.export import Exporters
from headstart.engine.features.extractor import FeatureExtractor, samples_a_call
from headstart.engine.features.selection import Workload, decide
from headstart.engine.features.source import is_storable
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.saved import Blueprint
from headstart.engine.train.phases import cut_of
from headstart.predictor import BATCH, Predictor
from headstart.runs.planning import Plan
from headstart.specs import FeedsTargets, Generates

Warn = Callable[[str], None]


def open_extractor(
    plan: Plan,
    blueprint: Blueprint,
    exporters: Exporters,
    scratch: Path,
    warn: Warn,
    *,
    decision: EngineDecision | None = None,
) -> FeatureExtractor:
    """The extractor of a plan's network, its weights loaded, by the `decision` of a run that goes on or by a new one.

    Raises EngineRefusal where an engine that was named cannot run its backbone.
    """
    rows = np.resize(plan.data.indices("train"), samples_a_call())
    extractor = FeatureExtractor(
        stock=plan.network,
        fast=lowered(plan.network, plan.registry, warn),
        blueprint=blueprint,
        registry=plan.registry,
        exporters=exporters,
        cache=open_cache(warn),
        scratch=scratch,
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
    return replace(artefact.predictor, forward=lambda batch: head(backbone(batch)))
