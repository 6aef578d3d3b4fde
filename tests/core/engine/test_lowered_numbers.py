"""What this backend's rules give has the stock layers' numbers, forward and backward, on the stock layers' weights."""

import os

import keras
import numpy as np
import pytest

from headstart.engine.device import forward, train_step
from headstart.engine.lowering.loops import within_loop
from headstart.engine.lowering.registry import lower, rules_for
from headstart.engine.network.lsuv_init import calibration_batch, initialise
from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables, read_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.registry import load_registry
from headstart.specs import BackboneRequest, FeatureSpec, Stage, TensorSpec

pytestmark = pytest.mark.backend
ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"
layers = keras.layers
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def rules(registry):
    return rules_for(keras.backend.backend(), registry, device="cpu")


def run(stages, tensors):
    for stage in stages:
        tensors = stage.model({name: tensors[name] for name in stage.model.input}, training=False)
    return tensors


def loss(outputs):
    """Sines weigh every output differently, and alike in both networks."""
    flat = [keras.ops.reshape(outputs[name], (-1,)) for name in sorted(outputs)]
    return sum(keras.ops.sum(each * keras.ops.sin(keras.ops.arange(each.shape[0], dtype="float32"))) for each in flat)


def on_jax(stages, inputs, variables):
    import jax

    def scalar(given, values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            outputs = run(stages, given)
        return loss(outputs), outputs

    calculate = jax.jit(jax.value_and_grad(scalar, argnums=(0, 1), has_aux=True))
    (_, outputs), (to_inputs, to_values) = calculate(inputs, [variable.value for variable in variables])
    return outputs, [*to_inputs.values(), *to_values]


def on_torch(stages, inputs, variables):
    import torch

    given = {name: torch.from_numpy(array).requires_grad_() for name, array in inputs.items()}
    outputs = run(stages, given)
    gradients = torch.autograd.grad(loss(outputs), [*given.values(), *(variable.value for variable in variables)])
    return {name: each.detach() for name, each in outputs.items()}, gradients


def numbers(stages, inputs, variables):
    """Outputs by name, and by name the gradients of a loss for inputs and variables."""
    calculate = on_jax if keras.backend.backend() == "jax" else on_torch
    outputs, gradients = calculate(stages, inputs, list(variables.values()))
    named = zip([*inputs, *variables], gradients, strict=True)
    return {name: np.asarray(each) for name, each in outputs.items()}, {name: np.asarray(each) for name, each in named}


def both(stages, inputs, rules):
    """The numbers of the stock stages and of the lowered ones; both read the same variables."""
    fast = lower(Network(tuple(stages), ()), rules).stages
    ours, theirs = (sorted(id(v) for stage in each for v in stage.model.weights) for each in (stages, fast))
    assert ours == theirs
    learning = {name: variable for name, variable in name_variables(stages).items() if variable.trainable}
    return numbers(stages, inputs, learning), numbers(fast, inputs, learning)


def verify_outputs(given, expected):
    for name, array in expected.items():
        assert array.std() > 0.01
        np.testing.assert_allclose(given[name], array, atol=TOLERANCE * max(1.0, array.std()))


def verify_each(given, expected):
    for name, array in expected.items():
        assert np.linalg.norm(given[name] - array) <= TOLERANCE * np.linalg.norm(array), name
        assert np.linalg.norm(array) > 0, name


def single(*chain, size=(9, 8), channels=6):
    """A stage of layers in a row, every weight random."""
    tensor = start = keras.Input((*size, channels), name="image")
    for layer in chain:
        tensor = layer(tensor)
    rng = np.random.default_rng(1)
    for layer in chain:
        for variable in layer.weights:
            drawn = rng.normal(size=variable.shape)
            variable.assign(np.abs(drawn) + 0.5 if variable.name == "moving_variance" else drawn)
    return Stage("only", keras.Model({"image": start}, {"x": tensor}))


def images(stage, count=5):
    shape = stage.model.input["image"].shape[1:]
    return {"image": np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")}


def verify_single(stage, rules):
    if lower(Network((stage,), ()), rules).stages[0] is stage:
        pytest.skip("no rule of this backend is for this layer")
    expected, given = both([stage], images(stage), rules)
    verify_outputs(given[0], expected[0])
    verify_each(given[1], expected[1])


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "size"),
    [
        *((3, 1, "same", (8, 8)), (3, 2, "same", (9, 8)), (5, 2, "same", (8, 9)), (4, 1, "same", (9, 9))),
        *((5, 1, "valid", (8, 9)), ((3, 5), 1, "same", (7, 9)), (2, 3, "same", (9, 8)), (1, 2, "valid", (8, 8))),
        (5, 1, "same", (4, 3)),
        *(
            pytest.param(*each, marks=pytest.mark.slow_on_jax)
            for each in ((3, 2, "same", (8, 8)), (5, 2, "valid", (9, 9)), (5, 1, "same", (9, 8)))
        ),
    ],
)
def test_a_depthwise_convolution(rules, kernel, strides, padding, size):
    layer = layers.DepthwiseConv2D(kernel, strides=strides, padding=padding, use_bias=size[0] == 9)
    stage = single(layer, size=size)
    verify_single(stage, rules)


