"""Frozen prefixes in engines: exported, checked on real samples and measured once; then opened from the cache."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import keras
import numpy as np

from headstart.cache import Cache
from headstart.engine.batch import count_rows, rows_within, take
from headstart.engine.device import compiles_each_shape, forward
from headstart.engine.features.decision import EngineDecision, Measured
from headstart.engine.features.export import Exporters
from headstart.engine.features.rounding import moved_by_rounding
from headstart.engine.in_flight import outputs_of
from headstart.engine.lowering.registry import device_at_hand, lowered
from headstart.engine.network.blueprint import Blueprint, describe
from headstart.engine.network.network import Network
from headstart.engine.network.saved import save_network
from headstart.engine.network.stages import read_arrays
from headstart.engine.precision import FLOAT32
from headstart.environment import processor
from headstart.errors import EngineRefusal, HeadstartError
from headstart.host.discovery import installed_release, installed_version
from headstart.registry import Registry
from headstart.spans import span
from headstart.specs import Batch, Compiled, EngineRequest, EngineSpec

CHECKED = 8
"""Real samples on which an engine is held against the stock network."""
FLOAT32_TOLERANCE = 1e-4
"""Largest difference in float32, as a share of max(1, standard deviation), where rounding does not explain more."""
MOVES = 8.0
"""What rounding explains: so many times as far as the stock network's own answers move where each of its weights moves
by one unit in the last place. An engine adds in another order, which is more than one rounding a weight."""
FLOAT32_MOST = 1e-2
"""Largest difference in float32 whatever rounding explains, as a share of max(1, standard deviation)."""
BFLOAT16_TOLERANCE = 0.1
"""Largest root mean square of the difference in bfloat16, as a share of the standard deviation. One rounding to 8 bits
costs up to 0.4 % (half of 2^-7); over fifty layers they add up. `headstart bench` shows what a backbone comes to."""


def verify_equal(
    outputs: Mapping[str, np.ndarray],
    reference: Mapping[str, np.ndarray],
    precision: str,
    *,
    moved: Callable[[], Mapping[str, float]] | None = None,
) -> tuple[float, float]:
    """Compare (batch, ...) float32 arrays by name: the largest absolute difference over all tensors, and the largest of
    their relative root mean squares. Raises EngineRefusal where names, shapes or finiteness differ, and
    with the difference and the bound where it is too large at `precision`.

    `moved` is asked where a difference in float32 is beyond FLOAT32_TOLERANCE: how far rounding alone moves each tensor
    of the reference, see `rounding.moved_by_rounding`. So many as MOVES of these are allowed to it then, as long as the
    tensor as a whole is as close as FLOAT32_TOLERANCE says and no number further away than FLOAT32_MOST.
    """
    if _shapes(outputs) != _shapes(reference):
        raise EngineRefusal(f"gives {_shapes(outputs)}, expected {_shapes(reference)}")
    apart = {name: _Apart.of(name, outputs[name], wanted) for name, wanted in reference.items()}
    largest = max((each.largest for each in apart.values()), default=0.0)
    relative = max((each.squared / max(each.deviation, 1e-12) for each in apart.values()), default=0.0)
    scale = max(1.0, max((each.deviation for each in apart.values()), default=0.0))
    bound = FLOAT32_TOLERANCE * scale
    if precision == FLOAT32 and largest > bound:
        rounding = {} if moved is None else moved()
        for name, each in apart.items():
            allowed = max(bound, min(MOVES * rounding.get(name, 0.0), FLOAT32_MOST * scale))
            if each.largest > allowed or each.squared > bound:
                raise EngineRefusal(
                    f"differs from the stock network by up to {each.largest:.3g}, allowed {allowed:.3g}"
                )
    if precision != FLOAT32 and relative > BFLOAT16_TOLERANCE:
        raise EngineRefusal(
            f"differs from the stock network by {relative:.2%} of its deviation, allowed {BFLOAT16_TOLERANCE:.0%}"
        )
    return largest, relative


@dataclass(frozen=True)
class _Apart:
    """Of one tensor the largest difference, its root mean square, and the standard deviation of the reference."""

    largest: float
    squared: float
    deviation: float

    @classmethod
    def of(cls, name: str, found: np.ndarray, wanted: np.ndarray) -> _Apart:
        off = np.abs(found.astype(np.float64) - wanted)
        if not np.isfinite(off).all():
            raise EngineRefusal(f"gives values of {name!r} that are not finite")
        return cls(float(off.max(initial=0.0)), float(np.sqrt(np.mean(off**2))), float(wanted.std()))


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


@span("hashing weights")
def identify(network: Network, stop: int, blueprint: Blueprint) -> dict[str, Any]:
    """The first `stop` stages as plain values: builders with versions and options, preprocessing, features, weights.

    The weights are one SHA-256 over names, shapes and numbers; where a cut leaves stages out, theirs do not count.
    """
    documents = describe(replace(blueprint, forms=()))  # they change what is refused, not what comes out
    stages = network.stages[:stop]
    return {
        "backbone": documents["model.json"]["backbone"],
        "input": documents["preprocess.json"],
        "features": sorted(network.taps),
        "stages": [stage.name for stage in stages],
        "weights": hash_arrays(read_arrays(stages[1:])),
    }


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 (hex) of named arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


NATIVE = "native"
BATCH = 32
"""Samples a call on a processor, fewer where they are large; the one shape that a prefix is compiled for."""
OF_ANY_LENGTH = 16
"""The same for a graph that takes rows of any length: the fewer run together, the less is computed on padding."""
ACCELERATED_BATCH = 256
"""Samples a call on a device that computes so many at once."""
TIMED = 0.2
"""Seconds for which an engine's speed is measured."""
LONG = 2.0
"""Seconds from which the first call says the speed, where nothing is compiled in it: what else it takes is little."""
FACTS = "measured.json"


