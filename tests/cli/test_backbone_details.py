"""headstart backbones NAME builds the network and shows it stage by stage."""

import json

import pytest

from headstart.registry import load_registry
from headstart_cli.main import run_arguments

pytestmark = pytest.mark.backend


def test_the_table_shows_shapes_and_parameters_of_every_stage(backend, capsys):
    spec = load_registry().get("backbones", "lite0")
    assert run_arguments(["backbones", "lite0", "--backend", backend, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["stage"] for row in document["built"]] == list(spec.stages)
    assert sum(row["parameters"] for row in document["built"]) > 1_000_000
    features = {feature.name: feature for feature in spec.features}
    last = document["built"][-1]["outputs"]
    assert last[features["pooled"].tensor][-1] == features["pooled"].channels


def test_the_text_shows_the_same_numbers(backend, capsys):
    assert run_arguments(["backbones", "lite0", "--backend", backend]) == 0
    out = capsys.readouterr().out
    assert "outputs (batch first)" in out
    assert "total" in out
    assert "1280" in out
