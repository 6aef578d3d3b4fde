"""The engine of a run: chosen once, before anything is written, and used for all that is frozen and for the answers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart.artefact import Artefact
from headstart.backend import available_threads, loaded_backend
from headstart.cache import open_cache
from headstart.engine.compute import Batch, forward
from headstart.engine.features.export import Exporters
from headstart.engine.features.prefix import Opened, Prefixes, samples_a_call
from headstart.engine.features.selection import NATIVE, Choice, Chosen, choose_engine, repays
from headstart.engine.features.source import is_storable
from headstart.engine.lowering.registry import lower, rules_for
from headstart.engine.network.blueprint import Blueprint
from headstart.engine.network.network import Network
from headstart.engine.phases import cut_of
from headstart.engine.precision import FLOAT32
from headstart.errors import EngineRefusal
from headstart.predictor import BATCH, Predictor
from headstart.registry import Registry
from headstart.runs.planning import Plan
from headstart.specs import EngineSpec

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Pins:
    """What a run found out about its engines as it began, and goes on by: how many samples a second the backend's own
    computes, None where it was not measured, and whether layers are as Keras has them."""

    native_rate: float | None
    stock_layers: bool

    @classmethod
    def of(cls, environment: Path) -> Pins | None:
        """Those that environment.json holds; None where it holds none."""
        try:
            return cls(**json.loads(environment.read_text(encoding="utf-8"))["engine"])
        except (OSError, ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class EngineRoom:
    """The network's prefixes, and the engine that was chosen for them."""

    prefixes: Prefixes
    chosen: Chosen
    native: EngineSpec
    warn: Warn
    pins: Pins

    @property
    def fast(self) -> Network:
        """The network on lowered layers."""
        return self.prefixes.fast

    def open(self, cut: int) -> Opened:
        """The prefix below `cut` in the chosen engine, held against the stock network; natively where it refuses."""
        prefixes, spec = self.prefixes, self.chosen.engine
        prefixes.forget()
        try:
            opened = prefixes.open(spec, cut, self.chosen.precision)
            prefixes.measure(spec, opened, cut)
        except EngineRefusal as exc:
            if spec is self.native:
                raise
            self.warn(f"{exc.message}; the stages below {prefixes.stock.names[cut]} run natively")
            return prefixes.open(self.native, cut, FLOAT32)
        return opened

    def predictor(self, artefact: Artefact, rows: int) -> Predictor:
        """What answers about `rows` raw samples with a reloaded artefact.

        Where the run has another engine than its backend, and the samples are worth an export, the backbone runs as a
        graph of the artefact's own stock layers, held against them on real samples first. The head runs on the backend.
        """
        network, spec = artefact.network, self.chosen.engine
        stop = len(network.stages) - 1
        batch = {name: array[:BATCH] for name, array in self.prefixes.batch.items()}  # as the Predictor brings them
        prefixes = dataclasses.replace(self.prefixes, stock=network, fast=network, batch=batch, artefact=artefact.path)
        if spec is self.native or not self._is_worth(prefixes, stop, rows):
            return artefact.predictor
        chosen = dataclasses.replace(self.chosen, precision=FLOAT32)
        backbone = dataclasses.replace(self, prefixes=prefixes, chosen=chosen).open(stop).compiled
        head = forward(network, stop, stop + 1)
        return Predictor(artefact.kind, artefact.task, lambda batch: head(backbone(batch)))

    def _is_worth(self, prefixes: Prefixes, stop: int, rows: int) -> bool:
        """Whether an export of new weights pays for itself; it does where one was asked for by name."""
        spec = self.chosen.engine
        rate = self.pins.native_rate
        return rate is None or prefixes.known(spec, stop) or repays(spec, rows, rate)


def open_engine_room(
    plan: Plan, blueprint: Blueprint, exporters: Exporters, scratch: Path, warn: Warn, *, pins: Pins | None = None
) -> EngineRoom:
    """Choose the engine of a run, which goes on by `pins` where it has begun before.

    Raises EngineRefusal where one that was named cannot run its backbone.
    """
    prefixes, native = new_prefixes(plan, blueprint, exporters, scratch, warn), native_engine(plan.registry)
    cut, rows = frozen_work(plan)
    choice = Choice(plan.resolved.engine if rows else native, plan.resolved.recipe.precision, cut, rows)
    if pins is not None and pins.stock_layers:
        prefixes = dataclasses.replace(prefixes, fast=prefixes.stock)
    prefixes, chosen = _chosen(choice, prefixes, plan.registry, native)
    measured = chosen.measured.get(f"{NATIVE} {FLOAT32}")
    found = Pins(measured.rate if measured else None, prefixes.fast is prefixes.stock)
    return EngineRoom(prefixes, chosen, native, warn, pins or found)


def _chosen(choice: Choice, prefixes: Prefixes, registry: Registry, native: EngineSpec) -> tuple[Prefixes, Chosen]:
    """The engine; where the fast layers do not answer as Keras' own do on this network, its own train and compute.

    Deep networks of random weights magnify rounding beyond what is allowed.
    """
    offered = registry.specs("engines")
    try:
        found = choose_engine(choice, prefixes, offered)
        refusal = found.refused.get(f"{native.short_name} {FLOAT32}")
    except EngineRefusal as exc:
        if choice.engine not in (None, native) or prefixes.fast is prefixes.stock:
            raise
        refusal = exc.message
    if refusal is None or prefixes.fast is prefixes.stock:
        return prefixes, found
    prefixes.warn(f"{refusal}; layers as Keras has them are used instead of faster ones")
    prefixes = dataclasses.replace(prefixes, fast=prefixes.stock)
    return prefixes, choose_engine(choice, prefixes, offered)


def new_prefixes(plan: Plan, blueprint: Blueprint, exporters: Exporters, scratch: Path, warn: Warn) -> Prefixes:
    """The prefixes of a plan's network, its weights loaded."""
    return Prefixes(
        stock=plan.network,
        fast=lowered(plan.network, plan.registry, warn),
        blueprint=blueprint,
        registry=plan.registry,
        exporters=exporters,
        cache=open_cache(warn),
        scratch=scratch,
        threads=plan.resolved.recipe.threads or available_threads(),
        batch=first_samples(plan),
        warn=warn,
    )


def lowered(network: Network, registry: Registry, warn: Warn) -> Network:
    """The network on the fastest layers that are offered for this backend."""
    return lower(network, rules_for(str(loaded_backend()), registry, warn), warn)


def native_engine(registry: Registry) -> EngineSpec:
    """The engine that is always there. Raises UsageError where its plugin is disabled."""
    spec: EngineSpec = registry.get("engines", NATIVE)
    return spec


def first_samples(plan: Plan) -> Batch:
    """Prepared training samples for one call of an engine; of fewer, some come again."""
    rows = np.resize(plan.data.indices("train"), samples_a_call())
    return {name: array[rows] for name, array in plan.data.tensors.items()}


def frozen_work(plan: Plan) -> tuple[int, int]:
    """The largest frozen prefix that is stored, as its cut, and how many samples pass it; the cut of the head, 0 where
    none is."""
    samples = plan.samples()
    found = [(len(plan.network.stages) - 1, 0)]
    for phase in plan.phases:
        cut = cut_of(plan.network, phase)
        if is_storable(plan.network, cut, len(plan.data.keys)):
            views = 1 + phase.views if plan.view is not None else 1
            found.append((cut, views * samples["train"] + samples["val"]))
    return max(found)
