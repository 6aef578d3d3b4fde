"""Lowering: the same network in faster, numerically equal layers for the backend at hand.

A lowered layer holds its stock layer and owns no variables, so both networks share every weight: training one trains
the other, and names are read from the stock one. The artefact and the Predictor know stock layers only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import keras

from headstart.engine.network import Network
from headstart.errors import PluginError
from headstart.specs import LoweringSpec, Stage

if TYPE_CHECKING:
    from headstart.registry import Registry

Rule = Callable[[keras.Layer], keras.Layer | None]
Warn = Callable[[str], None]


def rules_for(backend: str, registry: Registry, warn: Warn | None = None) -> dict[str, Rule]:
    """The rule for each layer class, by name, on `backend`; the first offered counts.

    `warn` hears of rules that fail: their layers stay stock ones, since the answers are the same. Without it a
    PluginError is raised.
    """
    rules: dict[str, Rule] = {}
    offered: tuple[LoweringSpec, ...] = registry.specs("lowerings")
    for spec in offered:
        if backend in spec.backends and spec.layer not in rules:
            with _told(warn):
                rules[spec.layer] = _careful(registry.load_target(spec, spec.build), warn)
    return rules


def _careful(rule: Rule, warn: Warn | None) -> Rule:
    """`rule`, but off from its first failure on."""
    working = [rule]

    def lowered(layer: keras.Layer) -> keras.Layer | None:
        for each in working:
            with _told(warn):
                return each(layer)
            working.clear()
        return None

    return lowered


@contextlib.contextmanager
def _told(warn: Warn | None) -> Iterator[None]:
    try:
        yield
    except PluginError as exc:
        if warn is None:
            raise
        warn(f"{exc.message}; the stock layers are used")


def lower(network: Network, rules: Mapping[str, Rule]) -> Network:
    """`network` with every layer that a rule knows in its lowered form; stages without one stay the same object."""
    return replace(network, stages=tuple(_lower_stage(stage, rules) for stage in network.stages))


def _lower_stage(stage: Stage, rules: Mapping[str, Rule]) -> Stage:
    lowered = {id(layer): _lowered(layer, rules) for layer in stage.model.layers}
    if all(lowered[id(layer)] is layer for layer in stage.model.layers):
        return stage
    model = keras.models.clone_model(stage.model, clone_function=lambda node: lowered.get(id(node), node))
    return Stage(stage.name, model)


def _lowered(layer: keras.Layer, rules: Mapping[str, Rule]) -> keras.Layer:
    """Rules are for exactly the class they name: a subclass may compute something else."""
    rule = rules.get(type(layer).__name__)
    is_stock = type(layer) is getattr(keras.layers, type(layer).__name__, None)
    return (rule(layer) or layer) if rule is not None and is_stock else layer
