"""headstart backbones NAME builds the network and shows it stage by stage."""

import json
from dataclasses import replace

import numpy as np
import pytest

from headstart.registry import load_registry
from headstart.specs import PretrainedHead
from headstart_cli.details import _show_weights
from headstart_cli.main import run_arguments

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


def test_the_table_shows_shapes_and_parameters_of_every_stage(backend, capsys):
    spec = load_registry().get("backbones", "lite0")
    assert run_arguments(["backbones", "lite0", "--backend", backend, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["stage"] for row in document["built"]] == list(spec.stages)
    assert "layers" not in document
    assert sum(row["parameters"] for row in document["built"]) > 1_000_000
    features = {feature.name: feature for feature in spec.features}
    last = document["built"][-1]["outputs"]
    assert last[features["pooled"].tensor][-1] == features["pooled"].channels


def test_layers_are_listed_as_keras_summarises_the_stock_network(backend, capsys):
    import keras

    flags = ["--layers", "--image-size", "150", "--backend", backend]
    assert run_arguments(["backbones", "vgg16", *flags, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    stock = keras.applications.VGG16(include_top=False, weights=None, input_shape=(150, 150, 3))
    expected = [
        (each.name, type(each).__name__, [list(each.output.shape)], each.count_params()) for each in stock.layers
    ]
    keys = ("layer", "type", "outputs", "parameters")
    *listed, pooling = [tuple(row[key] for key in keys) for row in document["layers"]]  # our last stage pools too
    assert listed == expected[1:]  # without the input
    assert pooling[1:] == ("GlobalAveragePooling2D", [[None, 512]], 0)
    assert sum(row["parameters"] for row in document["layers"]) == stock.count_params() == 14_714_688
    assert document["built"][-1]["outputs"]["map"] == [None, 4, 4, 512]

    assert run_arguments(["backbones", "vgg16", *flags]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["block5", "block5_pool", "MaxPooling2D", "(-,", "4,", "4,", "512)", "0"] in lines
    assert ["trainable", "-", "-", "-", "14,714,688"] in lines


@pytest.mark.slow
def test_the_numbers_that_no_gradient_moves_are_told_apart_as_keras_does(backend, capsys):
    import keras

    flags = ["--layers", "--image-size", "32", "--backend", backend, "--json"]
    assert run_arguments(["backbones", "mobilenet", *flags]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    stock = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    trainable = sum(row["trainable"] for row in layers)
    assert trainable == sum(int(np.prod(each.shape)) for each in stock.trainable_weights)
    assert trainable < sum(row["parameters"] for row in layers) == stock.count_params()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--layers"], "--layers is of one backbone"),
        (["--image-size", "64"], "--image-size is of one backbone"),
        (["vgg16", "--image-size", "20"], "vgg16 takes (height, width, 3) of at least 32 px"),
        (["vgg16", "--image-size", "wide"], "--image-size must be int or none, not 'wide'"),
    ],
)
def test_what_cannot_be_listed_is_a_usage_error(capsys, flags, told):
    assert run_arguments(["backbones", *flags]) == 2
    assert told in capsys.readouterr().err


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


def test_weights_without_a_digest_say_so(capsys):
    spec = load_registry().get("backbones", "vgg16")
    (first, *_) = spec.weights
    _show_weights(replace(spec, weights=(replace(first, size=None, algorithm="unknown", digest="unknown"),)))
    assert capsys.readouterr().out.splitlines()[1] == f"{first.name}: {first.licence}, size unknown, no digest known"
