"""The layout pass changes no function, and leaves no transpose between channels-first operations."""

import numpy as np
import pytest

ov = pytest.importorskip("openvino")
import openvino.opset15 as op  # noqa: E402

from headstart_plugins.engines._layout import move_transposes  # noqa: E402
from headstart_plugins.engines._layout_rules import RULES  # noqa: E402

SHAPE = (6, 5, 4)
"""Height, width, channels: all different, so that no wrong order passes unseen."""
BATCH = 3
CORE = ov.Core()
RNG = np.random.default_rng(0)
START = RNG.bit_generator.state
TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


@pytest.fixture(autouse=True)
def the_same_numbers_whatever_ran_before():
    RNG.bit_generator.state = START


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def run(model, *arrays):
    compiled = CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return list(compiled(list(arrays)).values())


def transposes(model):
    return sum(node.get_type_name() == "Transpose" for node in model.get_ops())


def graph(make, *shapes, kind=np.float32, batch=-1):
    parameters = [op.parameter([batch, *shape], kind) for shape in shapes or (SHAPE,)]
    outputs = make(*(parameter.output(0) for parameter in parameters))
    return ov.Model([getattr(output, "output", lambda _, o=output: o)(0) for output in outputs], parameters)


def check(make, *shapes, kind=np.float32, arrays=None, atol=1e-6):
    """Compare the graph of `make`, with a free batch axis, before and after the pass; give the changed one back."""
    if arrays is None:
        arrays = [numbers(BATCH, *shape) for shape in shapes or (SHAPE,)]
    plain, moved = graph(make, *shapes, kind=kind), graph(make, *shapes, kind=kind)
    move_transposes(moved, RULES)
    assert [output.get_partial_shape() for output in moved.outputs] == [
        output.get_partial_shape() for output in plain.outputs
    ]
    expected, given = run(plain, *arrays), run(moved, *arrays)
    for one, other in zip(expected, given, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.std() > 0.01
        np.testing.assert_allclose(other, one, atol=atol * max(1, one.std()), rtol=1e-5)
    return moved


def conv(x, filters=7, size=3, channels=4):
    """A channels-last convolution as Keras traces it: between two transposes, its kernel transposed too."""
    kernel = op.transpose(np.random.default_rng(1).normal(size=(size, size, channels, filters)), [3, 2, 0, 1])
    kernel = op.convert(kernel, "f32")
    made = op.convolution(op.transpose(x, TO_FIRST), kernel, [1, 1], [0, 0], [0, 0], [1, 1], "SAME_UPPER")
    return op.transpose(made, TO_LAST)


def through(middle, channels=4, filters=4):
    """`middle` between two convolutions."""
    return lambda x, *more: [conv(middle(conv(x, filters), *more), channels=channels)]


UNARY = {
    "relu": op.relu,
    "relu6": lambda x: op.clamp(x, 0.0, 6.0),
    "sigmoid": op.sigmoid,
    "tanh": op.tanh,
    "swish": lambda x: op.swish(x, op.constant(np.float32(1.5))),
    "hswish": op.hswish,
    "hard sigmoid": lambda x: op.hard_sigmoid(x, np.float32(0.2), np.float32(0.5)),
    "selu": lambda x: op.selu(x, np.float32(1.6), np.float32(1.05)),
    "gelu": lambda x: op.gelu(x, "erf"),
    "elu": lambda x: op.elu(x, 0.7),
    "softplus": op.softplus,
    "mish": op.mish,
    "exp": op.exp,
    "leaky relu": lambda x: op.prelu(x, np.float32(0.1)),
    "type of another": lambda x: op.convert_like(x, op.constant(np.float32(1))),
}
BINARY = {
    "scalar": lambda x: op.multiply(x, np.float32(1.5)),
    "scalar first": lambda x: op.subtract(np.float32(1.5), x),
    "one number of two axes": lambda x: op.add(x, np.full((1, 1), 2, "float32")),
    "a channel": lambda x: op.add(x, numbers_of(4)),
    "a channel of four axes": lambda x: op.multiply(x, numbers_of(1, 1, 1, 4)),
    "a column": lambda x: op.add(x, numbers_of(6, 1, 1)),
    "a picture": lambda x: op.divide(x, 3 + np.abs(numbers_of(6, 5, 4))),
    "constant first": lambda x: op.maximum(numbers_of(5, 4), x),
    "itself": lambda x: op.multiply(x, x),
    "comparison": lambda x: op.convert(op.greater(x, numbers_of(4)), "f32"),
    "choice": lambda x: op.select(op.less(x, np.float32(0)), numbers_of(5, 1), x),
}
SHAPED = {
    "padding": lambda x: op.pad(x, [0, 1, 2, 0], [0, 0, 1, 0], "constant", np.float32(2)),
    "reflection": lambda x: op.pad(x, [0, 1, 2, 0], [0, 0, 1, 0], "reflect"),
    "cropping": lambda x: op.slice(x, [1, 0], [6, 3], [1, 2], [1, -2]),
    "indices": lambda x: op.gather(x, np.array([5, 0, 2, 2]), np.array(-3)),
    "repetition": lambda x: op.tile(x, [1, 2, 3, 1]),
    "upsampling": lambda x: op.interpolate(x, np.array([12, 5]), "linear_onnx", "sizes", axes=[1, 2]),
    "softmax": lambda x: op.softmax(x, -1),
    "normalisation": lambda x: op.mvn(x, [-1], True, 1e-3, "inside_sqrt"),
    "mean kept": lambda x: op.multiply(x, op.reduce_mean(x, [1, 2], True)),
    "largest kept": lambda x: op.subtract(x, op.reduce_max(x, np.array(-1), True)),
}


def numbers_of(*shape):
    return np.random.default_rng(2).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    "middle", [*UNARY.values(), *BINARY.values(), *SHAPED.values()], ids=[*UNARY, *BINARY, *SHAPED]
)
def test_an_operation_between_convolutions_needs_no_transpose(middle):
    moved = check(through(middle), atol=1e-4)
    assert transposes(moved) == 2, "one at each end"


