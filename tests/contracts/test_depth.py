"""Why backends are compared in pieces: on deep random stages float32 itself is further off than a backend may be."""

import keras
import numpy as np
import pytest

from headstart.engine.network.assemble import backbone_inputs, build_backbone
from headstart.engine.network.stages import assign_arrays, read_arrays
from headstart.registry import load_registry
from headstart.testing.backbones import TOLERANCE
from headstart.testing.backbones.network import bring_alive, cut_finely, preprocessed, run_stages
from headstart.testing.input_kinds import build_kind, input_of, make_up

pytestmark = pytest.mark.backend


@pytest.fixture
def doubled():
    """Switches this process to float64, and back."""

    def switch():
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")

    yield switch
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def shares(low, high, images):
    """{(stage, tensor): largest difference of float32 from float64 on equal inputs, as a share of what is allowed}."""
    found, below = {}, images
    for one, other in zip(low, high, strict=True):
        exact = run_stages([other], {name: array.astype(np.float64) for name, array in below.items()})
        rounded = run_stages([one], {name: array.astype(np.float32) for name, array in below.items()})
        for key, array in exact.items():
            allowed = TOLERANCE * max(1.0, float(array.std()))
            found[key] = float(np.abs(rounded[key] - array).max()) / allowed
        below = {name: array for (_, name), array in exact.items()}
    return found


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "torch", reason="JAX has no float64 unless its process was started so")
def test_float32_of_a_deep_stage_is_further_from_float64_than_allowed_and_its_pieces_are_not(doubled):
    registry = load_registry()
    spec = registry.get("backbones", "keras_applications/resnet101")
    kind = build_kind(registry, input_of(registry, spec), spec.preprocess, spec.tiny_size)
    inputs = backbone_inputs(kind)
    low = build_backbone(spec, registry, options=spec.default_options(), inputs=inputs)
    images = preprocessed(kind, make_up(kind.tensors, 16))
    assert bring_alive(low, images) is None
    doubled()
    high = build_backbone(spec, registry, options=spec.default_options(), inputs=inputs)
    arrays = {name: array.astype(np.float64) for name, array in read_arrays(low).items()}
    assign_arrays(high, arrays, source="float32")

    whole, pieces = shares(low, high, images), shares(cut_finely(low), cut_finely(high), images)
    assert whole["stage3", "x"] > 1
    assert max(pieces.values()) < 0.5
