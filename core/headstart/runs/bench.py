"""What this machine does with a backbone: every installed engine and precision, on real samples, on one backend."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backend import activate, announce, choose_backend
from headstart.data.made import made_folder, stored_folder
from headstart.engine.features.export import Exporters
from headstart.engine.network.blueprint import BackboneUse
from headstart.errors import EngineRefusal, MissingWeightsError, UsageError
from headstart.recipes.option_tables import flagged_options
from headstart.registry import Registry
from headstart.specs import BackboneSpec, DatasetRequest, DatasetSpec, EngineSpec, WeightsSpec
from headstart.threads import available_threads
from headstart.weights.source import locate

if TYPE_CHECKING:
    from headstart.engine.features.extractor import FeatureExtractor

SAMPLES = 200
"""Records that are read; the first batch of them is what is computed."""


@dataclass(frozen=True)
class Line:
    """One engine in one precision: samples a second, its largest difference from the stock network, and the seconds
    until it was open and checked. `refused` says why there are no numbers."""

    engine: str
    backend: str
    precision: str
    samples_per_second: float | None = None
    largest_difference: float | None = None
    opened: float = 0.0
    refused: str | None = None


def bench(
    ref: str, registry: Registry, *, backend: str | None, flags: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Measure the backbone `ref`, whole, as a frozen prefix. Uses published weights where they are at hand.

    `flags` are those of its input kind, by name with underscores.

    Raises UsageError for an unknown name, or where no built-in data of its input kind is installed to measure on.
    """
    spec = registry.resolve_backbone(ref)
    dataset = data_for(registry, spec)
    use = use_of(spec, registry, flags or {})
    choice = choose_backend(backend)
    if reason := spec.refuses.get(choice.name):
        raise UsageError(f"{spec.name} does not run on {choice.name}: {reason}", hint="measure it on another backend")
    announce(choice)
    said: list[str] = []
    from headstart.cache import open_cache
    from headstart.data.array_store import ArrayStore
    from headstart.data.prepared import PrepareOptions
    from headstart.data.targets import build_target_kind, find_targets
    from headstart.runs.fitted_ahead import fit_and_prepare

    with tempfile.TemporaryDirectory() as folder, Exporters(registry) as exporters:
        request = DatasetRequest(None, dataset.options(), made=made_folder(dataset, None))
        records = registry.load_target(dataset, dataset.build)(request)
        kind = use.blueprint(registry).kind(registry)
        targets = build_target_kind(registry, find_targets(records, registry).spec.name)
        store = ArrayStore(scratch=Path(folder))
        options = PrepareOptions(limit=SAMPLES, store=store)
        kind, data = fit_and_prepare(records, kind, targets, options, seed=0, folder=Path(folder) / "fitted")
        threads = available_threads()
        activate(choice, threads)
        from headstart.engine.features.extract import open_backbone
        from headstart.engine.features.extractor import Place

        place = Place(open_cache(said.append), Path(folder), threads, said.append)
        extractor = open_backbone(use, data, exporters, place, kind=kind)
        lines = [line for engine in registry.specs("engines") for line in _lines(engine, extractor)]
    measured = [line for line in lines if line.precision == "float32" and line.samples_per_second is not None]
    best = max(measured, key=lambda line: line.samples_per_second or 0.0, default=None)
    return {
        "backbone": spec.name,
        "weights": use.weights.name if isinstance(use.weights, WeightsSpec) else "none",
        "data": dataset.name,
        "inputs": {name: list(tensor.shape) for name, tensor in kind.tensors.items()},
        "threads": threads,
        # `--engine auto` takes the best one for a long job at the default precision
        "rows": [{**dataclasses.asdict(line), "auto": line is best} for line in lines],
        "warnings": said,
    }


def use_of(spec: BackboneSpec, registry: Registry, flags: Mapping[str, Any]) -> BackboneUse:
    """The first of its published weights where they are at hand, else random ones; its input kind as `flags` say."""
    kind = registry.input_for(spec)
    options = flagged_options(kind, flags, spec.input_options(kind))
    weights = next(iter(spec.weights), None)
    try:
        if weights is not None:
            locate(spec, weights, registry)
    except MissingWeightsError:
        weights = None
    return BackboneUse(spec, weights, input_options=options)


def data_for(registry: Registry, spec: BackboneSpec) -> DatasetSpec:
    """A built-in dataset whose samples the backbone's input kinds read. Raises UsageError where none is at hand."""
    offered: tuple[DatasetSpec, ...] = registry.specs("datasets")
    mediums = {medium for kind in registry.specs("inputs") if kind.produces == spec.takes for medium in kind.reads}
    alone = [dataset for dataset in offered if not dataset.takes_path and not dataset.codes]
    fitting = [dataset for dataset in alone if dataset.medium in mediums]
    fitting.sort(key=lambda dataset: dataset.make is not None)  # one that is everywhere before one that was made here
    for dataset in fitting:
        if dataset.make is None or stored_folder(dataset).is_dir():
            return dataset
    raise UsageError(
        f"no dataset without a path is here that gives samples for the tensors {spec.takes!r}: nothing to measure on",
        hint=f"headstart datasets make {fitting[0].short_name}" if fitting else "install a plugin that brings one",
    )


def _lines(spec: EngineSpec, extractor: FeatureExtractor) -> Iterator[Line]:
    """One line for each precision; one for an engine that is not installed."""
    import keras

    name, backend = spec.short_name, str(keras.backend.backend())
    if spec.missing:
        hint = f'pip install "headstart[{spec.extra}]"' if spec.extra else "not installed"
        yield Line(name, backend, "-", refused=f"needs {', '.join(spec.missing)}: {hint}")
        return
    stop = len(extractor.stock.stages) - 1
    for precision in spec.precisions:
        line = Line(name, backend, precision)
        started = time.perf_counter()
        try:
            found = extractor.measure(spec, extractor.open_in(spec, stop, precision), stop)
            line = dataclasses.replace(line, samples_per_second=found.rate, largest_difference=found.largest)
        except EngineRefusal as exc:
            line = dataclasses.replace(line, refused=exc.message)
        yield dataclasses.replace(line, opened=time.perf_counter() - started)
