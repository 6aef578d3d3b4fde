"""A graph model is read as data, and one that is not the network's is refused with what differs."""

import json
import os

import numpy as np
import pytest

from headstart.errors import WrongWeightsError
from headstart_plugins.nanodet._tfjs import LARGEST_DATA, read_graph_model

from .conftest import SPEC, build, build_head
from .small import write


@pytest.fixture
def own(tmp_path):
    """A small file that the test may change: its path and its document."""
    path = tmp_path / "own.bin"
    return path, write(path)


def entry(document, name):
    return next(each for each in document["weightsManifest"][0]["weights"] if each["name"] == name)


KERNEL = "PartitionedCall/convolution_12/kernel"


def test_constants_are_those_that_were_written(small_file):
    found = read_graph_model(small_file)
    stored = np.frombuffer(small_file.read_bytes(), np.uint8)

    assert found.arrays["ends"].tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]
    assert found.arrays["lowest"] == -np.inf
    drawn = np.random.default_rng(0).normal(0, np.sqrt(2 / 27), (3, 3, 3, 8))
    assert np.array_equal(found.arrays["PartitionedCall/convolution/kernel"], drawn.astype(np.float16))
    assert {array.dtype for array in found.arrays.values()} == {np.dtype(np.float32), np.dtype(np.int32)}
    assert sum(array.size * (2 if array.dtype == np.float32 else 4) for array in found.arrays.values()) == len(stored)


CHANGES = {
    "it is no JSON": lambda document: "{",
    "it is no JSON object": lambda document: "[]",
    "no graph model of one binary file: KeyError": lambda document: "{}",
    "its numbers lie in .*other.bin": lambda document: document["weightsManifest"][0].update(paths=["../other.bin"]),
    f"{KERNEL} is float32 stored as uint8": lambda document: entry(document, KERNEL)["quantization"].update(
        dtype="uint8"
    ),
    f"{KERNEL} has the shape": lambda document: entry(document, KERNEL).update(shape=[3, 3, -16, -8]),
    f"{KERNEL} would end after them": lambda document: entry(document, KERNEL).update(shape=[3, 3, 1 << 20, 1 << 20]),
    f"{KERNEL} is there twice": lambda document: document["weightsManifest"][0]["weights"].append(
        entry(document, KERNEL)
    ),
    r"says what \d+ of them are": lambda document: document["weightsManifest"][0]["weights"].pop(),
}


@pytest.mark.parametrize("said", CHANGES)
def test_what_is_no_such_file_is_named(own, said):
    path, document = own
    changed = CHANGES[said](document)
    path.with_suffix(".json").write_text(changed if isinstance(changed, str) else json.dumps(document), "utf-8")

    with pytest.raises(WrongWeightsError, match=f"own.*{said}"):
        read_graph_model(path)


def test_a_file_that_lacks_the_other_or_is_too_large_is_named(own):
    path, _ = own
    os.truncate(path, LARGEST_DATA + 1)
    with pytest.raises(WrongWeightsError, match=rf"own\.bin .*{LARGEST_DATA + 1} bytes; at most"):
        read_graph_model(path)
    path.unlink()
    with pytest.raises(WrongWeightsError, match=r"own\.bin .*no such file"):
        read_graph_model(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(WrongWeightsError, match=r"own\.json .*no such file"):
        read_graph_model(path)


@pytest.mark.backend
def test_convolutions_that_differ_are_named(own):
    from headstart_plugins.nanodet._weights import load

    path, document = own
    backbone = build(32, 32, **SPEC.tiny)
    arrays = load(path, backbone)
    assert len(arrays) == 62  # 31 convolutions, each with a bias

    entry(document, KERNEL)["shape"] = [3, 3, 8, 16]
    nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
    nodes["PartitionedCall/convolution_5"]["name"] = "PartitionedCall/convolution_50"
    for node in nodes.values():
        node["input"] = [
            each.replace("/convolution_5", "/convolution_50") if each.endswith("/convolution_5") else each
            for each in node.get("input", [])
        ]
    path.with_suffix(".json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(WrongWeightsError) as caught:
        load(path, backbone)
    for told in ("missing convolution_5;", "unexpected convolution_50;", "convolution_12 has kernel (3, 3, 8, 16)"):
        assert told in caught.value.message


@pytest.mark.backend
def test_a_head_for_other_classes_is_refused(small_file):
    from headstart_plugins.nanodet._weights import load_head

    with pytest.raises(WrongWeightsError, match="0 convolutions for 80 classes and 6 others, expected 3 and 3"):
        load_head(small_file, build_head(64, 64, channels=16, classes=7))


@pytest.mark.backend
@pytest.mark.slow
def test_every_weight_of_the_published_file_gets_its_array(weights_file):
    from headstart.engine.network.stages import name_variables
    from headstart_plugins.nanodet._weights import load

    backbone = build(64, 64)
    arrays = load(weights_file, backbone)

    assert {name: array.shape for name, array in arrays.items()} == {
        name: tuple(variable.shape) for name, variable in name_variables(backbone.stages).items()
    }
    assert all(array.dtype == np.float32 for array in arrays.values())
