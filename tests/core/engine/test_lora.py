"""Low-rank updates: which kernels have one, what it comes to, and that merging it changes no answer."""

import keras
import numpy as np
import pytest

from headstart.engine.device import forward, train_step
from headstart.engine.network.lora import LowRankAdapter, Split, adaptable
from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.errors import UsageError
from headstart.specs import LowRank

pytestmark = pytest.mark.backend

SHAPES = {
    "dense": ((24, 10), (24, 10)),
    "3x3 convolution": ((3, 3, 8, 12), (72, 12)),
    "1x1 convolution": ((1, 1, 16, 20), (16, 20)),
    "convolution in time": ((5, 6, 7), (30, 7)),
    "query of an attention": ((32, 4, 8), (32, 32)),
    "output of an attention": ((4, 8, 32), (32, 32)),
    "convolution of few channels": ((3, 3, 3, 8), (9, 24)),
    "depthwise": ((3, 3, 64, 1), (9, 64)),
}


def variables(shapes, seed=0):
    draw = np.random.default_rng(seed)
    return {name: keras.Variable(draw.normal(size=shape).astype("float32")) for name, shape in shapes.items()}


def tensors(arrays):
    return [keras.ops.convert_to_tensor(array) for array in arrays]


def values(named):
    return {name: keras.ops.convert_to_numpy(each) for name, each in named.items()}


def learned(adapter, seed=1):
    """Gives every factor numbers, as updates would."""
    draw = np.random.default_rng(seed)
    for variable in adapter.factors.values():
        variable.assign(draw.normal(scale=0.3, size=tuple(variable.shape)).astype("float32"))
    return adapter


@pytest.mark.parametrize(("shape", "matrix"), SHAPES.values(), ids=SHAPES)
def test_a_kernel_is_seen_as_the_matrix_of_the_shortest_sides(shape, matrix):
    split = Split.of(shape)
    assert (split.rows, split.columns) == matrix


@pytest.mark.parametrize("shape", [shape for shape, _ in SHAPES.values()], ids=list(SHAPES))
def test_a_merged_kernel_is_the_old_one_and_the_scaled_product(shape):
    adapter = learned(LowRankAdapter(variables({"low/0/kernel": shape}), LowRank(rank=2, scale=0.7), seed=0))
    a, b = values(adapter.factors).values()
    (base,) = adapter.base.values()
    (merged,) = adapter.merged(tensors([a, b]), [base])

    expected = keras.ops.convert_to_numpy(base) + np.float32(0.7) * (a @ b).reshape(shape)
    assert (a @ b).std() > 0.01
    np.testing.assert_allclose(keras.ops.convert_to_numpy(merged), expected, atol=1e-5)


def test_what_is_a_kernel_is_said_by_the_last_part_of_its_name():
    shapes = {
        "low/0/kernel": (20, 20),
        "low/1/attention/query/kernel": (20, 4, 5),
        "low/1/attention/query/bias": (4, 5),
        "low/2/gamma": (20,),
        "low/3/kernel_embedding/table": (20, 20),
        "low/4/kernel": (20,),
    }
    assert list(adaptable(shapes, 2)) == ["low/0/kernel", "low/1/attention/query/kernel"]


def test_a_kernel_that_an_update_would_not_make_smaller_is_left_out():
    assert adaptable({"low/0/kernel": (3, 3, 32, 1)}, 8) == {}
    assert list(adaptable({"low/0/kernel": (3, 3, 32, 1)}, 2)) == ["low/0/kernel"]


def test_kernels_of_separable_convolutions_and_recurrent_layers_are_matched():
    import keras

    separable, lstm = keras.layers.SeparableConv2D(32, 3, depth_multiplier=16), keras.layers.LSTM(16)
    separable.build((None, 8, 8, 16))
    lstm.build((None, 5, 16))
    shapes = {f"top/0/{each.name}": tuple(each.shape) for layer in (separable, lstm) for each in layer.variables}
    kernels = {name for name in shapes if "kernel" in name}
    assert len(kernels) == 4
    assert set(adaptable({name: shapes[name] for name in shapes if "seed" not in name}, 2)) == kernels
    assert adaptable({"low/0/kernel": (4, 4)}, 2) == {}, "2 * 8 numbers for 16"


def test_kernels_are_counted_by_stage():
    shapes = {"low/0/kernel": (9, 9), "low/0/bias": (9,), "top/0/kernel": (9, 9), "top/1/kernel": (3, 3, 4, 9)}
    assert LowRankAdapter(variables(shapes), LowRank(1), seed=0).counts == {"low": 1, "top": 2}


def test_an_adapter_that_matches_nothing_is_an_error_that_names_the_stages():
    named = variables({"low/0/gamma": (9,), "top/0/kernel": (4, 4)})
    with pytest.raises(UsageError, match=r"match no kernel in the stages low, top: of 2 weights 1 are kernels"):
        LowRankAdapter(named, LowRank(4), seed=0)


