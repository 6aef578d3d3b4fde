"""EfficientNet-Lite in Keras computes what its reference implementation computes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from headstart.specs import BackboneRequest, TensorSpec
from headstart_plugins.efficientnet_lite import register_backbones

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

REFERENCE = Path(__file__).with_name("reference.npz")
SPECS = tuple(register_backbones())
PALACE = 698
"""ImageNet's nearest class to china.jpg."""

lite0_alone = pytest.mark.parametrize("spec", SPECS[:1], ids=["lite0"], indirect=True)
larger_ones_slow = pytest.mark.parametrize(
    "spec",
    [pytest.param(spec, id=spec.short_name, marks=[pytest.mark.slow] * (spec not in SPECS[:1])) for spec in SPECS],
    indirect=True,
)


def build(spec, *sides, **options):
    from headstart_plugins.efficientnet_lite import _build

    request = BackboneRequest(spec.options(**options), {"image": TensorSpec((*sides, 3), "float32")})
    return getattr(_build, spec.build.partition(":")[2])(request).stages


def assert_close(found, expected):
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1, expected.std())


@larger_ones_slow
def test_logits_equal_those_stored_from_the_reference(spec, logits, pixels):
    stored = np.load(REFERENCE)
    if hashlib.sha256(pixels.tobytes()).hexdigest() != str(stored[f"{spec.short_name}_pixels"]):
        pytest.skip("this JPEG decoder gives other pixels than the one that the stored logits belong to")

    assert_close(logits, stored[spec.short_name])


@larger_ones_slow
def test_logits_equal_those_of_the_installed_reference(spec, logits, weights_file, pixels):
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("efficientnet_lite_pytorch")
    name = f"efficientnet-{spec.short_name}"
    model = reference.EfficientNet.from_pretrained(name, weights_path=str(weights_file)).eval()
    images = (pixels.astype(np.float32) - 127) / 128
    with torch.no_grad():
        expected = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()

    assert_close(logits, expected)
    assert logits.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()


@larger_ones_slow
def test_the_temple_is_taken_for_a_palace(logits):
    assert logits[0].argmax() == PALACE


@lite0_alone
def test_stages_one_after_another_equal_the_whole(network, pixels):
    stages, whole = network
    tensors = {"image": (pixels.astype(np.float32) - 127) / 128}
    expected = whole.predict_on_batch(tensors)["pooled"]

    for stage in stages:
        tensors = stage.model.predict_on_batch(tensors)

    assert_close(tensors["pooled"], expected)


def test_the_parts_that_the_spec_promises_are_there(spec):
    from headstart.engine.network.stages import read_arrays, verify_composition

    size = spec.preprocess["size"][0]
    stages = build(spec, size, size)
    by_name = {stage.name: stage.model for stage in stages}

    verify_composition(stages)
    assert tuple(by_name) == spec.stages
    assert sum(array.size for array in read_arrays(stages).values()) == spec.parameters
    for feature in spec.features:
        side = () if feature.stride is None else (-(-size // feature.stride),) * 2
        assert by_name[feature.stage].output[feature.tensor].shape == (None, *side, feature.channels)


def test_the_tiny_variant_is_tiny_and_has_every_stage(spec):
    from headstart.engine.network.stages import read_arrays

    stages = build(spec, spec.tiny_size, spec.tiny_size, **spec.tiny)

    assert tuple(stage.name for stage in stages) == spec.stages
    assert sum(array.size for array in read_arrays(stages).values()) < 50_000


def test_the_input_may_have_another_size_and_shape(spec):
    stages = build(spec, 96, 64, **spec.tiny)

    assert stages[-2].model.output["x"].shape[1:3] == (3, 2)


@lite0_alone
def test_equal_seeds_give_equal_weights_of_the_authors_scale(spec):
    import keras

    from headstart.engine.network.stages import read_arrays

    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        drawn.append(read_arrays(build(spec, 32, 32, depth=0.1)))

    assert all(np.array_equal(drawn[1][name], array) for name, array in drawn[0].items())
    kernel = drawn[0]["top/0/kernel"]
    assert kernel.std() == pytest.approx(np.sqrt(2 / kernel.shape[-1]), rel=0.02)
