"""Processes that export: what goes wrong in them is told, and none stays behind."""

import dataclasses

import pytest

from headstart.engine.features.export import Exporters
from headstart.errors import EngineRefusal
from headstart.specs import EngineSpec

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SPEC = EngineSpec(
    name="small/off",
    summary="An engine whose process can be started.",
    build="headstart_small._engine:build",
    export="headstart_small._engine:build",
    exporter_backend="torch",
)


def test_a_process_that_was_started_early_and_not_needed_is_gone_afterwards(small_registry):
    with Exporters(small_registry) as exporters:
        exporters.expect(SPEC)
        exporters.expect(SPEC)
        (process,) = exporters._waiting.values()
        assert process.poll() is None

    assert process.poll() is not None


@pytest.mark.slow
def test_what_the_exporter_refuses_is_told_with_its_engine(small_registry, tmp_path):
    with Exporters(small_registry) as exporters, pytest.raises(EngineRefusal, match=r"small/off .* no artefact at"):
        exporters.export(SPEC, tmp_path / "graph", artefact=tmp_path / "absent", stop=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_process_that_is_kept_exports_once_more_and_another_takes_its_place_where_it_died(small_registry, tmp_path):
    with Exporters(small_registry, kept=True) as exporters:
        met = []
        for _ in range(3):
            with pytest.raises(EngineRefusal, match=r"small/off .* no artefact at"):
                exporters.export(SPEC, tmp_path / "graph", artefact=tmp_path / "absent", stop=1)
            (process,) = exporters._waiting.values()
            met.append(process)
            if len(met) == 2:
                process.terminate()
                process.wait()
                with pytest.raises(EngineRefusal, match="ended with -15"):
                    exporters.export(SPEC, tmp_path / "graph", artefact=tmp_path / "absent", stop=1)

    assert met[0] is met[1] is not met[2]
    assert met[2].poll() is not None


def test_a_process_that_dies_is_told_with_its_last_words(small_registry, tmp_path):
    unknown = dataclasses.replace(SPEC, exporter_backend="no_such_backend")
    with Exporters(small_registry) as exporters, pytest.raises(EngineRefusal, match=r"ended with 1: .*no_such_backend"):
        exporters.export(unknown, tmp_path / "graph", artefact=tmp_path, stop=1)