def test_factors_keep_the_stage_in_front_and_begin_as_in_the_paper():
    named = variables({"low/0/kernel": (100, 40), "top/0/kernel": (3, 3, 25, 16)})
    adapter = LowRankAdapter(named, LowRank(4), seed=3)
    begun = values(adapter.factors)
    assert list(begun) == ["low/0/kernel:a", "low/0/kernel:b", "top/0/kernel:a", "top/0/kernel:b"]
    assert [array.shape for array in begun.values()] == [(100, 4), (4, 40), (225, 4), (4, 16)]
    for name, array in begun.items():
        # uniform within 1 / sqrt(rows) has that divided by sqrt(3) as its standard deviation
        expected = 1 / np.sqrt(3 * array.shape[0]) if name.endswith(":a") else 0.0
        assert array.std() == pytest.approx(expected, rel=0.1)
        assert np.abs(array).max() <= 1 / np.sqrt(array.shape[0])


def test_factors_are_a_function_of_the_seed():
    named = variables({"low/0/kernel": (9, 9)})
    first, again, other = (values(LowRankAdapter(named, LowRank(2), seed=seed).factors) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first["low/0/kernel:a"], again["low/0/kernel:a"])
    assert (first["low/0/kernel:a"] != other["low/0/kernel:a"]).all()


def test_an_adapter_changes_nothing_at_first():
    named = variables({"low/0/kernel": (9, 9)})
    before = values(named)
    LowRankAdapter(named, LowRank(2), seed=0).write()
    np.testing.assert_array_equal(values(named)["low/0/kernel"], before["low/0/kernel"])


# --- in a network ----------------------------------------------------------------------------------------------------


@pytest.fixture
def adapter(network):
    backbone = trainable_variables(network, ("low", "middle", "top"))
    return LowRankAdapter(backbone, LowRank(2), seed=0)


def in_scope(bench, network, adapter):
    """The network's answers while the merged kernels stand in for its own."""
    factors = [variable.value for variable in adapter.factors.values()]
    merged = adapter.merged(factors, list(adapter.base.values()))
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in bench.batch(np.arange(8)).items()}
    with keras.StatelessScope(state_mapping=list(zip(adapter.adapted.values(), merged, strict=True))):
        outputs = network.run(tensors, 0, len(network.stages))
    return {name: keras.ops.convert_to_numpy(keras.ops.stop_gradient(each)) for name, each in outputs.items()}


def stored(bench, network):
    return forward(network, 0, len(network.stages))(bench.batch(np.arange(8)))


def test_merging_changes_no_answer(bench, network, adapter):
    before = stored(bench, network)
    during = in_scope(bench, network, learned(adapter))
    adapter.write()
    after = stored(bench, network)

    for name, array in after.items():
        assert np.abs(array - before[name]).max() > 0.1, "the updates must matter"
        assert np.abs(array - during[name]).max() < 1e-5 * max(1.0, array.std())


def one_step(bench, network, adapter, rate=1e-2):
    head = trainable_variables(network, ("head",))
    trainable = {**adapter.factors, **head}
    rates = dict.fromkeys(("low", "middle", "top", "head"), rate)
    optimizer = GroupedOptimizer(trainable, rates, Schedule(10))
    rows = np.arange(8)
    step = train_step(Step(network, 0, trainable, optimizer, bench.task, adapter=adapter))
    step(bench.batch(rows), bench.targets("train", rows), np.ones(8, np.float32))
    step(bench.batch(rows), bench.targets("train", rows), np.ones(8, np.float32))
    step.sync()


def test_training_moves_factors_and_head_and_no_other_weight(bench, network, adapter):
    before, begun = read_arrays(network.learned), values(adapter.factors)
    one_step(bench, network, adapter)

    after = read_arrays(network.learned)
    assert {name for name, array in after.items() if (array != before[name]).any()} == {"head/0/kernel", "head/0/bias"}
    assert all((array != begun[name]).any() for name, array in values(adapter.factors).items())

    adapter.write()
    moved = {name for name, array in read_arrays(network.learned).items() if (array != after[name]).any()}
    assert moved == set(adapter.adapted)


def test_a_merged_update_has_the_rank_that_was_asked_for(bench, network, adapter):
    before = read_arrays(network.learned)
    one_step(bench, network, adapter)
    adapter.write()
    for name, array in read_arrays(network.learned).items():
        if name in adapter.adapted:
            split = Split.of(array.shape)
            change = (array.astype(np.float64) - before[name]).reshape(split.rows, split.columns)
            sizes = np.linalg.svd(change, compute_uv=False)
            assert sizes[1] > 1e-5
            assert sizes[2] < 1e-3 * sizes[0]