def batch_norm(x, axes):
    """As Keras traces it: the channels swapped with the second axis and back."""
    scale, offset, mean, variance = (np.abs(numbers_of(4)) + shift for shift in (0.5, 0, 0.2, 1))
    return op.transpose(op.batch_norm_inference(op.transpose(x, axes), scale, offset, mean, variance, 1e-3), axes)


def test_batch_norm_runs_on_any_order_of_the_other_axes():
    assert transposes(check(through(lambda x: batch_norm(x, [0, 3, 2, 1])), atol=1e-4)) == 2


def test_batch_norm_over_another_axis_than_the_channels_is_left_as_it_is():
    swapped = [0, 1, 3, 2]
    check(lambda x: [batch_norm(op.transpose(op.relu(op.transpose(x, TO_FIRST)), TO_LAST), swapped)], (4, 4, 4))


@pytest.mark.parametrize("reduce", [op.reduce_mean, op.reduce_max, op.reduce_sum, op.reduce_prod, op.reduce_l2])
def test_reductions(reduce):
    def make(x):
        near_one = op.exp(op.multiply(conv(x), np.float32(0.04)))  # products neither vanish nor explode
        axes = ([1, 2], [2], [-1], [3, 1], [1, 2, 3], [-2, -3], np.array(-2))
        return [reduce(near_one, one, keep) for one in axes for keep in (True, False)]

    check(make, atol=1e-5)


def test_what_is_left_after_a_reduction_still_lies_in_another_order():
    moved = check(lambda x: [op.relu(op.reduce_mean(conv(x), [1], False))], atol=1e-5)
    assert transposes(moved) == 2


def test_several_outputs_and_a_use_of_the_tensor_itself():
    def make(x):
        x = conv(x, 6)
        one, two, three = op.split(x, np.array(-1), 3).outputs()
        return [op.concat([three, one, op.relu(two)], -1), op.relu(one), x, op.reduce_sum(two, [3], False)]

    check(make, atol=1e-5)


def test_parts_of_different_lengths():
    def make(x):
        one, two = op.variadic_split(conv(x, 7), np.array(3), [3, 4]).outputs()
        return [conv(one, channels=3), conv(two, channels=4)]

    assert transposes(check(make, atol=1e-4)) == 3, "one before and one for each output"


def test_joining_with_a_constant_and_with_what_was_never_moved():
    def make(x):
        made = conv(x)
        return [op.concat([made, op.relu(x)], -1), op.concat([conv(x, 4), x, op.multiply(x, np.float32(2))], 1)]

    check(make, atol=1e-5)


@pytest.mark.parametrize("shape", [SHAPE, (1, 1, 4), (6, 1, 1), (5, 4), (4,), (1, 4)])
def test_two_tensors_of_which_only_one_was_moved(shape):
    def make(x, other):
        return [op.add(conv(x, 4), op.relu(other)), op.subtract(op.relu(other), conv(x, 4))]

    arrays = [numbers(BATCH, *SHAPE), numbers(BATCH, *shape)]
    if len(shape) < 3:  # broadcasts from the right: its first axis is no batch axis
        arrays[1] = numbers(1, *shape)
    check(make, SHAPE, shape, arrays=arrays, atol=1e-5)


def test_the_larger_tensor_is_not_moved():
    moved = check(
        lambda x, y: [op.multiply(op.relu(y), op.reduce_mean(conv(x, 4), [1, 2], True))], SHAPE, SHAPE, atol=1e-5
    )
    assert transposes(moved) == 1


def test_tensors_moved_in_different_ways():
    def make(x):
        first = op.transpose(op.relu(op.transpose(x, [0, 3, 1, 2])), [0, 2, 3, 1])
        second = op.transpose(op.tanh(op.transpose(x, [2, 0, 3, 1])), [1, 3, 0, 2])
        return [op.add(first, second), op.concat([first, second], 2)]

    check(make)


