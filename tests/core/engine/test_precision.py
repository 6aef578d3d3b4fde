"""bfloat16 below the head and nowhere else; layers, weights and answers stay what they were in float32."""

import keras
import numpy as np
import pytest

from headstart.engine import precision
from headstart.engine.device import forward, train_step
from headstart.engine.network.stages import name_variables, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.errors import EngineRefusal

pytestmark = pytest.mark.backend

ROWS = np.arange(8)


@pytest.fixture
def anywhere(monkeypatch):
    """JAX refuses bfloat16 on the CPU because it is slow there; what it computes is right."""
    monkeypatch.setattr(precision, "device_at_hand", lambda: "gpu")


def policies(network):
    return {layer.dtype_policy.name for stage in network.stages for layer in stage.model._flatten_layers()}


def test_features_are_float32_arrays_within_the_digits_of_bfloat16(bench, network, anywhere):
    batch = bench.batch(ROWS)
    expected = forward(network, 0, 4)(batch)["@pooled"]
    given = forward(network, 0, 4, precision="bfloat16")(batch)["@pooled"]

    assert given.dtype == np.float32
    assert expected.std() > 0.01
    difference = np.abs(given - expected).max() / expected.std()
    assert 1e-4 < difference < 0.1
    assert policies(network) == {"float32"}


def test_the_input_stage_and_the_head_compute_in_float32(bench, network, anywhere):
    batch = bench.batch(ROWS)
    pixels = forward(network, 0, 1)(batch)
    pooled = forward(network, 0, 4)(batch)

    for start, stop, tensors in ((0, 1, batch), (4, 5, pooled)):
        expected = forward(network, start, stop)(tensors)
        given = forward(network, start, stop, precision="bfloat16")(tensors)
        assert all(np.array_equal(given[name], expected[name]) for name in expected)
    assert pixels["image"].std() > 0.01


def test_what_travels_between_stages_is_float32_in_either_precision(bench, network, anywhere):
    found = forward(network, 0, 2, precision="bfloat16")(bench.batch(ROWS))

    assert {array.dtype.name for array in found.values()} == {"float32"}


def first_moments(bench, network, asked):
    learning = trainable_variables(network, network.names[1:])
    rates = dict.fromkeys(network.names, 1e-12)
    optimizer = GroupedOptimizer(learning, rates, Schedule(10))
    step = train_step(Step(network, 0, learning, optimizer, bench.task, asked))
    stepped = step(bench.batch(ROWS), bench.targets("train", ROWS), np.ones(8, np.float32))
    step.sync()
    moments = [keras.ops.convert_to_numpy(each) for each in optimizer.first]
    return stepped, dict(zip(optimizer.names, moments, strict=True))


def test_a_training_step_gives_nearly_the_same_gradients_on_float32_weights(bench, network, anywhere):
    exact, expected = first_moments(bench, network, "float32")
    stepped, given = first_moments(bench, network, "bfloat16")

    assert stepped.finite
    assert stepped.outputs["logits"].dtype == np.float32
    assert stepped.loss == pytest.approx(exact.loss, rel=0.02)
    assert {array.dtype.name for array in given.values()} == {"float32"}
    assert {keras.backend.standardize_dtype(v.dtype) for v in name_variables(network.learned).values()} == {"float32"}
    ours, theirs = (np.concatenate([each.ravel() for each in moments.values()]) for moments in (given, expected))
    assert 1e-4 < np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.1
    assert policies(network) == {"float32"}


def test_layers_are_put_back_where_a_pass_fails(bench, network, anywhere):
    with pytest.raises(Exception, match=r"image|shape|dimension|KeyError"):
        forward(network, 0, 4, precision="bfloat16")({"image": np.zeros((1, 3), np.uint8)})

    assert policies(network) == {"float32"}


def test_jax_refuses_bfloat16_on_the_cpu_and_says_why(network, backend):
    if backend != "jax":
        assert forward(network, 0, 4, precision="bfloat16")
        return
    with pytest.raises(EngineRefusal, match="takes longer than float32") as caught:
        forward(network, 0, 4, precision="bfloat16")
    assert "--precision float32" in caught.value.hint


def test_other_precisions_are_unknown(network):
    with pytest.raises(ValueError, match="unknown precision 'float16'"):
        forward(network, 0, 4, precision="float16")
