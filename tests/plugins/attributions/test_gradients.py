"""Integrated gradients against closed forms: of a linear network, and of a small one whose gradients are known."""

import numpy as np
import pytest

pytestmark = pytest.mark.backend

WIDTH, HIDDEN, UNITS, LONGEST, USED = 5, 7, 3, 8, 6
IDS = np.array([[3, 1, 4, 1, 5, 9, 0, 0]], np.int32)
MASK = np.arange(LONGEST)[None] < USED


def network(*, hidden):
    """Tokens embedded, those that are there averaged, and a linear answer; between them, if `hidden`, a layer with
    tanh on each token."""
    import keras

    from headstart.engine.network.network import Network
    from headstart.specs import FeatureSpec, Stage

    def entries():
        ids, mask = keras.Input((None,), dtype="int32", name="ids"), keras.Input((None,), dtype="bool", name="mask")
        return {"ids": ids, "mask": mask}

    def same(tensors):
        return {name: keras.layers.Identity()(tensor) for name, tensor in tensors.items()}

    read, told = entries(), entries()
    embedded = keras.layers.Embedding(10, WIDTH)(told["ids"])
    x, mask = keras.Input((None, WIDTH), name="x"), keras.Input((None,), dtype="bool", name="mask")
    steps = keras.layers.Dense(HIDDEN, activation="tanh")(x) if hidden else keras.layers.Identity()(x)
    there = keras.ops.cast(mask, "float32")[..., None]
    pooled = keras.ops.sum(steps * there, axis=1) / keras.ops.sum(there, axis=1)
    feature = keras.Input((HIDDEN if hidden else WIDTH,), name="pooled")
    stages = (
        Stage("input", keras.Model(read, same(read))),
        Stage("embeddings", keras.Model(told, {"x": embedded, **same({"mask": told["mask"]})})),
        Stage("pool", keras.Model({"x": x, "mask": mask}, {"pooled": pooled})),
        Stage("head", keras.Model({"pooled": feature}, {"logits": keras.layers.Dense(UNITS)(feature)})),
    )
    generator = np.random.default_rng(4)  # the same weights on both backends, whose own random numbers differ
    for stage in stages:
        stage.model.set_weights([generator.normal(size=each.shape) for each in stage.model.get_weights()])
    axes = ("batch", "channel")
    return Network(stages, (FeatureSpec("pooled", "pool", "pooled", axes, HIDDEN if hidden else WIDTH),))


def rows(blank=7):
    ids = np.where(MASK, IDS, 0).astype(np.int32)
    return {"ids": ids, "mask": MASK}, {"ids": np.where(MASK, blank, ids).astype(np.int32), "mask": MASK}


def weights_of(network):
    """The arrays of each stage with weights: embeddings, then kernels and biases."""
    return [np.asarray(each, np.float64) for stage in network.stages for each in stage.model.get_weights()]


def attributed(network, unit, count):
    from headstart_plugins.attributions._gradients import IntegratedGradients, explained_output

    output, units = explained_output(network)
    return IntegratedGradients(network, output, count=count)(*rows(), np.eye(units, dtype=np.float32)[unit])


@pytest.mark.parametrize("unit", range(UNITS))
def test_of_a_linear_network_they_are_the_closed_form(unit):
    net = network(hidden=False)
    table, kernel, bias = weights_of(net)
    found = attributed(net, unit, 4)
    change = table[IDS[0, :USED]] - table[7]
    np.testing.assert_allclose(found.steps[:USED], change @ kernel[:, unit] / USED, rtol=1e-5, atol=1e-6)
    assert found.value == pytest.approx(table[IDS[0, :USED]].mean(0) @ kernel[:, unit] + bias[unit], abs=1e-5)
    assert abs(found.error) < 1e-6 * max(1, np.abs(found.steps).max()) * LONGEST


def test_padding_gets_exactly_nothing():
    for hidden in (False, True):
        found = attributed(network(hidden=hidden), 1, 32)
        assert (found.steps[USED:] == 0.0).all()
        assert (found.steps[:USED] != 0.0).all()


def test_of_a_network_with_a_hidden_layer_they_are_what_numpy_integrates():
    """Of mean(tanh(x K + b)) V the gradient is known; the same midpoint rule in float64 holds both backends to it."""
    net = network(hidden=True)
    table, kernel, bias, out, _ = weights_of(net)
    begin, end = table[[7] * USED], table[IDS[0, :USED]]
    shares = (np.arange(32) + 0.5) / 32
    points = begin + shares[:, None, None] * (end - begin)
    slopes = ((1 - np.tanh(points @ kernel + bias) ** 2) * out[:, 2]) @ kernel.T / USED
    expected = ((end - begin) * slopes.mean(0)).sum(-1)
    assert expected.std() > 0.01
    np.testing.assert_allclose(attributed(net, 2, 32).steps[:USED], expected, rtol=1e-4, atol=1e-5)


def test_they_add_up_to_the_change_of_the_output_and_better_with_more_points():
    net = network(hidden=True)
    found = {count: attributed(net, 0, count) for count in (4, 16, 64)}
    assert abs(found[64].value - found[64].baseline) > 0.1
    errors = [found[count].relative_error for count in (4, 16, 64)]
    assert errors[2] < 0.01
    assert errors[0] > errors[1] > errors[2]


def test_they_are_the_same_in_one_call_or_in_several(monkeypatch):
    from headstart_plugins.attributions import _gradients

    net = network(hidden=True)
    whole = attributed(net, 1, 32)
    monkeypatch.setattr(_gradients, "ROOM", 5 * LONGEST)  # 34 points, five a call
    parts = attributed(net, 1, 32)
    np.testing.assert_allclose(parts.steps, whole.steps, rtol=1e-5, atol=1e-7)
    assert (parts.value, parts.baseline) == pytest.approx((whole.value, whole.baseline), abs=1e-6)


def test_a_tensor_that_the_output_ignores_has_no_gradient():
    from headstart.engine.device import input_gradient

    net = network(hidden=True)
    explain = input_gradient(net, 2, "x", output="logits")
    entering = np.ones((2, 4, WIDTH), np.float32)
    weights = np.array([[1, 0, 0], [0, 0, 0]], np.float32)
    values, gradient = explain(entering, {"mask": np.ones((2, 4), bool)}, weights)
    assert values.shape == (2,)
    assert gradient.shape == entering.shape
    assert values[1] == 0.0
    assert (gradient[1] == 0.0).all()
    assert (gradient[0] != 0.0).any()
