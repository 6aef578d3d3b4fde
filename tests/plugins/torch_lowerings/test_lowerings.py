"""Which layers the rules for PyTorch take; their numbers are compared in tests/core/engine/test_lowered_numbers.py."""

import keras
import numpy as np
import pytest

from headstart.engine.lowering.registry import lower, rules_for
from headstart.engine.network.network import Network
from headstart.registry import load_registry
from headstart.specs import Stage

pytestmark = pytest.mark.backend
layers = keras.layers


def single(*chain):
    start = tensor = keras.Input((9, 9, 6), name="image")
    for layer in chain:
        tensor = layer(tensor)
    return Stage("only", keras.Model({"image": start}, {"x": tensor}))


def lowered(stage):
    return lower(Network((stage,), ()), rules_for("torch", load_registry(), device="cpu")).stages[0]


def names(stage):
    return [type(layer).__name__ for layer in stage.model.layers[1:]]


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ((layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(6.0)), []),
        ((layers.DepthwiseConv2D(5, strides=2), layers.BatchNormalization(), layers.Activation("relu")), []),
        ((layers.Conv2D(4, 1, groups=2), layers.BatchNormalization(), layers.Dropout(0.1)), ["Dropout"]),
        ((layers.Conv2D(4, 1, activation="relu"), layers.BatchNormalization()), ["FixedStatsBatchNorm"]),
        ((layers.Conv2D(4, 1), layers.BatchNormalization(axis=1)), ["BatchNormalization"]),
        ((layers.Conv2D(4, 1), layers.ReLU()), ["ReLU"]),
        ((layers.ZeroPadding2D(1), layers.Conv2D(4, 3), layers.LeakyReLU()), []),
        ((layers.ZeroPadding2D(1), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()), []),
    ],
)
def test_a_convolution_takes_in_what_follows_it(chain, expected):
    assert names(lowered(single(*chain))) == ["TorchConvolution", *expected]


def test_a_pooling_that_pads_nothing_works_on_the_memory_that_it_is_given():
    import numpy as np

    if keras.backend.backend() != "torch":
        pytest.skip("a layer of PyTorch's")
    stage = single(layers.MaxPooling2D(3, strides=2))
    fast = lowered(stage)
    images = np.random.default_rng(0).normal(size=(2, 9, 9, 6)).astype(np.float32)
    given, expected = (each.model({"image": images})["x"] for each in (fast, stage))

    assert names(fast) == ["TorchPooling"]
    assert np.array_equal(*(keras.ops.convert_to_numpy(each) for each in (given, expected)))


@pytest.mark.parametrize(
    "layer",
    [
        layers.MaxPooling2D(2, padding="same"),
        layers.AveragePooling2D(2, padding="same"),
        layers.ZeroPadding2D(1),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.Conv2D(4, 3, dilation_rate=2),
        layers.Conv2D(4, 3, dtype="mixed_bfloat16"),
        layers.Conv2DTranspose(4, 3),
        layers.Dense(3),
    ],
)
def test_a_layer_that_would_differ_stays_as_it_is(layer):
    stage = single(layer)
    assert lowered(stage) is stage


def test_on_a_gpu_the_stock_convolutions_are_used():
    assert rules_for("torch", load_registry(), device="gpu").keys() == {"BatchNormalization"}


@pytest.mark.parametrize("padding", [(2, 2), (0, 0), (2, 1)])
@pytest.mark.parametrize("chunk", [1, 3000, 10**9])
def test_the_gradient_of_a_five_by_five_kernel_is_that_of_pytorch(monkeypatch, chunk, padding):
    """In chunks of one sample, of two with a rest of one, and of all."""
    torch = pytest.importorskip("torch")
    from headstart_plugins.torch_lowerings import _build

    monkeypatch.setattr(_build, "CHUNK", chunk)
    torch.manual_seed(0)
    images = torch.randn(5, 7, 6, 8)
    weights = torch.randn(7, 1, 5, 5, requires_grad=True)
    outputs = torch.nn.functional.conv2d(images, weights, padding=padding, groups=7)
    flow = torch.randn_like(outputs)
    (expected,) = torch.autograd.grad(outputs, weights, flow)
    given = _build.kernel_gradient(flow, images, weights.detach(), padding)
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4)
    assert _build.pays(weights, (1, 1))
    assert not _build.pays(weights, (2, 2))
    assert not _build.pays(weights[..., :3], (1, 1))


