"""Which OpenVINO operations can run on tensors whose axes lie in another order, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart_plugins.engines._graph import inputs, integers, is_single, rank, rewire, size
from headstart_plugins.engines._layout import Layout, Order, Rule
from headstart_plugins.engines._layout_axes import (
    along_axis,
    first,
    gather,
    interpolate,
    pad,
    reduction,
    slicing,
    tile,
    unary,
)

UNARY = """
Abs Ceiling Clamp Convert ConvertLike Cos Elu Erf Exp Floor Gelu HardSigmoid HSigmoid HSwish IsFinite IsInf IsNaN
Log LogicalNot Mish Negative Relu Round Selu Sigmoid Sign Sin SoftPlus SoftSign Sqrt Swish Tan Tanh
"""
"""One tensor, number by number; other inputs are scalars that hold for all, or give a type only."""
BROADCAST = """
Add Divide Equal FloorMod Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalXor Maximum Minimum Mod
Multiply NotEqual Power Select SquaredDifference Subtract
"""
"""Several tensors, number by number, those with fewer axes or axes of length 1 repeated as numpy does."""
REDUCTIONS = """
ReduceL1 ReduceL2 ReduceLogicalAnd ReduceLogicalOr ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
"""


def known_rules() -> Mapping[str, Rule]:
    """Every rule, by the type of operation."""
    single: dict[str, Rule] = {
        "Transpose": _transpose,
        "PRelu": _prelu,
        "BatchNormInference": _batch_norm,
        "Pad": pad,
        "Tile": tile,
        "Concat": _concat,
        "Split": along_axis,
        "VariadicSplit": along_axis,
        "Gather": gather,
        "Slice": slicing,
        "MVN": along_axis,
        "Interpolate": interpolate,
        "Softmax": _softmax,
        "ShapeOf": _shape_of,
    }
    return (
        single
        | dict.fromkeys(UNARY.split(), unary)
        | dict.fromkeys(BROADCAST.split(), _broadcast)
        | dict.fromkeys(REDUCTIONS.split(), reduction)
    )


def _transpose(layout: Layout, node: Any) -> bool:
    stored, axes = layout.read(node.input_value(0)), integers(node.input_value(1))
    count = rank(node.input_value(0))
    if axes is None or count is None or len(axes) != count:
        return False
    order = stored.order or tuple(range(count))
    layout.keep(node.output(0), stored.output, [order[axis] for axis in axes])
    return True


def _prelu(layout: Layout, node: Any) -> bool:
    """A slope a channel is tied to the second axis; a single one is not."""
    return is_single(node.input_value(1)) and unary(layout, node)


def _batch_norm(layout: Layout, node: Any) -> bool:
    """Channels have to stay the second axis; the others may lie in any order."""
    order = first(layout, node)
    return order is not None and order[1] == 1 and unary(layout, node)


def _broadcast(layout: Layout, node: Any) -> bool:
    order = _order_of_largest(layout, inputs(node), rank(node.output(0)))
    if order is None or node.get_attributes().get("auto_broadcast") != "numpy":
        return False
    rewire(node, [layout.laid(output, order) for output in inputs(node)])
    layout.keep(node.output(0), node.output(0), order)
    return True


def _order_of_largest(layout: Layout, outputs: Sequence[Any], axes: int | None) -> Order | None:
    """How the largest tensor is stored that has all `axes` and is not constant: it is what should not be moved.

    Of equal ones, that which is stored in another order than it is used in.
    """
    orders = [
        (size(output), order is not None, order)
        for output in outputs
        if rank(output) == axes and output.get_node().get_type_name() != "Constant"
        for order in [layout.read(output).order]
    ]
    if axes is None or not orders:
        return None
    return max(orders, key=lambda entry: entry[:2])[2]


def _concat(layout: Layout, node: Any) -> bool:
    import openvino.opset15 as ov

    order = _order_of_largest(layout, inputs(node), rank(node.output(0)))
    if order is None:
        return False
    axis = order[node.get_attributes()["axis"]]
    made = ov.concat([layout.laid(output, order) for output in inputs(node)], axis)
    layout.keep(node.output(0), made.output(0), order)
    return True


def _softmax(layout: Layout, node: Any) -> bool:
    import openvino.opset15 as ov

    stored = layout.read(node.input_value(0))
    order = stored.order or ()
    made = ov.softmax(stored.output, order[node.get_attributes()["axis"]])
    layout.keep(node.output(0), made.output(0), order)
    return True


def _shape_of(layout: Layout, node: Any) -> bool:
    """The shape of what is stored, in the tensor's own order."""
    import openvino.opset15 as ov

    stored = layout.read(node.input_value(0))
    shape = ov.shape_of(stored.output, output_type=node.get_output_element_type(0))
    made = ov.gather(shape, list(stored.order or ()), 0)
    layout.keep(node.output(0), made.output(0), None)
    return True
