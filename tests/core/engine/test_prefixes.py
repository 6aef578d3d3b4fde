"""Prefixes in engines: exported, checked and measured once, refused where they disagree."""

import numpy as np
import pytest

from headstart.cache import Cache
from headstart.engine.compute import forward
from headstart.engine.features import prefix as module
from headstart.engine.features.export import Exporters
from headstart.engine.features.prefix import BATCH, Prefixes
from headstart.engine.features.prefix_key import identify
from headstart.engine.features.selection import Choice, choose_engine
from headstart.engine.network.blueprint import Blueprint
from headstart.engine.network.stages import name_variables
from headstart.errors import EngineRefusal

pytestmark = pytest.mark.backend
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
        return Prefixes(
            stock=network,
            fast=network,
            blueprint=blueprint,
            registry=bench.registry,
            exporters=Exporters(bench.registry),
            cache=Cache(tmp_path / "cache", 2**30),
            scratch=tmp_path / name,
            threads=1,
            batch=bench.batch(np.arange(BATCH)),
            warn=print,
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
        made.measure(spec, made.open(spec, TOP, "float32"), TOP)
    with pytest.raises(EngineRefusal, match="small/off"):
        choose_engine(Choice(spec, "float32", TOP, 100), made, ())


def test_auto_takes_what_is_equal_and_says_why_others_are_not_taken(bench, network, make):
    native, off = engine(bench, "native"), engine(bench, "small/off")
    tried = choose_engine(Choice(None, "float32", TOP, 10**15), make(network), (off, native))

    assert tried.engine is native
    assert "small/off differs" in tried.refused["off float32"]
    assert tried.measured["native float32"].rate > 0


def test_auto_does_not_start_an_engine_that_a_short_job_cannot_repay(bench, network, make):
    chosen = choose_engine(
        Choice(None, "float32", TOP, 100), make(network), (engine(bench, "small/off"), engine(bench, "native"))
    )

    assert chosen.engine.short_name == "native"
    assert chosen.refused == {}


def test_what_is_not_installed_is_never_tried(bench, network, make):
    offered = (engine(bench, "small/absent"), engine(bench, "native"))

    assert choose_engine(Choice(None, "float32", TOP, 10**15), make(network), offered).engine.short_name == "native"


def test_openvino_is_exported_once_equals_the_backend_and_is_then_known(bench, network, make, monkeypatch):
    pytest.importorskip("openvino")
    spec = engine(bench, "openvino")
    made = make(network)
    assert not made.known(spec, TOP)

    opened = made.open(spec, TOP, "float32")
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
    assert again.measure(spec, again.open(spec, TOP, "float32"), TOP) == found


def test_other_weights_are_exported_anew(bench, make):
    pytest.importorskip("openvino")
    spec = engine(bench, "openvino")
    make(bench.network(), "one").open(spec, TOP, "float32")

    assert not make(bench.network(seed=1), "other").known(spec, TOP)
