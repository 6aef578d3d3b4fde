"""What a run says of itself: the name of its weights, how many numbers learn, the blueprint of its network."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from headstart.atomic import write_file
from headstart.documents import plain
from headstart.engine.network.saved import Blueprint, assets_of
from headstart.engine.network.stages import name_variables
from headstart.engine.train.state import PhaseResult
from headstart.engine.train.trainable import select_trainable
from headstart.runs.planning import Plan, preprocess_of
from headstart.specs import WeightsSpec


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
    for planned, result in zip_longest(plan.phases, results):
        phase = dataclasses.replace(planned, train=result.learned if result else planned.train)
        found = select_trainable(plan.network, phase, seed=recipe.seed, batch_norm=recipe.batch_norm)
        learned |= {name: int(np.prod(variable.shape)) for name, variable in found.variables.items()}
    return sum(learned.values())


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
        head=resolved.built_head,
        labels=plan.task.labels(),
        input_assets=assets_of(plan.kind),
        task_assets=assets_of(plan.task),
    )


def write_document(path: Path, document: Any) -> None:
    """Write plain values as JSON, in one step."""
    text = json.dumps(plain(document), indent=2, allow_nan=False, ensure_ascii=False)
    write_file(path, (text + "\n").encode("utf-8"))
