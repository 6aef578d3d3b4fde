"""headstart backbones NAME builds the network and shows it stage by stage."""

import json
from dataclasses import replace

import pytest

from headstart.registry import load_registry
from headstart.specs import PretrainedHead
from headstart_cli.details import _show_weights
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


def test_each_set_of_weights_says_what_it_was_trained_on(capsys):
    _show_weights(load_registry().get("backbones", "vgg16"))
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if "trained on" in line] == [
        "  trained on: ImageNet-1k (classes)",
        "  trained on: ImageNet-1k (classes), then BSDS500 (edges)",
    ]


def test_a_head_that_comes_with_the_weights_is_named(capsys):
    spec = load_registry().get("backbones", "lite0")
    _show_weights(spec)
    assert "pretrained" not in capsys.readouterr().out
    head = PretrainedHead("classification/classification", "linear", "nowhere.at:all", {"classes": ["cat", "dog"]})
    _show_weights(replace(spec, weights=(replace(spec.weights[0], head=head),)))
    assert "head: linear of classification/classification, taken with --head pretrained" in capsys.readouterr().out
