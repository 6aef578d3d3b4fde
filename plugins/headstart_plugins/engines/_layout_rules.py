"""Which OpenVINO operations can run on tensors whose axes lie in another order, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from headstart_plugins.engines._layout import Layout, Order, Rule, inputs, inverse, is_single, rank, rewire

UNARY = (
    "Abs Ceiling Clamp Convert ConvertLike Cos Elu Erf Exp Floor Gelu HardSigmoid HSigmoid HSwish IsFinite IsInf IsNaN "
    "Log LogicalNot Mish Negative Relu Round Selu Sigmoid Sign Sin SoftPlus SoftSign Sqrt Swish Tan Tanh"
).split()
"""One tensor, number by number; other inputs are scalars that hold for all, or give a type only."""
BROADCAST = (
    "Add Divide Equal FloorMod Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalXor Maximum Minimum Mod "
    "Multiply NotEqual Power Select SquaredDifference Subtract"
).split()
"""Several tensors, number by number, those with fewer axes or axes of length 1 repeated as numpy does."""
REDUCTIONS = (
    "ReduceL1 ReduceL2 ReduceLogicalAnd ReduceLogicalOr ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"
).split()


def known_rules() -> Mapping[str, Rule]:
    """Every rule, by the type of operation."""
    single: dict[str, Rule] = {
        "Transpose": _transpose,
        "PRelu": _prelu,
        "BatchNormInference": _batch_norm,
        "Pad": _pad,
        "Tile": _tile,
        "Concat": _concat,
        "Split": _along_axis,
        "VariadicSplit": _along_axis,
        "Gather": _gather,
        "Slice": _slice,
        "MVN": _along_axis,
        "Interpolate": _interpolate,
        "Softmax": _softmax,
        "ShapeOf": _shape_of,
    }
    return (
        single
        | dict.fromkeys(UNARY, _unary)
        | dict.fromkeys(BROADCAST, _broadcast)
        | dict.fromkeys(REDUCTIONS, _reduction)
    )


def integers(output: Any) -> list[int] | None:
    """The numbers of a constant; None where `output` is none."""
    node = output.get_node()
    return [int(value) for value in node.get_vector()] if node.get_type_name() == "Constant" else None


def _constant(values: Sequence[int], like: Any) -> Any:
    """A constant of `values` with the type and number of axes of `like`."""
    import openvino.opset15 as ov

    value = values[0] if rank(like) == 0 else list(values)
    return ov.constant(value, like.get_element_type()).output(0)


def _axes(layout: Layout, data: Any, axes: Any) -> list[int] | None:
    """Constant `axes` of `data` as axes of what is stored; None where they are not constant."""
    order, values = layout.read(data).order, integers(axes)
    return None if order is None or values is None else [order[value] for value in values]


def _replace(layout: Layout, node: Any, changed: Mapping[int, Any], order: Sequence[int] | None) -> bool:
    """Run `node` on its first input as stored, with some other inputs changed; its outputs lie in `order`."""
    first, *others = inputs(node)
    plain = [changed[place] if place in changed else layout.plain(other) for place, other in enumerate(others, 1)]
    rewire(node, [layout.read(first).output, *plain])
    for output in node.outputs():
        layout.keep(output, output, order)
    return True


def _first(layout: Layout, node: Any) -> Order | None:
    return layout.read(node.input_value(0)).order


def _transpose(layout: Layout, node: Any) -> bool:
    stored, axes = layout.read(node.input_value(0)), integers(node.input_value(1))
    count = rank(node.input_value(0))
    if axes is None or count is None or len(axes) != count:
        return False
    order = stored.order or tuple(range(count))
    layout.keep(node.output(0), stored.output, [order[axis] for axis in axes])
    return True


def _unary(layout: Layout, node: Any) -> bool:
    return _replace(layout, node, {}, _first(layout, node))


def _prelu(layout: Layout, node: Any) -> bool:
    """A slope a channel is tied to the second axis; a single one is not."""
    return is_single(node.input_value(1)) and _unary(layout, node)


def _batch_norm(layout: Layout, node: Any) -> bool:
    """Channels have to stay the second axis; the others may lie in any order."""
    order = _first(layout, node)
    return order is not None and order[1] == 1 and _unary(layout, node)


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
        (_size(output), order is not None, order)
        for output in outputs
        if rank(output) == axes and output.get_node().get_type_name() != "Constant"
        for order in [layout.read(output).order]
    ]
    if axes is None or not orders:
        return None
    return max(orders, key=lambda entry: entry[:2])[2]


def _size(output: Any) -> int:
    """Numbers a sample; free axes count once."""
    return math.prod(1 if length.is_dynamic else int(length.get_length()) for length in output.get_partial_shape())


def _reduction(layout: Layout, node: Any) -> bool:
    axes = _axes(layout, node.input_value(0), node.input_value(1))
    if axes is None:
        return False
    order = _first(layout, node) or ()
    kept = order if node.get_attributes()["keep_dims"] else _without(order, axes)
    return _replace(layout, node, {1: _constant(sorted(axes), node.input_value(1))}, kept)


def _without(order: Order, axes: Sequence[int]) -> list[int]:
    """`order` after the stored axes `axes` are gone."""
    left = [axis for axis in order if axis not in axes]
    return [sorted(left).index(axis) for axis in left]


def _along_axis(layout: Layout, node: Any) -> bool:
    """The second input names axes of the first."""
    axes = _axes(layout, node.input_value(0), node.input_value(1))
    if axes is None:
        return False
    return _replace(layout, node, {1: _constant(axes, node.input_value(1))}, _first(layout, node))


def _gather(layout: Layout, node: Any) -> bool:
    """One index takes an axis away, a list of them keeps it."""
    axes, indices = _axes(layout, node.input_value(0), node.input_value(2)), rank(node.input_value(1))
    if axes is None or indices not in (0, 1) or node.get_attributes()["batch_dims"] != 0:
        return False
    order = _first(layout, node) or ()
    kept = order if indices else _without(order, axes)
    return _replace(layout, node, {2: _constant(axes, node.input_value(2))}, kept)


def _slice(layout: Layout, node: Any) -> bool:
    if node.get_input_size() < 5:
        return False
    axes = _axes(layout, node.input_value(0), node.input_value(4))
    return axes is not None and _replace(layout, node, {4: _constant(axes, node.input_value(4))}, _first(layout, node))


def _interpolate(layout: Layout, node: Any) -> bool:
    attributes = node.get_attributes()
    if any(attributes["pads_begin"]) or any(attributes["pads_end"]):
        return False
    place = node.get_input_size() - 1
    versions = {"opset4": 3, "opset11": 2}
    if place != versions.get(node.get_type_info().version_id):
        return False
    axes = _axes(layout, node.input_value(0), node.input_value(place))
    return axes is not None and _replace(
        layout, node, {place: _constant(axes, node.input_value(place))}, _first(layout, node)
    )


def _per_axis(layout: Layout, node: Any, places: Sequence[int]) -> bool:
    """Constant inputs that hold one number an axis."""
    order = _first(layout, node)
    values = {place: integers(node.input_value(place)) for place in places}
    if order is None or any(numbers is None or len(numbers) != len(order) for numbers in values.values()):
        return False
    changed = {
        place: _constant([(numbers or [])[axis] for axis in inverse(order)], node.input_value(place))
        for place, numbers in values.items()
    }
    return _replace(layout, node, changed, order)


def _pad(layout: Layout, node: Any) -> bool:
    return _per_axis(layout, node, (1, 2))


def _tile(layout: Layout, node: Any) -> bool:
    return _per_axis(layout, node, (1,))


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
