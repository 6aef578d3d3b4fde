"""Prefixes in engines: exported, checked and measured once, refused where they disagree."""

from dataclasses import replace

import numpy as np
import pytest

from headstart.cache import Cache
from headstart.data.array_store import ArrayStore
from headstart.engine.device import forward
from headstart.engine.features import extractor as module
from headstart.engine.features.decision import EngineDecision, Measured
from headstart.engine.features.export import Exporters
from headstart.engine.features.extract import features_of, open_backbone, plain_rows
from headstart.engine.features.extractor import BATCH, FeatureExtractor, Place, identify
from headstart.engine.features.selection import Workload, decide
from headstart.engine.lowering.registry import lowered
from headstart.engine.network.blueprint import BackboneUse, Blueprint
from headstart.engine.network.stages import name_variables
from headstart.errors import EngineRefusal

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
TOP = 4


@pytest.fixture
def blueprint(bench):
    registry = bench.registry
    reading, task = registry.get("inputs", "image"), registry.get("tasks", "classification")
    return Blueprint(
        backbone=bench.spec,
        backbone_options=bench.spec.options(),
        input=reading,
        input_options=reading.options(),
        preprocess=bench.spec.preprocess,
        task=task,
        task_options=task.options(),
        head="linear",
        labels=bench.task.labels(),
    )


@pytest.fixture
def make(bench, blueprint, tmp_path):
    """Prefixes of a network, on one cache."""

    def made(network, name="scratch"):
        return FeatureExtractor(
            stock=network,
            fast=network,
            blueprint=blueprint,
            registry=bench.registry,
            exporters=Exporters(bench.registry),
            place=Place(Cache(tmp_path / "cache", 2**30), tmp_path / name, 1, print),
            batch=bench.batch(np.arange(BATCH)),
        )

    return made


def engine(bench, name):
    return bench.registry.get("engines", name)


def test_two_prefixes_are_the_same_where_weights_builders_and_cut_are(bench, blueprint):
    one, same, other = bench.network(), bench.network(), bench.network(seed=1)

    assert identify(one, TOP, blueprint) == identify(same, TOP, blueprint)
    assert identify(one, TOP, blueprint) != identify(other, TOP, blueprint)
    assert identify(one, TOP, blueprint) != identify(one, TOP - 1, blueprint)


def test_weights_above_the_cut_do_not_count(bench, network, blueprint):
    before = identify(network, 2, blueprint)
    for variable in name_variables(network.stages[3:]).values():
        variable.assign(variable + 1.0)

    assert identify(network, 2, blueprint) == before


def test_an_engine_that_answers_otherwise_is_refused_with_the_difference(bench, network, make):
    made = make(network)
    spec = engine(bench, "small/off")

    with pytest.raises(EngineRefusal, match=r"small/off differs .* up to 0.01"):
        made.measure(spec, made.open_in(spec, TOP, "float32"), TOP)
    with pytest.raises(EngineRefusal, match="small/off"):
        decide(made, spec, "float32", Workload(TOP, 100))


def test_where_no_engine_is_equal_in_float32_the_hint_proposes_something_else(bench, network, make):
    with pytest.raises(EngineRefusal, match="no engine can run this network") as caught:
        decide(make(network), None, "float32", Workload(TOP, 100), offered=(engine(bench, "small/off"),))
    assert "published weights" in caught.value.hint
    assert "float32" not in caught.value.hint


def test_auto_takes_what_is_equal_and_says_why_others_are_not_taken(bench, network, make):
    native, off = engine(bench, "native"), engine(bench, "small/off")
    tried = decide(make(network), None, "float32", Workload(TOP, 10**15), offered=(off, native)).decided

    assert tried.engine == native.name
    assert "small/off differs" in tried.refused["off float32"]
    assert tried.measured["native float32"].rate > 0


def test_auto_does_not_start_an_engine_that_a_short_job_cannot_repay(bench, network, make):
    offered = (engine(bench, "small/off"), engine(bench, "native"))
    chosen = decide(make(network), None, "float32", Workload(TOP, 100), offered=offered).decided

    assert chosen.engine == "engines/native"
    assert chosen.refused == {}


@pytest.mark.parametrize("bound", [0.0, 1e9])
def test_a_first_call_that_is_long_says_the_speed_where_nothing_is_compiled_in_it(
    bench, network, make, backend, monkeypatch, bound
):
    monkeypatch.setattr(module, "LONG", bound)
    monkeypatch.setattr(module, "_rate", lambda compiled, batch: -1.0)
    made = make(network)
    spec = engine(bench, "native")
    found = made.measure(spec, made.open_in(spec, TOP, "float32"), TOP)

    assert (found.rate > 0) == (bound == 0.0 and backend == "torch")


