"""Which OpenVINO operations can run on tensors whose axes lie in another order, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart_plugins.engines._layout import (
    Layout,
    Order,
    Rule,
    constant_like,
    integers,
    inverse,
    is_single,
    rank,
    rewire,
    size,
)


def unary(layout: Layout, node: Any) -> bool:
    """Nothing names an axis: the operation runs on its first input as stored."""
    return replace(layout, node, {}, first(layout, node))


def first(layout: Layout, node: Any) -> Order | None:
    """The order in which the first input of `node` is stored."""
    return layout.read(node.input_value(0)).order


def replace(layout: Layout, node: Any, changed: Mapping[int, Any], order: Sequence[int] | None) -> bool:
    """Run `node` on its first input as stored, with some other inputs changed; its outputs lie in `order`."""
    data, *others = node.input_values()
    plain = [changed[place] if place in changed else layout.plain(other) for place, other in enumerate(others, 1)]
    rewire(node, [layout.read(data).output, *plain])
    for output in node.outputs():
        layout.keep(output, output, order)
    return True


def _axes(layout: Layout, data: Any, axes: Any) -> list[int] | None:
    """Constant `axes` of `data` as axes of what is stored; None where they are not constant."""
    order, values = layout.read(data).order, integers(axes)
    return None if order is None or values is None else [order[value] for value in values]


def reduction(layout: Layout, node: Any) -> bool:
    """The second input names the axes that go, or that become 1 long."""
    axes = _axes(layout, node.input_value(0), node.input_value(1))
    if axes is None:
        return False
    order = first(layout, node) or ()
    kept = order if node.get_attributes()["keep_dims"] else _without(order, axes)
    return replace(layout, node, {1: constant_like(sorted(axes), node.input_value(1))}, kept)


def _without(order: Order, axes: Sequence[int]) -> Order:
    """`order` after the stored axes `axes` are gone."""
    left = [axis for axis in order if axis not in axes]
    return tuple(sorted(left).index(axis) for axis in left)


def along_axis(layout: Layout, node: Any) -> bool:
    """The second input names axes of the first."""
    return _rename(layout, node, 1)


def _rename(layout: Layout, node: Any, place: int) -> bool:
    axes = _axes(layout, node.input_value(0), node.input_value(place))
    return axes is not None and replace(
        layout, node, {place: constant_like(axes, node.input_value(place))}, first(layout, node)
    )


def gather(layout: Layout, node: Any) -> bool:
    """One index takes an axis away, a list of them keeps it."""
    axes, indices = _axes(layout, node.input_value(0), node.input_value(2)), rank(node.input_value(1))
    if axes is None or indices not in (0, 1) or node.get_attributes()["batch_dims"] != 0:
        return False
    order = first(layout, node) or ()
    kept = order if indices else _without(order, axes)
    return replace(layout, node, {2: constant_like(axes, node.input_value(2))}, kept)


def slicing(layout: Layout, node: Any) -> bool:
    """The fifth input, which may be absent, names the axes that are cut."""
    return node.get_input_size() == 5 and _rename(layout, node, 4)


def interpolate(layout: Layout, node: Any) -> bool:
    """The last input, which may be absent, names the axes that are resized."""
    attributes = node.get_attributes()
    if any(attributes["pads_begin"]) or any(attributes["pads_end"]):
        return False
    place = {"opset4": 3, "opset11": 2}.get(node.get_type_info().version_id)
    return place is not None and node.get_input_size() == place + 1 and _rename(layout, node, place)


def per_axis(layout: Layout, node: Any) -> bool:
    """Inputs after the first hold one number an axis: how much a `Pad` adds before and after it, how often it is
    repeated."""
    order = first(layout, node)
    changed = {}
    for place in (1, 2) if node.get_type_name() == "Pad" else (1,):
        numbers = integers(node.input_value(place))
        if order is None or numbers is None or len(numbers) != len(order):
            return False
        changed[place] = constant_like([numbers[axis] for axis in inverse(order)], node.input_value(place))
    return replace(layout, node, changed, order)


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
    order = _order_of_largest(layout, node.input_values(), rank(node.output(0)))
    if order is None or node.get_attributes().get("auto_broadcast") != "numpy":
        return False
    rewire(node, [layout.laid(output, order) for output in node.input_values()])
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

    order = _order_of_largest(layout, node.input_values(), rank(node.output(0)))
    if order is None:
        return False
    axis = order[node.get_attributes()["axis"]]
    made = ov.concat([layout.laid(output, order) for output in node.input_values()], axis)
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
RULES: Mapping[str, Rule] = {
    "Transpose": _transpose,
    "PRelu": _prelu,
    "BatchNormInference": _batch_norm,
    "Pad": per_axis,
    "Tile": per_axis,
    "Concat": _concat,
    "Split": along_axis,
    "VariadicSplit": along_axis,
    "Gather": gather,
    "Slice": slicing,
    "MVN": along_axis,
    "Interpolate": interpolate,
    "Softmax": _softmax,
    "ShapeOf": _shape_of,
    **dict.fromkeys(UNARY.split(), unary),
    **dict.fromkeys(BROADCAST.split(), _broadcast),
    **dict.fromkeys(REDUCTIONS.split(), reduction),
}
"""Every rule, by the type of operation."""