@pytest.mark.parametrize(
    ("filters", "kernel", "options", "channels"),
    [
        (4, 1, {"activation": "relu"}, 6),
        (4, 1, {"use_bias": False, "activation": "relu6"}, 6),
        (4, 1, {"activation": "silu"}, 6),
        (4, 1, {"strides": 2}, 6),
        (4, 3, {"padding": "same", "strides": 2}, 3),
        (4, 3, {"padding": "same"}, 1),
        (4, (1, 5), {"padding": "valid", "use_bias": False}, 6),
        (6, 3, {"groups": 3}, 6),
        (6, 3, {"groups": 6, "padding": "same"}, 6),
        (12, 3, {"groups": 6}, 6),
    ],
)
def test_a_convolution(rules, filters, kernel, options, channels):
    stage = single(layers.Conv2D(filters, kernel, **options), channels=channels)
    with within_loop():  # where its gradients on JAX are our own; outside they are what JAX derives
        verify_single(stage, rules)


@pytest.mark.parametrize(
    "chain",
    [
        (layers.ZeroPadding2D(1), layers.Conv2D(4, 3, strides=2), layers.LeakyReLU(0.1)),
        (layers.ZeroPadding2D(((0, 1), (2, 1))), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()),
        (layers.ZeroPadding2D(2), layers.DepthwiseConv2D(5, use_bias=False)),
        (layers.Conv2D(4, 3, padding="same"), layers.LeakyReLU(0.3)),
        (layers.AveragePooling2D(3, strides=2),),
    ],
)
def test_zeros_before_and_slopes_after_a_convolution_and_means(rules, chain):
    verify_single(single(*chain), rules)


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "tanh"}])
def test_a_dense_layer_over_tokens(rules, options):
    stage = single(layers.Dense(72, **options), layers.Dense(64), size=(5,), channels=64)
    assert "Dense" not in {type(layer).__name__ for layer in lower(Network((stage,), ()), rules).stages[0].model.layers}
    expected, given = both([stage], images(stage), rules)
    verify_outputs(given[0], expected[0])
    verify_each(given[1], expected[1])


@pytest.mark.parametrize(
    ("layer", "norm", "activation"),
    [
        (layers.DepthwiseConv2D(3, use_bias=False), {}, layers.ReLU(6.0)),
        (layers.DepthwiseConv2D(3), {"scale": False, "epsilon": 0.1}, layers.Activation("silu")),
        (layers.Conv2D(6, 1), {}, layers.ReLU()),
        (layers.Conv2D(6, 1, use_bias=False), {"center": False}, layers.Activation("relu6")),
        (layers.Conv2D(6, 3, use_bias=False), {}, layers.ReLU(negative_slope=0.1)),
        (layers.Conv2D(6, 3), {"center": False, "scale": False}, None),
    ],
)
def test_a_convolution_batch_norm_and_an_activation(rules, layer, norm, activation):
    stage = single(layer, layers.BatchNormalization(**norm), *([] if activation is None else [activation]))
    verify_single(stage, rules)


def test_in_training_mode_batch_norm_takes_the_statistics_of_the_batch(rules):
    """Only a head runs so; then the stock layers do the work, moving statistics and all."""
    stage = single(layers.Conv2D(4, 1), layers.BatchNormalization(momentum=0.5), layers.ReLU())
    fast = lower(Network((stage,), ()), rules).stages[0]
    statistics = stage.model.non_trainable_variables
    start = [keras.ops.convert_to_numpy(each).copy() for each in statistics]
    moved, outputs = [], []
    for each in (stage, fast):
        for variable, value in zip(statistics, start, strict=True):
            variable.assign(value)
        outputs.append(keras.ops.convert_to_numpy(each.model(images(stage), training=True)["x"]))
        moved.append([keras.ops.convert_to_numpy(variable).copy() for variable in statistics])
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-4)
    np.testing.assert_allclose(moved[1], moved[0], atol=1e-5)
    assert np.abs(np.array(moved[0]) - np.array(start)).max() > 0.01


def built(registry, name, variant=None, size=64):
    """A backbone's stages, alive, and a batch for them."""
    spec = registry.get("backbones", name)
    options = spec.options(**(variant if variant is not None else spec.tiny))
    shapes = {"image": (size, size, 3)}
    inputs = {name: TensorSpec(shape, "float32") for name, shape in shapes.items()}
    stages = registry.load_target(spec, spec.build)(BackboneRequest(options=options, inputs=inputs)).stages
    batch = calibration_batch(shapes, count=16)
    initialise(stages, batch)
    return stages, batch


