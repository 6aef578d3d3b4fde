"""What a plan would do: which numbers learn, what is stored, and the document behind `fit --dry-run`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from headstart.data.split_file import SPLITS
from headstart.engine.features.selection import Workload
from headstart.engine.features.source import alive_shapes, bytes_a_sample, is_storable
from headstart.engine.network.stages import name_variables, summarise_stage, uncuttable
from headstart.engine.train.context import is_fresh
from headstart.engine.train.phases import cut_of
from headstart.engine.train.state import PhaseResult
from headstart.engine.train.trainable import select_trainable
from headstart.engine.train.trainer import steps_per_epoch
from headstart.lineage import as_documents
from headstart.runs.planning import Plan
from headstart.specs import Phase, Stage


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


def workload_of(plan: Plan) -> Workload:
    """The largest frozen prefix that is stored, and how many samples pass it: those of the cut of the head, and none,
    where nothing is stored; then the samples of val and test that the artefact answers about."""
    _, val, test = (len(plan.data.indices(split)) for split in SPLITS)
    head = len(plan.network.stages) - 1
    cuts = [cut_of(plan.network, phase) for phase in plan.phases]
    found = [(head, 0)]
    for phase, cut in zip(plan.phases, cuts, strict=True):
        if is_storable(plan.network, cut, plan.data):
            found.append((cut, _stored_rows(plan, phase)))
    stop, rows = max(found)
    return Workload(stop, rows, answers=val + test, changes=any(cut < head for cut in cuts))


def _stored_rows(plan: Plan, phase: Phase) -> int:
    """How many rows a phase stores at its cut: train in each of its views, and val."""
    views = 1 + phase.views if plan.view is not None else 1
    return views * len(plan.data.indices("train")) + len(plan.data.indices("val"))


def outline(plan: Plan) -> dict[str, Any]:
    """Stages, phases, trainable counts a stage, samples, steps, and what cannot be cut."""
    resolved = plan.resolved
    return {
        "data": resolved.recipe.data,
        "backend": plan.backend,
        "backbone": resolved.backbone.name,
        "weights": resolved.recipe.weights,
        "lineage": as_documents(plan.lineage),
        "input": dict(resolved.recipe.table("input")),
        "task": resolved.task.name,
        "head": resolved.head,
        "strategy": resolved.strategy.name,
        "augment": list(resolved.recipe.augment),
        "classes": list(plan.task.summary().get("classes", ())),
        "samples": plan.data.split.counts,
        "parameters": {"total": count_parameters(plan)},
        "stages": [_stage(stage) for stage in plan.network.stages],
        "phases": [_phase(plan, phase) for phase in plan.phases],
        "uncuttable": list(uncuttable(plan.network.learned)),
        "warnings": [finding.message for finding in plan.findings if finding.level == "warning"],
        "notes": [finding.message for finding in plan.findings if finding.level == "note"],
    }


def _stage(stage: Stage) -> dict[str, Any]:
    summary = summarise_stage(stage)
    return {
        "name": stage.name,
        "layers": summary.layers,
        "weights": len(name_variables([stage])),
        "parameters": summary.parameters,
        "outputs": {key: list(shape) for key, shape in summary.outputs.items()},
    }


def _phase(plan: Plan, phase: Phase) -> dict[str, Any]:
    network, recipe = plan.network, plan.resolved.recipe
    cut, rows = cut_of(network, phase), len(plan.data.indices("train"))
    trained = select_trainable(network, phase, seed=recipe.seed, batch_norm=recipe.batch_norm)
    trainable = trained.counts(network)
    gradient = phase.solver == "gradient"
    per_epoch = steps_per_epoch(rows, recipe.batch_size) * len(phase.rate_factors)
    drawn_anew = plan.view is not None and is_fresh(phase)
    stored = is_storable(network, cut, plan.data) and not drawn_anew
    kernels = trained.adapter.counts if trained.adapter else {}
    return {
        "name": phase.name,
        "solver": phase.solver,
        "optimizer": phase.optimizer if gradient else None,
        "momentum": phase.momentum,
        "epochs": phase.epochs if gradient else len(phase.strengths),
        "steps": phase.epochs * per_epoch if gradient else len(phase.strengths),
        "cut": network.names[cut],
        "stored": {name: list(shape) for name, shape in alive_shapes(network, cut).items()} if stored else {},
        "stored_bytes": _stored_rows(plan, phase) * bytes_a_sample(network, cut, plan.data) if stored else 0,
        "views": phase.views if plan.view is not None else 0,
        "trainable": trainable,
        "trainable_total": sum(trainable.values()),
        "rates": dict(phase.rates),
        "refit": phase.refit,
        "roles": list(phase.roles),
        "adapter": {**dataclasses.asdict(phase.adapter), "kernels": kernels} if phase.adapter else None,
        "pick": phase.pick,
        "warmup": phase.warmup,
        "schedule": phase.schedule if gradient else None,
        "patience": phase.patience,
        "weight_decay": phase.weight_decay,
        "clip": phase.clip,
        "l2_sp": phase.l2_sp,
        "average": phase.average,
        "rate_factors": list(phase.rate_factors),
        "wise_ft": list(phase.wise_ft),
    }