def test_squeeze_and_excitation_needs_no_transpose():
    def make(x):
        x = conv(x, 8)
        squeezed = op.reshape(op.reduce_mean(x, [1, 2], False), [-1, 1, 1, 8], False)
        gate = op.sigmoid(conv(op.relu(conv(squeezed, 2, 1, 8)), 8, 1, 2))
        return [op.reduce_mean(conv(op.multiply(x, gate), channels=8), [1, 2], False)]

    assert transposes(check(make, atol=1e-4)) == 1


def test_a_chain_as_in_a_mobile_network_keeps_the_first_transpose_only():
    def depthwise(x):
        kernel = op.unsqueeze(op.transpose(numbers_of(3, 3, 4, 1), [2, 3, 0, 1]), [2])
        made = op.group_convolution(op.transpose(x, TO_FIRST), kernel, [2, 2], [0, 0], [0, 0], [1, 1], "VALID")
        return op.transpose(made, TO_LAST)

    def make(image):
        x = op.multiply(op.convert(image, "f32"), np.float32(1 / 127))
        x = op.clamp(batch_norm(conv(x, 4), [0, 3, 2, 1]), 0, 6)
        x = depthwise(op.pad(x, [0, 1, 1, 0], [0, 1, 0, 0], "constant", np.float32(0)))
        x = op.add(x, conv(op.swish(batch_norm(x, [0, 3, 2, 1])), 4))
        x = op.transpose(
            op.max_pool(op.transpose(x, TO_FIRST), [1, 1], [1, 1], [0, 0], [0, 0], [2, 2]).output(0), TO_LAST
        )
        return [op.reduce_mean(op.concat([x, op.relu(x)], -1), [1, 2], False)]

    images = np.random.default_rng(3).integers(0, 256, (BATCH, *SHAPE)).astype("uint8")
    assert transposes(check(make, kind=np.uint8, arrays=[images], atol=1e-5)) == 1


def test_the_shape_of_a_moved_tensor():
    def make(x):
        made = conv(x)
        shape = op.shape_of(made, output_type="i64")
        return [
            op.reshape(made, op.concat([op.gather(shape, [0], 0), np.array([-1])], 0), False),
            op.convert(shape, "f32"),
        ]

    moved = check(make, atol=1e-5)
    assert transposes(moved) == 2


UNKNOWN = {
    "axes that are computed": lambda x: op.reduce_mean(x, op.gather(op.shape_of(x), [0], 0), False),
    "a matrix product": lambda x: op.matmul(x, numbers_of(4, 3), False, False),
    "a reshape": lambda x: op.reshape(x, [0, 30, 4], True),
    "a slope a channel": lambda x: op.prelu(x, np.abs(numbers_of(6))),
    "a running sum": lambda x: op.cum_sum(x, np.array(1)),
    "an order by default": lambda x: op.transpose(x, np.zeros(0, "int64")),
    "a slice without axes": lambda x: op.slice(x, [0, 1], [3, 5], [1, 1]),
    "indices of two axes": lambda x: op.gather(x, np.array([[1, 2], [3, 0]]), np.array(3)),
    "broadcast from the left": lambda x: op.add(x, numbers_of(6, 1, 1), "NUMPY"),
}


@pytest.mark.parametrize("last", UNKNOWN.values(), ids=UNKNOWN)
def test_what_the_pass_does_not_know_gets_its_tensor_as_it_was(last):
    arrays = [numbers(1, *SHAPE)] if last is UNKNOWN["axes that are computed"] else None
    check(lambda x: [last(op.relu(conv(x, 4)))], arrays=arrays, atol=1e-5)


@pytest.mark.parametrize("index", [np.array(2), np.array(-1)])
def test_one_index_takes_an_axis_away(index):
    check(lambda x: [op.gather(conv(x), index, np.array(1)), op.gather(conv(x), index, np.array(3))], atol=1e-5)


def test_attention_over_tokens_of_a_patch_convolution():
    def heads(x, seed):
        weights = np.random.default_rng(seed).normal(size=(4, 4)).astype("float32")
        return op.transpose(op.reshape(op.matmul(x, weights, False, False), [0, 30, 2, 2], True), [0, 2, 1, 3])

    def make(x):
        tokens = op.add(op.reshape(conv(x, 4), [0, 30, 4], True), numbers_of(1, 30, 4))
        scores = op.softmax(
            op.matmul(op.multiply(heads(tokens, 1), np.float32(0.1)), heads(tokens, 2), False, True), -1
        )
        mixed = op.transpose(op.matmul(scores, heads(tokens, 3), False, False), [0, 2, 1, 3])
        return [op.add(tokens, op.reshape(mixed, [0, 30, 4], True))]

    check(make, atol=1e-4)
