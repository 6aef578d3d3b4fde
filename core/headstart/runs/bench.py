"""What this machine does with a backbone: every installed engine and precision, on real samples, on one backend."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import EngineRefusal, MissingWeightsError, UsageError
from headstart.recipe import build_recipe
from headstart.registry import Registry
from headstart.specs import BackboneSpec, DatasetSpec, EngineSpec

if TYPE_CHECKING:
    from headstart.engine.features.prefix import Prefixes
    from headstart.runs.fitting import Ready

SAMPLES = 200
"""Records that are read; the first batch of them is what is computed."""


@dataclass(frozen=True)
class Line:
    """One engine in one precision: samples a second, its largest difference from the stock network, and the seconds
    until it was open and checked. `refused` says why there are no numbers, `auto` whether `--engine auto` takes it."""

    engine: str
    backend: str
    precision: str
    samples_per_second: float | None
    largest_difference: float | None
    opened: float
    refused: str | None = None
    auto: bool = False


def bench(ref: str, registry: Registry, *, backend: str | None, image_size: int | None = None) -> dict[str, Any]:
    """Measure the backbone `ref`, whole, as a frozen prefix. Uses published weights where they are at hand.

    Raises UsageError for an unknown name, or where no built-in data of its input kind is installed to measure on.
    """
    spec = registry.resolve_backbone(ref)
    weights, ready = _ready(ref, registry, backend, image_size, spec)
    from headstart.engine.features.export import Exporters

    with tempfile.TemporaryDirectory() as folder, Exporters(registry) as exporters:
        from headstart.runs.fitting import plan_run

        plan = plan_run(ready, Path(folder), lambda _activity, _done, _total: None)
        from headstart.runs.engines import new_prefixes
        from headstart.runs.facts import blueprint_of
        from headstart.runs.opening import load_weights

        load_weights(plan)
        said: list[str] = []
        prefixes = new_prefixes(plan, blueprint_of(plan), exporters, Path(folder), said.append)
        stop = len(plan.network.stages) - 1
        lines = _marked([line for engine in registry.specs("engines") for line in _lines(engine, prefixes, stop)])
    return {
        "backbone": spec.name,
        "weights": weights,
        "data": plan.resolved.dataset.name,
        "inputs": {name: list(tensor.shape) for name, tensor in plan.kind.tensors.items()},
        "threads": prefixes.threads,
        "rows": [dataclasses.asdict(line) for line in lines],
        "warnings": said,
    }


def _ready(
    ref: str, registry: Registry, backend: str | None, image_size: int | None, spec: BackboneSpec
) -> tuple[str, Ready]:
    """The weights that are used, and a recipe that probes the backbone on a few samples of a built-in dataset."""
    from headstart.runs.fitting import make_ready
    from headstart.runs.planning import check_weights_present

    flags = {"data": _data(registry, spec), "backbone": ref, "strategy": "probe", "limit": SAMPLES, "backend": backend}
    sized = {**flags, "image_size": image_size}
    ready = make_ready(build_recipe(flags=sized), registry)
    try:
        check_weights_present(ready.resolved, registry)
    except MissingWeightsError:
        ready = make_ready(build_recipe(flags={**sized, "weights": "none"}), registry)
    return str(ready.resolved.recipe.weights), ready


def _data(registry: Registry, spec: BackboneSpec) -> str:
    offered: tuple[DatasetSpec, ...] = registry.specs("datasets")
    for dataset in offered:
        if not dataset.takes_path and registry.same("inputs", dataset.input, spec.input):
            return dataset.name
    raise UsageError(
        f"no installed dataset gives {spec.input} samples without a path, so there is nothing to measure on",
        hint="install a plugin that brings one",
    )


def _lines(spec: EngineSpec, prefixes: Prefixes, stop: int) -> Iterator[Line]:
    """One line for each precision; one for an engine that is not installed."""
    import keras

    name, backend = spec.short_name, str(keras.backend.backend())
    if spec.missing:
        hint = f'pip install "headstart[{spec.extra}]"' if spec.extra else "not installed"
        yield Line(name, backend, "-", None, None, 0.0, f"needs {', '.join(spec.missing)}: {hint}")
        return
    for precision in spec.precisions:
        yield _measured(Line(name, backend, precision, None, None, 0.0), spec, prefixes, stop)


def _measured(line: Line, spec: EngineSpec, prefixes: Prefixes, stop: int) -> Line:
    started = time.perf_counter()
    try:
        found = prefixes.measure(spec, prefixes.open(spec, stop, line.precision), stop)
    except EngineRefusal as exc:
        return dataclasses.replace(line, opened=time.perf_counter() - started, refused=exc.message)
    opened = time.perf_counter() - started
    return dataclasses.replace(line, samples_per_second=found.rate, largest_difference=found.largest, opened=opened)


def _marked(lines: list[Line]) -> list[Line]:
    """With the line marked that `--engine auto` takes for a long job at the default precision."""
    rates = {index: line.samples_per_second or 0.0 for index, line in enumerate(lines) if line.precision == "float32"}
    best = max(rates, key=lambda index: rates[index], default=None)
    return [dataclasses.replace(line, auto=index == best) for index, line in enumerate(lines)]