def test_what_is_not_installed_is_never_tried(bench, network, make):
    offered = (engine(bench, "small/absent"), engine(bench, "native"))

    chosen = decide(make(network), None, "float32", Workload(TOP, 10**15), offered=offered).decided
    assert chosen.engine == "engines/native"


def test_openvino_is_exported_once_equals_the_backend_and_is_then_known(bench, network, make, monkeypatch):
    pytest.importorskip("openvino")
    spec = engine(bench, "openvino")
    made = make(network)
    assert not made.known(spec, TOP)

    opened = made.open_in(spec, TOP, "float32")
    found = made.measure(spec, opened, TOP)
    batch = bench.batch(np.arange(BATCH))
    reference = forward(network, 0, TOP)(batch)["@pooled"]

    assert reference.std() > 0.01
    assert np.abs(opened.compiled(batch)["@pooled"] - reference).max() <= 1e-4 * max(1.0, reference.std())
    assert 0 < found.largest <= 1e-4

    monkeypatch.setattr(Exporters, "export", lambda *_: pytest.fail("it was exported before"))
    monkeypatch.setattr(module, "verify_equal", lambda *_: pytest.fail("it was checked before"))
    again = make(network, "other")
    assert again.known(spec, TOP)
    assert again.measure(spec, again.open_in(spec, TOP, "float32"), TOP) == found


@pytest.mark.slow
def test_other_weights_are_exported_anew(bench, make):
    pytest.importorskip("openvino")
    spec = engine(bench, "openvino")
    make(bench.network(), "one").open_in(spec, TOP, "float32")

    assert not make(bench.network(seed=1), "other").known(spec, TOP)


def test_whether_a_graph_of_the_artefact_pays_is_decided_with_the_engine(bench, network, make, monkeypatch):
    """It does where the engine was asked for by name, where no weight below the head changes, or for many answers."""
    pytest.importorskip("openvino")
    native, other = engine(bench, "native"), engine(bench, "openvino")
    rates = {native.name: 100.0, other.name: 200.0}
    monkeypatch.setattr(FeatureExtractor, "measure", lambda _, spec, *__: Measured(rates[spec.name], 0.0, 0.0))
    monkeypatch.setattr(FeatureExtractor, "open_in", lambda *_: None)

    def exports(engine, answers, changes=True):
        work = Workload(TOP, 10**12, answers, changes)
        return decide(make(network), engine, "float32", work, offered=(native, other)).decided.exports

    assert not exports(None, 10)
    assert exports(None, 10**12)
    assert exports(None, 10, changes=False)
    assert exports(other, 10)
    assert not exports(native, 10**12)


def test_a_decision_is_obeyed_with_its_layers_and_threads(bench, network, make):
    decision = EngineDecision("engines/native", "float32", 3, stock_layers=True)
    made = replace(make(network), fast=bench.network()).obeying(decision)

    assert made.has_stock_layers
    assert (made.place.threads, made.decided) == (3, decision)


def test_features_of_a_backbone_alone_are_those_of_a_run_on_it(bench, tmp_path):
    """And are kept under the key that the run looks them up by: nothing is computed twice."""
    cache = Cache(tmp_path / "cache", 2**30)
    exporters = Exporters(bench.registry)
    store = ArrayStore(cache, tmp_path / "scratch", print)
    use = BackboneUse(bench.spec, features=("pooled",))
    alone = open_backbone(use, bench.data, exporters, Place(cache, tmp_path / "scratch", 1, print))
    alone = decide(alone, alone.native, "float32", Workload(TOP, 60))
    features = features_of(alone.open(TOP), plain_rows(bench.data, np.arange(len(bench.data.keys))), store)

    assert set(features) == {"@pooled"}
    expected = forward(alone.stock, 0, TOP)(bench.batch(np.arange(len(bench.data.keys))))["@pooled"]
    assert expected.std() > 0.01
    np.testing.assert_allclose(features["@pooled"], expected, atol=1e-4)

    rows = bench.data.indices("train")
    features_of(alone.open(TOP), plain_rows(bench.data, rows), store)
    network = bench.network()
    for name, variable in name_variables(network.backbone).items():
        variable.assign(name_variables(alone.stock.backbone)[name])
    blueprint = replace(use.blueprint(bench.registry), features=())
    run = replace(alone, stock=network, fast=lowered(network, bench.registry), blueprint=blueprint)
    known = cache.get("features", {**run.open(TOP).key, **plain_rows(bench.data, rows).key})
    assert known is not None


@pytest.mark.slow
def test_a_backbone_alone_is_exported_too(bench, tmp_path):
    pytest.importorskip("openvino")
    place = Place(Cache(tmp_path / "cache", 2**30), tmp_path / "scratch", 1, print)
    alone = open_backbone(BackboneUse(bench.spec), bench.data, Exporters(bench.registry), place)
    spec = engine(bench, "openvino")

    assert alone.measure(spec, alone.open_in(spec, TOP, "float32"), TOP).largest <= 1e-4