def test_a_lookup_gives_the_rows_of_the_stock_layer_and_a_gradient_of_these_alone():
    if keras.backend.backend() != "torch":
        pytest.skip("a layer of PyTorch's")
    import torch

    from headstart_plugins.torch_lowerings import _tokens

    stock = layers.Embedding(_tokens.LARGE, 3)
    stock.build((None, 4))
    places = torch.tensor([[0, 7, 7, -1], [5, 0, 4095, 2]], dtype=torch.int32)
    found = []
    for layer in (stock, _tokens.embedding(stock)):
        outputs = layer.call(places)
        (gradient,) = torch.autograd.grad((outputs * torch.arange(24.0).reshape(2, 4, 3)).sum(), stock.embeddings.value)
        found.append((outputs.detach(), gradient))
    (expected, full), (given, few) = found
    assert torch.equal(given, expected)
    assert few.is_sparse
    assert torch.equal(few.to_dense(), full)
    assert len(few.coalesce().values()) == 5


@pytest.mark.parametrize("layer", [layers.Embedding(100, 3), layers.Embedding(5000, 3, mask_zero=True)])
def test_small_tables_and_masks_stay_with_the_stock_layer(layer):
    _tokens = pytest.importorskip("headstart_plugins.torch_lowerings._tokens")
    assert _tokens.embedding(layer) is None


def test_the_gradient_of_a_gradient_of_a_dense_layer_is_refused():
    """PyTorch 2.13 has no gradient of oneDNN's product: it warns, and leaves out what would flow there."""
    if keras.backend.backend() != "torch":
        pytest.skip("a layer of PyTorch's")
    import torch

    from headstart_plugins.torch_lowerings import _tokens

    stock = layers.Dense(_tokens.LEAST)
    stock.build((None, _tokens.LEAST))
    point = torch.ones(2, _tokens.LEAST, requires_grad=True)
    (gradient,) = torch.autograd.grad(_tokens.dense(stock).call(point).pow(2).sum(), [point], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("sequences", [True, False])
def test_an_lstm_gives_what_the_stock_layer_gives(sequences):
    if keras.backend.backend() != "torch":
        pytest.skip("a layer of PyTorch's")
    from headstart_plugins.torch_lowerings._recurrent import lstm

    random = np.random.default_rng(0)
    layer = layers.LSTM(7, return_sequences=sequences)
    given = keras.ops.convert_to_tensor(random.standard_normal((3, 9, 5)).astype(np.float32))
    layer(given)
    layer.set_weights([random.standard_normal(each.shape) * 0.4 for each in layer.get_weights()])
    expected, found = (keras.ops.convert_to_numpy(each(given)) for each in (layer, lstm(layer)))
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("empty", [(), (1,), (0, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("below", [False, True])
def test_an_lstm_computes_sequences_of_zeros_once_and_gives_what_the_stock_layer_gives(sequences, empty, below):
    """The same answers and gradients; those of each sequence, too, where something `below` it learns."""
    if keras.backend.backend() != "torch":
        pytest.skip("a layer of PyTorch's")
    import torch

    from headstart_plugins.torch_lowerings._recurrent import lstm

    random = np.random.default_rng(0)
    layer = layers.LSTM(7, return_sequences=sequences)
    numbers = random.standard_normal((4, 9, 5)).astype(np.float32)
    numbers[list(empty)] = 0
    layer(numbers)
    layer.set_weights([random.standard_normal(each.shape) * 0.4 for each in layer.get_weights()])

    def answers_and_gradients(run):
        given = keras.ops.convert_to_tensor(numbers).requires_grad_(below)
        answers = run(given)
        learned = [layer.cell.recurrent_kernel.value, *([given] if below else [])]
        found = torch.autograd.grad((answers**2).sum(), learned)
        return [each.detach().numpy() for each in (answers, *found)]

    for expected, found in zip(answers_and_gradients(layer), answers_and_gradients(lstm(layer)), strict=True):
        assert expected.std() > 0.01
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_an_lstm_in_a_graph_is_lowered():
    given = keras.Input((9, 5), name="x")
    stage = Stage("only", keras.Model({"x": given}, {"y": layers.LSTM(7)(given)}))
    assert [type(layer).__name__ for layer in lowered(stage).model.layers[1:]] == ["TorchLSTM"]


@pytest.mark.parametrize(
    "options",
    [{"activation": "relu"}, {"go_backwards": True}, {"dropout": 0.1}, {"use_bias": False}, {"stateful": True}],
)
def test_an_lstm_that_would_differ_stays_as_it_is(options):
    from headstart_plugins.torch_lowerings._recurrent import lstm

    assert lstm(layers.LSTM(7, **options)) is None
