"""Stages of every network: cut where declared, alive, and together equal to the public Keras model."""

import os

import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from headstart.engine.network.lsuv_init import initialise
from headstart.engine.network.stages import assign_arrays, name_variables, verify_composition
from headstart.errors import UsageError
from headstart.specs import BackboneRequest, TensorSpec
from headstart_plugins.keras_applications import NETWORKS, _build, _load
from headstart_plugins.keras_applications._families import FAMILIES

from .conftest import BY_NAME, QUICK_ON, SPECS, Kit, assert_close, bring_alive, pixels_of, reference_input, run

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

QUICK = QUICK_ON[os.environ.get("KERAS_BACKEND", "torch")]
REFUSED = [network.name for network in NETWORKS if "torch" in FAMILIES[network.family].refuses]
BUILT = [name for name in BY_NAME if keras.backend.backend() != "torch" or name not in REFUSED]


def _marked(names):
    return [pytest.param(n, marks=() if n in QUICK else (pytest.mark.slow,)) for n in names]


@pytest.mark.parametrize("name", _marked(BUILT))
def test_stages_with_loaded_weights_equal_the_public_model_with_its_own_preprocessing(name, tmp_path):
    kit = Kit(name)
    reference = kit.keras_model()  # built first: Keras' counters have moved when the stages are built
    pixels = pixels_of(kit.shape)
    bring_alive(reference, kit.keras_preprocess(pixels))
    file = tmp_path / "notop.h5"
    _write_legacy(file, reference)

    backbone = kit.build()
    assert tuple(stage.name for stage in backbone.stages) == kit.spec.stages
    verify_composition(backbone.stages)
    assign_arrays(backbone.stages, _load.load(file, backbone), source=str(file))

    # A tiny batch at a tiny size makes BatchNorm magnify rounding, so the two halves are compared one by one.
    image = reference_input(kit, reference, pixels)
    assert_close(kit.preprocess(pixels), image)
    outputs = run(backbone.stages, image)
    expected = run_reference(reference, kit.keras_preprocess(pixels))
    assert_close(outputs[kit.spec.stages[-1], "pooled"], expected)
    _check_features(kit, outputs)
    assert _parameters(backbone) == kit.spec.parameters


def _write_legacy(file, model):
    import h5py

    with h5py.File(file, "w") as handle:
        legacy_h5_format.save_weights_to_hdf5_group(handle, model)


def run_reference(model, image):
    return keras.ops.convert_to_numpy(model(image, training=False))


def _check_features(kit, outputs):
    for feature in kit.spec.features:
        array = outputs[feature.stage, feature.tensor]
        assert array.ndim == len(feature.axes)
        assert array.shape[-1] == feature.channels
        if feature.stride and kit.family.tiny % 32 == 0:  # others crop at each valid convolution
            assert array.shape[1] == kit.family.tiny // feature.stride


def _parameters(backbone):
    return sum(int(np.prod(variable.shape)) for variable in name_variables(backbone.stages).values())


@pytest.mark.parametrize("name", _marked(("mobilenet", "convnexttiny")))
def test_a_network_of_random_weights_is_alive_at_every_boundary(name):
    kit = Kit(name)
    backbone = kit.build()
    image = kit.preprocess(pixels_of(kit.shape))
    initialise(backbone.stages, {"image": image}, seed=1)
    for value in run(backbone.stages, image).values():
        assert 0.05 <= value.std() <= 20


def test_every_network_that_keras_ships_is_declared():
    shipped = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {network.function for network in NETWORKS} == shipped


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "torch", reason="built on torch's meta device")
@pytest.mark.parametrize("name", [n for n in _marked(BY_NAME) if n.values[0] not in REFUSED])
def test_the_table_is_what_the_installed_keras_says(name):
    from .make_table import survey

    assert survey(BY_NAME[name].function) == BY_NAME[name]


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="only torch is refused")
@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_refuses_torch_says_why(name):
    with pytest.raises(UsageError, match=r"refuses the backend torch.*--backend jax"):
        Kit(name).build()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("convnexttiny", "Keras' ConvNeXt does not support"),
        ("densenet121", "Keras' DenseNet does not support"),
        ("nasnetmobile", "Keras' NASNet does not support"),
        ("vgg16", "height, width, channel"),
    ],
)
def test_channels_first_is_refused_with_the_reason(name, reason, monkeypatch):
    kit = Kit(name)
    if keras.backend.backend() in kit.spec.refuses:
        pytest.skip("refused for its backend first")
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(UsageError, match="refuses the layout channels_first") as caught:
        kit.build()
    assert reason in str(caught.value)


@pytest.mark.parametrize("shape", [(31, 64, 3), (64, 64, 1), (64, 64)])
def test_a_size_that_the_network_cannot_take_is_refused(shape):
    request = BackboneRequest(SPECS["vgg16"].options(), {"image": TensorSpec(shape, "float32")})
    with pytest.raises(UsageError, match="at least 32 px"):
        _build.vgg16(request)


def test_alpha_narrows_a_mobilenet():
    spec = SPECS["mobilenet"]
    narrow = _build.mobilenet(BackboneRequest(spec.options(alpha=0.25), {"image": TensorSpec((32, 32, 3), "float32")}))
    assert narrow.stages[-1].model.output["pooled"].shape == (None, 256)


def test_an_unknown_build_target_is_no_attribute():
    with pytest.raises(AttributeError, match="vgg17"):
        _ = _build.vgg17
