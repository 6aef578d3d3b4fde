"""Weight files that Keras itself writes, and wrong ones."""

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from headstart.engine.network.stages import assign_arrays, read_arrays
from headstart.errors import WrongWeightsError
from headstart_plugins.keras_applications import _load
from headstart_plugins.keras_applications._build import BY_NAME

from .conftest import Kit, assert_close, bring_alive, pixels_of, reference_input, run, set_normalization

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

ON_TORCH = pytest.mark.skipif(keras.backend.backend() != "torch", reason="slow to build on JAX; the reader is the same")
FORMATS = ("legacy.h5", "new.weights.h5", "whole.keras")


@pytest.fixture(scope="module")
def pair():
    """A public MobileNet with random weights, and a backbone built after it."""
    kit = Kit("mobilenet")
    return kit.keras_model(), kit.build()


def _save(model, file):
    if file.suffix == ".keras":
        model.save(file)
    elif file.name.endswith(".weights.h5"):
        model.save_weights(file)
    else:
        with h5py.File(file, "w") as handle:
            legacy_h5_format.save_weights_to_hdf5_group(handle, model)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_of_keras_gives_the_same_arrays(pair, tmp_path, name):
    model, backbone = pair
    _save(model, tmp_path / name)
    arrays = _load.load(tmp_path / name, backbone)
    assert set(arrays) == set(read_arrays(backbone.stages))
    expected = np.concatenate([np.ravel(keras.ops.convert_to_numpy(w)) for w in model.weights])
    assert np.isclose(sum(float(a.sum(dtype=np.float64)) for a in arrays.values()), expected.sum(dtype=float))
    first = keras.ops.convert_to_numpy(model.get_layer("conv1").kernel)
    assert np.array_equal(arrays["stage1/0/kernel"], first)


def test_the_top_of_a_classifier_is_left_out(pair, tmp_path):
    model, backbone = pair
    top = keras.layers.Dense(10, name="predictions")(model.output)
    _save(keras.Model(model.input, top), tmp_path / "top.h5")
    assert set(_load.load(tmp_path / "top.h5", backbone)) == set(read_arrays(backbone.stages))


def test_layers_of_other_names_are_matched_by_order(pair, tmp_path):
    model, backbone = pair
    _save(model, tmp_path / "new.h5")
    _rename(tmp_path / "new.h5", lambda name: f"old_{name}")
    renamed = _load.load(tmp_path / "new.h5", backbone)
    assert np.array_equal(renamed["stage1/0/kernel"], keras.ops.convert_to_numpy(model.get_layer("conv1").kernel))


def _rename(file, rename):
    with h5py.File(file, "a") as handle:
        names = [n.decode() if isinstance(n, bytes) else n for n in handle.attrs["layer_names"]]
        for name in names:
            handle.move(name, rename(name))
        handle.attrs["layer_names"] = [rename(name).encode() for name in names]


@pytest.mark.parametrize("name", FORMATS[:2])
def test_a_file_of_another_network_lists_what_differs(pair, tmp_path, name):
    _, backbone = pair
    inputs = keras.Input((64, 64, 3))
    other = keras.layers.Conv2D(32, 5, use_bias=False, name="conv1")(inputs)
    other = keras.layers.Conv2D(8, 1, name="conv_other")(other)
    _save(keras.Model(inputs, other), tmp_path / name)
    with pytest.raises(WrongWeightsError) as caught:
        _load.load(tmp_path / name, backbone)
    assert "missing" in str(caught.value)
    assert name in str(caught.value)
    differences = _load._differences(
        [_load.Slot("conv1", (("stage1/0/kernel", (3, 3, 3, 32)),))],
        {
            "conv1": _load.Entry("conv1", (np.zeros((5, 5, 3, 32)),)),
            "conv_other": _load.Entry("conv_other", ()),
        },
    )
    assert differences == [
        "unexpected conv_other",
        "conv1 (stage1/0/kernel) has shape (5, 5, 3, 32), expected (3, 3, 3, 32)",
    ]


def test_a_file_that_is_no_weight_file_is_named(pair, tmp_path):
    (tmp_path / "photo.h5").write_bytes(b"not HDF5")
    with pytest.raises(WrongWeightsError, match=r"photo\.h5"):
        _load.load(tmp_path / "photo.h5", pair[1])


@pytest.mark.slow
@ON_TORCH
def test_efficientnet_with_published_weights_is_preprocessed_exactly_once(tmp_path, monkeypatch):
    """Keras adds a third scaling layer only for weights="imagenet"; here it reads a file of that form."""
    kit = Kit("efficientnetb0")
    donor, pixels = kit.keras_model(), pixels_of(kit.shape)
    bring_alive(donor, pixels)
    set_normalization(donor, [0.229, 0.224, 0.225])  # the published files hold the deviation as variance
    file = tmp_path / BY_NAME["efficientnetb0"].file
    _save(donor, file)
    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", lambda *args, **kwargs: str(file))
    published = kit.keras_model_as_published()
    backbone = kit.build()
    assign_arrays(backbone.stages, _load.load(file, backbone), source=str(file))
    expected = keras.ops.convert_to_numpy(published(pixels, training=False))
    image = reference_input(kit, published, pixels)
    assert_close(kit.preprocess(pixels), image)
    assert_close(run(backbone.stages, image)["top", "pooled"], expected)


def test_other_preprocessing_inside_a_file_is_refused_and_imagenets_left_out():
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    count, conv = np.zeros(()), _load.Entry("conv1", (np.zeros(3),))
    for variance in (std, std**2):
        entry = _load.Entry("normalization_3", (mean, variance, count))
        assert _load._without_preprocessing([entry, conv], "own.h5") == [conv]
    other = _load.Entry("normalization", (np.zeros(3), np.ones(3), count))
    with pytest.raises(WrongWeightsError, match=r"own\.h5.*not by ImageNet's mean"):
        _load._without_preprocessing([other, conv], "own.h5")
