"""EfficientNet-Lite in Keras computes what its reference implementation computes."""

from pathlib import Path

import numpy as np
import pytest

from headstart.specs import BackboneRequest

pytestmark = pytest.mark.backend

REFERENCE = Path(__file__).with_name("reference.npz")
DAISY = 985
"""ImageNet's nearest class to flower.jpg."""


def build(spec, size, **options):
    from headstart_plugins.efficientnet_lite import _build

    request = BackboneRequest(spec.options(**options), {"image": (size, size, 3)})
    return getattr(_build, spec.build.partition(":")[2])(request)


def run(stages, image):
    """Every stage's outputs, by stage name."""
    tensors, found = {"image": image}, {}
    for stage in stages:
        tensors = found[stage.name] = stage.model(tensors, training=False)
    return found


def logits_of(backbone, file, pixels):
    """(batch, 1000) float32 from our build, with the published classifier on top."""
    import keras

    from headstart.engine.stages import assign_arrays
    from headstart_plugins.efficientnet_lite._weights import classifier, load

    assign_arrays(backbone.stages, load(file, backbone), source=str(file))
    image = (pixels.astype(np.float32) - 127) / 128
    kernel, bias = classifier(file)
    return keras.ops.convert_to_numpy(run(backbone.stages, image)["top"]["pooled"]) @ kernel + bias


def assert_close(found, expected):
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1, expected.std())


def test_logits_equal_those_stored_from_the_reference(spec, weights_file, pixels):
    import hashlib

    stored = np.load(REFERENCE)
    if hashlib.sha256(pixels.tobytes()).hexdigest() != str(stored[f"{spec.short_name}_pixels"]):
        pytest.skip("this JPEG decoder gives other pixels than the one that the stored logits belong to")
    expected = stored[spec.short_name]

    found = logits_of(build(spec, pixels.shape[1]), weights_file, pixels)

    assert_close(found, expected)
    assert found.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()
    assert DAISY in np.argsort(found[1])[-3:]


def test_logits_equal_those_of_the_installed_reference(spec, weights_file, pixels, monkeypatch):
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("efficientnet_lite_pytorch")
    monkeypatch.setattr("builtins.print", lambda *_: None)
    model = reference.EfficientNet.from_pretrained(
        f"efficientnet-{spec.short_name}", weights_path=str(weights_file)
    ).eval()
    images = (pixels.astype(np.float32) - 127) / 128
    with torch.no_grad():
        expected = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()

    found = logits_of(build(spec, pixels.shape[1]), weights_file, pixels)

    assert_close(found, expected)


def test_the_parts_that_the_spec_promises_are_there(spec):
    from headstart.engine.stages import name_variables, verify_composition

    size = spec.preprocess["size"][0]
    stages = build(spec, size).stages
    by_name = {stage.name: stage.model for stage in stages}

    verify_composition(stages)
    assert tuple(by_name) == spec.stages
    assert sum(variable.numpy().size for variable in name_variables(stages).values()) == spec.parameters
    for feature in spec.features:
        shape = by_name[feature.stage].output[feature.tensor].shape
        side = () if feature.stride is None else (-(-size // feature.stride),) * 2
        assert shape == (None, *side, feature.channels), feature.name


def test_stages_one_after_another_equal_the_whole(spec):
    import keras

    stages = build(spec, spec.tiny_size, **spec.tiny).stages
    image = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    for stage in stages:  # statistics of this batch, or random features vanish
        for layer in stage.model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0
    tensors = {"image": image}
    for stage in stages:
        tensors = stage.model(tensors, training=True)
    whole_input = keras.Input((32, 32, 3), name="image")
    tensors = {"image": whole_input}
    for stage in stages:
        tensors = stage.model(tensors)
    whole = keras.Model({"image": whole_input}, tensors)

    expected = keras.ops.convert_to_numpy(whole({"image": image}, training=False)["pooled"])

    assert_close(keras.ops.convert_to_numpy(run(stages, image)["top"]["pooled"]), expected)
    assert 0.05 <= expected.std() <= 20


def test_the_tiny_variant_is_tiny(spec):
    from headstart.engine.stages import name_variables

    stages = build(spec, spec.tiny_size, **spec.tiny).stages

    assert sum(variable.numpy().size for variable in name_variables(stages).values()) < 20_000
    assert tuple(stage.name for stage in stages) == spec.stages


def test_the_input_may_have_another_size_and_shape(spec):
    from headstart_plugins.efficientnet_lite import _build

    function = getattr(_build, spec.build.partition(":")[2])
    stages = function(BackboneRequest(spec.options(**spec.tiny), {"image": (96, 64, 3)})).stages

    assert stages[-2].model.output["x"].shape[1:3] == (3, 2)