@dataclass(frozen=True)
class Opened:
    """A prefix in an engine, with what a cache key needs to know about both."""

    compiled: Compiled
    key: Mapping[str, Any]
    facts: Mapping[str, Any]
    """Backbone, cut, engine and precision, for people."""
    batch_size: int
    """Samples that each call brings."""
    axes: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {})
    """The length axes of what goes in and of what comes out, of tensors that have one; see `Network.length_axes`."""
    any_length: bool = False
    """Whether batches need no static length: the network takes any, and nothing is compiled for one not met yet."""


class WhenCalled:
    """Something compiled that `build` gives when it is first called; see `headstart.specs.Compiled`."""

    def __init__(self, build: Callable[[], Compiled]) -> None:
        self._build = build

    @cached_property
    def _built(self) -> Compiled:
        return self._build()

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As what is built."""
        return self._built(batch)

    def stream(self, batches: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
        """As what is built, one after the other where that is no `Streams`."""
        return outputs_of(self._built, batches)


@dataclass
class OpenGraphs:
    """Graphs that are open, for as long as somebody else holds them: what one was opened for may ask for it again."""

    _held: WeakValueDictionary[str, Any] = field(default_factory=WeakValueDictionary, init=False)

    def shared(self, name: str, build: Callable[[], Compiled]) -> Compiled:
        """What is called so, built where it is not there."""
        found: Compiled | None = self._held.get(name)
        if found is None:
            found = build()
            with suppress(TypeError):  # it cannot be referred to weakly
                self._held[name] = found
        return found


@dataclass(frozen=True)
class Place:
    """Where an extractor keeps what it makes, and to whom it tells what is odd; `open` are its graphs."""

    cache: Cache
    scratch: Path
    threads: int
    warn: Callable[[str], None] = field(default=lambda message: None)
    open: OpenGraphs = field(default_factory=OpenGraphs)


@dataclass
class FeatureExtractor:
    """Opens the first stages of a network in an engine: in any (`open_in`), or in the one decided on (`open`).

    `stock` is the network on stock layers, the reference; `fast` the same weights on lowered layers. `blueprint` says
    how another process builds it; `batch` are real samples (batch, ...) as the network takes them, as many as each call
    will bring. `artefact` is a folder that holds these very weights, where there is one; else one is written below
    the scratch folder when it is needed.
    """

    stock: Network
    fast: Network
    blueprint: Blueprint
    registry: Registry
    exporters: Exporters
    place: Place
    batch: Batch
    artefact: Path | None = None
    decision: EngineDecision | None = None
    _identities: dict[int, dict[str, Any]] = field(default_factory=dict, init=False)
    _references: dict[int, dict[str, np.ndarray]] = field(default_factory=dict, init=False)
    _roundings: dict[int, Mapping[str, float]] = field(default_factory=dict, init=False)
    _written: Path | None = field(default=None, init=False)

    @property
    def native(self) -> EngineSpec:
        """The engine that is always there. Raises UsageError where its plugin is disabled."""
        spec: EngineSpec = self.registry.get("engines", NATIVE)
        return spec

    @property
    def has_stock_layers(self) -> bool:
        """Whether layers are as Keras has them."""
        return self.fast is self.stock

    @property
    def decided(self) -> EngineDecision:
        """The decision. Raises ValueError where there is none yet."""
        if self.decision is None:
            raise ValueError("no engine was decided on: see `headstart.engine.features.selection.decide`")
        return self.decision

    def obeying(self, decision: EngineDecision) -> FeatureExtractor:
        """The same, by a decision of before."""
        fast = self.stock if decision.stock_layers else self.fast
        return replace(self, fast=fast, place=replace(self.place, threads=decision.threads), decision=decision)

    def of_artefact(self, network: Network, folder: Path, batch_size: int, engine: EngineSpec) -> FeatureExtractor:
        """For the stock network that `folder` holds, on `batch_size` samples a call, in float32 in `engine`; on the
        layers that were decided on where that is the backend's own."""
        exact = replace(self.decided, engine=engine.name, precision=FLOAT32)
        is_lowered = not engine.export and not self.has_stock_layers
        fast = lowered(network, self.registry, self.place.warn) if is_lowered else network
        batch = take(self.batch, slice(batch_size))
        return replace(self, stock=network, fast=fast, batch=batch, artefact=folder, decision=exact)

    def open(self, cut: int, *, timed: bool = True) -> Opened:
        """The prefix below `cut` in the engine decided on, held against the stock network; natively where it refuses.

        The weights may have changed since another one was opened. Not `timed`, it is taken to be as fast as what was
        measured for the decision. Raises EngineRefusal where the native engine refuses.
        """
        decision = self.decided
        spec: EngineSpec = self.registry.get("engines", decision.engine)
        self._identities.clear()
        self._references.clear()
        self._roundings.clear()
        self._written = None
        try:
            opened = self.open_in(spec, cut, decision.precision)
            before = decision.measured.get(f"{spec.short_name} {decision.precision}")
            self.measure(spec, opened, cut, rate=None if timed or before is None else before.rate)
        except EngineRefusal as exc:
            if spec.name == self.native.name:
                raise
            self.place.warn(f"{exc.message}; the stages below {self.stock.names[cut]} run natively")
            return self.open_in(self.native, cut, FLOAT32)
        return opened

    def open_in(self, spec: EngineSpec, stop: int, precision: str) -> Opened:
        """The first `stop` stages in this engine: opened when they are first called where it is known how they do here.

        Raises EngineRefusal where it cannot run them.
        """
        size = count_rows(self.batch)
        key, facts = self._key(spec, stop, precision), self._facts(spec, stop, precision)

        @span("opening engines")
        def build() -> Compiled:
            graph = self._graph(spec, stop) if spec.export else None
            request = EngineRequest(self.fast, stop, graph, size, precision, self.place.threads)
            compiled: Compiled = self.registry.load_target(spec, spec.build)(request)
            return compiled

        if spec.export:  # it holds a graph of its own, which nothing that happens to the network changes
            build = partial(self.place.open.shared, json.dumps([key, size, self.place.threads], sort_keys=True), build)
        is_measured = self.is_measured(spec, stop, precision)
        needs_export = spec.export is not None and not self.known(spec, stop)  # which may be refused
        compiled = WhenCalled(build) if is_measured and not needs_export else build()
        axes = self.stock.length_axes(0), self.stock.length_axes(stop)
        uncompiled = bool(spec.export) or not compiles_each_shape()  # graphs have a free length
        any_length = uncompiled and self.blueprint.backbone.any_length
        brought = min(size, OF_ANY_LENGTH) if any_length and spec.export else size
        return Opened(compiled, key, facts, brought, axes, any_length)

    @span("checking engines")
    def measure(self, spec: EngineSpec, opened: Opened, stop: int, *, rate: float | None = None) -> Measured:
        """Speed and difference on `batch`; found once, then known. A `rate` in samples a second is taken as the speed.

        Raises EngineRefusal naming the engine and the difference where it is too large.
        """
        key = self._measured_as(opened.key)
        if known := self.place.cache.get("engines", key):
            return Measured(**json.loads((known / FACTS).read_text(encoding="utf-8")))
        few = slice(CHECKED)
        has_one_shape = spec.export or compiles_each_shape() or device_at_hand() != "cpu"
        batch = self.batch if has_one_shape else take(self.batch, few)  # as fast a sample, and sooner known
        started = time.perf_counter()
        checked = take(opened.compiled(batch), few)
        first = time.perf_counter() - started
        if rate is None and first >= LONG and (spec.export or not compiles_each_shape()):
            rate = count_rows(batch) / first
        try:
            if stop not in self._references:
                self._references[stop] = forward(self.stock, 0, stop)(take(self.batch, few))
            moved = partial(self._moved, stop, take(self.batch, few))
            largest, relative = verify_equal(checked, self._references[stop], str(opened.key["precision"]), moved=moved)
        except EngineRefusal as exc:
            raise EngineRefusal(f"{spec.name} {exc.message}", hint="use another engine, or --engine native") from exc
        found = Measured(_rate(opened.compiled, batch) if rate is None else rate, largest, relative)

        def write(folder: Path) -> None:
            (folder / FACTS).write_text(json.dumps(asdict(found)), encoding="utf-8")

        try:
            self.place.cache.add("engines", key, write, {**opened.facts, "samples_per_second": found.rate})
        except HeadstartError as exc:
            self.place.warn(exc.message)
        return found

    def _measured_as(self, key: Mapping[str, Any]) -> dict[str, Any]:
        """What a measurement of what `key` says is kept under."""
        here = {"machine": processor(), "threads": self.place.threads, "backend": keras.backend.backend()}
        return {**key, **here}

    def _moved(self, stop: int, samples: Batch) -> Mapping[str, float]:
        if stop not in self._roundings:
            self._roundings[stop] = moved_by_rounding(self.stock, stop, samples, self._references[stop])
        return self._roundings[stop]

    def is_measured(self, spec: EngineSpec, stop: int, precision: str) -> bool:
        """Whether it is known how this engine does here with the first `stop` stages, and so that it may run them."""
        return self.place.cache.get("engines", self._measured_as(self._key(spec, stop, precision))) is not None

    def known(self, spec: EngineSpec, stop: int) -> bool:
        """Whether the graph of `spec` is in the cache, so that opening it costs no start."""
        return spec.export is not None and self.place.cache.get("graphs", self._key(spec, stop, "any")) is not None

    def _key(self, spec: EngineSpec, stop: int, precision: str) -> dict[str, Any]:
        if stop not in self._identities:
            self._identities[stop] = identify(self.stock, stop, self.blueprint)
        return {
            "prefix": self._identities[stop],
            "engine": spec.name,
            "engine_version": spec.version,
            "versions": {
                **{name: installed_release(name) for name in spec.needs},
                "keras": keras.__version__,
                "headstart": installed_version(),
            },
            "precision": precision,
            **({} if spec.export else {"backend": keras.backend.backend(), "device": device_at_hand()}),
            **({"layers": "stock"} if self.has_stock_layers and not spec.export else {}),
        }

    def _facts(self, spec: EngineSpec, stop: int, precision: str) -> dict[str, Any]:
        backbone, cut = self.blueprint.backbone.name, self.stock.names[stop]
        return {"backbone": backbone, "cut": cut, "engine": spec.name, "precision": precision}

    def _graph(self, spec: EngineSpec, stop: int) -> Path:
        key = self._key(spec, stop, "any")
        if found := self.place.cache.get("graphs", key):
            return found
        export = partial(self.exporters.export, spec, artefact=self._described(), stop=stop)
        try:
            return self.place.cache.add("graphs", key, export, self._facts(spec, stop, "any"))
        except EngineRefusal:
            raise
        except HeadstartError as exc:
            self.place.warn(f"{exc.message}; the graph is not kept")
        folder = self.place.scratch / f"graph-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        export(folder)
        return folder

    def _described(self) -> Path:
        """A folder that holds the network for another process."""
        if self.artefact is not None:
            return self.artefact
        if self._written is None:
            self.place.scratch.mkdir(parents=True, exist_ok=True)
            self._written = self.place.scratch / f"described-{uuid.uuid4().hex}"
            save_network(self._written, self.blueprint, self.stock, facts={})
        return self._written


def samples_a_call(row_bytes: int) -> int:
    """How many samples of so many bytes a prefix is given at once on the device at hand."""
    return rows_within(row_bytes, BATCH) if device_at_hand() == "cpu" else ACCELERATED_BATCH


@span("timing engines")
def _rate(compiled: Compiled, batch: Batch) -> float:
    """Samples a second, after a first call."""
    started, calls, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < TIMED:
        compiled(batch)
        calls, elapsed = calls + 1, time.perf_counter() - started
    return calls * count_rows(batch) / elapsed