def difference(given, expected):
    """Of all gradients together, as a share of their size."""
    ours, theirs = (np.concatenate([array.ravel() for array in each.values()]) for each in (given, expected))
    assert np.linalg.norm(theirs) > 0
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def sensitivity(stage, inputs, expected):
    """How much the stock layers' own gradients change where the last bits of the inputs do: ReLUs near zero turn."""
    learning = {name: variable for name, variable in name_variables([stage]).items() if variable.trainable}
    rng = np.random.default_rng(0)
    changes = []
    for _ in range(3):
        nudged = {n: (a * rng.uniform(1 - 1e-6, 1 + 1e-6, a.shape)).astype("float32") for n, a in inputs.items()}
        changes.append(difference(numbers([stage], nudged, learning)[1], expected))
    return max(changes)


def verify_stages(stages, batch, rules):
    """Stage by stage: outputs and gradients, as near as the stock layers are to themselves on all but equal inputs."""
    for stage in stages:
        inputs = {name: batch[name] for name in stage.model.input}
        expected, given = both([stage], inputs, rules)
        verify_outputs(given[0], expected[0])
        found = difference(given[1], expected[1])
        if found > TOLERANCE:
            assert found <= 10 * sensitivity(stage, inputs, expected[1]), stage.name
            assert found <= 100 * TOLERANCE, stage.name
        batch = expected[0]


@pytest.mark.slow_on_jax
@pytest.mark.parametrize(
    "name", ["efficientnet_lite/lite0", pytest.param("nanodet/coco", marks=[pytest.mark.slow] * ON_JAX)]
)
def test_a_small_network(registry, rules, name):
    verify_stages(*built(registry, name), rules)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("efficientnet_lite/lite0", 64),
        *((f"keras_applications/{name}", 64) for name in ("mobilenetv2", "efficientnetb0", "resnet50")),
    ],
)
def test_whole_networks(registry, rules, name, size):
    verify_stages(*built(registry, name, variant={}, size=size), rules)


@pytest.fixture(scope="module")
def networks(rules):
    """Two stages of inverted bottlenecks and a head, in stock layers and in those of this backend."""
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    first = keras.Model({"image": image}, {"x": layers.Activation("relu6")(layers.BatchNormalization()(x))})
    middle = keras.Input((8, 8, 8), name="x")
    x = layers.Conv2D(16, 1)(middle)
    x = layers.DepthwiseConv2D(5, strides=2, padding="same", use_bias=False)(x)
    x = layers.Activation("relu6")(layers.BatchNormalization()(x))
    second = keras.Model({"x": middle}, {"pooled": layers.GlobalAveragePooling2D()(x)})
    pooled = keras.Input((16,), name="pooled")
    head = keras.Model({"pooled": pooled}, {"logits": layers.Dense(3)(pooled)})
    stages = (
        Stage("input", keras.Model({"image": image}, {"image": image * 1.0})),
        Stage("stem", first),
        Stage("top", second),
        Stage("head", head),
    )
    stock = Network(stages, (FeatureSpec("pooled", "top", "pooled", ("batch", "channel"), 16),))
    return stock, lower(stock, rules)


def test_the_variables_are_the_same_objects_in_the_same_order(networks):
    stock, fast = networks
    ours, theirs = ([id(v) for v in name_variables(network.learned).values()] for network in networks)
    assert ours == theirs
    assert len(ours) == 15
    assert fast.stages[2] is not stock.stages[2]


def test_outputs_and_updates_agree_with_the_stock_network(networks):
    """One plain-gradient step (no moments yet: AdamW's first update is the sign) would hide differences, so the
    gradients are compared through the slots of the optimizer: after one step the first moment is a tenth of them.
    """
    moments = []
    rng = np.random.default_rng(0)
    batch = {"image": rng.normal(size=(4, 16, 16, 3)).astype("float32")}
    stock = networks[0]
    start = read_arrays(stock.learned)
    outputs = []
    for network in networks:
        for name, variable in name_variables(stock.learned).items():
            variable.assign(start[name])
        outputs.append(forward(network, 0, len(network.stages))(batch)["logits"])
        trainable = trainable_variables(stock, stock.names[1:])
        rates = dict.fromkeys(stock.names, 1e-3)
        optimizer = GroupedOptimizer(trainable, rates, Schedule(10))
        step = train_step(Step(network, 0, trainable, optimizer, Task()))
        step(batch, {"class": np.array([0, 1, 2, 0], "int32")}, np.ones(4, "float32"))
        step.sync()
        moments.append([keras.ops.convert_to_numpy(slot) for slot in (*optimizer.first, *optimizer.second)])
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-4 * max(1.0, outputs[0].std()))
    ours, theirs = (np.concatenate([slot.ravel() for slot in each]) for each in moments)
    assert np.linalg.norm(ours - theirs) <= 1e-4 * np.linalg.norm(ours)
    assert np.linalg.norm(ours) > 0


class Task:
    """Cross-entropy, and nothing else of a task."""

    def loss(self, targets, outputs, *, training):
        return keras.losses.sparse_categorical_crossentropy(targets["class"], outputs["logits"], from_logits=True)
