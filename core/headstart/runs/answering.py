"""An engine for many answers of a finished run: held equal to stock layers on raw samples, once an artefact."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from headstart.artefact import Artefact
from headstart.cache import Cache, open_cache
from headstart.environment import processor, versions
from headstart.errors import DataError, EngineRefusal, HeadstartError
from headstart.predictor import Predictor, sizes_for
from headstart.registry import Registry
from headstart.specs import AUTO, EngineSpec, Generates
from headstart.threads import available_threads

MANY = 500
"""Inputs from which `auto` looks for an engine."""
COMPARED = 64
"""Raw samples on which an engine's answers are held against those of stock layers."""
SOME = 2 * COMPARED
"""Inputs from which it looks where the backbone was measured here before, such as by the run itself."""
KIND, FACTS = "answers", "equal.json"
STOCK = "stock"
"""Layers as Keras has them: no engine."""

Warn = Callable[[str], None]


@contextmanager
def predictor_in(
    artefact: Artefact, engine: str, payloads: Sequence[Any], warn: Warn, *, count: int
) -> Iterator[tuple[Predictor, EngineSpec | None]]:
    """What answers `payloads`, those left of `count` inputs, with the artefact: in `engine` by name, by "auto" in the
    fastest that repays its start where inputs are many, by "stock" on stock layers; and that engine, None for these.
    Needs the backend to be set.

    Its outputs on some of these samples are compared with those of stock layers, once an artefact, engine and machine;
    of a task that generates, what its head is given: answers may be other ones where two are as likely but for
    rounding. Raises EngineRefusal where an engine that was named differs or cannot run the network, which `auto` does
    without; UsageError for one that does not exist.
    """
    registry, stock = artefact.registry, artefact.predictor
    spec = None if engine == AUTO else named_engines(engine, registry)[0]
    if engine == STOCK or (spec is None and count < SOME):
        yield stock, None
        return
    size = sizes_for(artefact.kind)[-1]
    rows = list(islice(_rows(stock, payloads), size))
    if not rows:
        yield stock, None
        return
    from headstart.engine.features.export import Exporters

    with tempfile.TemporaryDirectory() as scratch, Exporters(registry) as exporters:
        found = None
        try:
            extractor = _extractor(artefact, rows, exporters, Path(scratch), warn)
            stop = len(artefact.network.stages) - 1
            if spec is not None or count >= MANY or extractor.is_measured(extractor.native, stop, "float32"):
                found = _opened(artefact, extractor, spec, count)
                _verify(artefact, found, payloads, warn)
        except EngineRefusal as exc:
            if spec is not None:
                raise
            warn(f"{exc.message}; stock layers answer instead")
            found = None
        if found is None:
            yield stock, None
        else:
            predictor, opened = found
            yield predictor, registry.get("engines", opened.key["engine"])


def named_engines(engine: str, registry: Registry) -> tuple[EngineSpec | None, ...]:
    """Those that `engine` may come to: None, for stock layers, and all for "auto"."""
    if engine == AUTO:
        return (None, *registry.specs("engines"))
    return (None if engine == STOCK else registry.get("engines", engine),)


def _rows(predictor: Predictor, payloads: Sequence[Any]) -> Iterator[Any]:
    """The prepared rows of what can be read, in order."""
    for payload in payloads:
        try:
            yield from predictor.read(payload)
        except DataError:
            continue


def _extractor(artefact: Artefact, rows: Sequence[Any], exporters: Any, scratch: Path, warn: Warn) -> Any:
    """What opens the artefact's backbone in engines, on `rows` as real samples."""
    from headstart.engine.features.extractor import FeatureExtractor, Place
    from headstart.engine.lowering.registry import lowered

    stock, network = artefact.predictor, artefact.network
    return FeatureExtractor(
        stock=network,
        fast=lowered(network, artefact.registry, warn),
        blueprint=artefact.blueprint,
        registry=artefact.registry,
        exporters=exporters,
        place=Place(open_cache(warn), scratch, available_threads(), warn),
        batch=stock.filled(rows, sizes_for(artefact.kind)[-1]),
        artefact=artefact.path,
    )


def _opened(artefact: Artefact, extractor: Any, spec: EngineSpec | None, count: int) -> tuple[Predictor, Any]:
    """The predictor in the engine that is decided on for `count` inputs, and what it opened."""
    from headstart.engine.device import forward
    from headstart.engine.features.selection import Workload, decide
    from headstart.engine.generation import generator
    from headstart.engine.precision import FLOAT32

    stock, network = artefact.predictor, artefact.network
    stop = len(network.stages) - 1
    opened = decide(extractor, spec, FLOAT32, Workload(stop, count, changes=False)).open(stop)
    task = artefact.task
    if isinstance(task, Generates):  # step by step, which the more rows share the better
        return stock.by(opened, generator(network, task, stop), sizes_for(artefact.kind)[-1]), opened
    return stock.by(opened, forward(network, stop, stop + 1)), opened


def _verify(artefact: Artefact, found: tuple[Predictor, Any], payloads: Sequence[Any], warn: Warn) -> None:
    """Compare answers to raw samples where this artefact was not compared in this engine here before.

    Raises EngineRefusal.
    """
    opened = found[1]
    cache: Cache = open_cache(warn)
    key = {
        "artefact": dict(artefact.manifest["files"]),
        "opened": dict(opened.key),
        "machine": processor(),
        "threads": available_threads(),
        "versions": versions(),
    }
    if cache.get(KIND, key) is not None:
        return
    samples = list(islice((each for each in payloads if _is_readable(artefact.predictor, each)), COMPARED))
    largest = _furthest(artefact, found, samples)

    def write(folder: Path) -> None:
        (folder / FACTS).write_text(json.dumps({"samples": len(samples), "largest": largest}), encoding="utf-8")

    try:
        cache.add(KIND, key, write, {"engine": opened.facts["engine"], "samples": len(samples)})
    except HeadstartError as exc:
        warn(exc.message)


def _furthest(artefact: Artefact, found: tuple[Predictor, Any], samples: Sequence[Any]) -> float:
    """The largest difference from stock layers on raw `samples`. Raises EngineRefusal where that is too large."""
    from headstart.engine.device import forward
    from headstart.engine.features.extractor import verify_equal
    from headstart.engine.features.rounding import moved_by_rounding
    from headstart.engine.precision import FLOAT32

    predictor, opened = found
    stock, network = artefact.predictor, artefact.network
    if not isinstance(artefact.task, Generates):
        largest, _ = verify_equal(predictor.outputs(samples), stock.outputs(samples), FLOAT32)
        return largest
    stop, size = len(network.stages) - 1, stock.sizes[-1]
    below, furthest = forward(network, 0, stop), 0.0
    rows = list(_rows(stock, samples))
    for start in range(0, len(rows), size):
        batch = stock.filled(rows[start : start + size], size)
        wanted = below(batch)
        moved = partial(moved_by_rounding, network, stop, batch, wanted)
        largest, _ = verify_equal(opened.compiled(batch), wanted, FLOAT32, moved=moved)
        furthest = max(furthest, largest)
    return furthest


def _is_readable(predictor: Predictor, payload: Any) -> bool:
    try:
        predictor.read(payload)
    except DataError:
        return False
    return True
