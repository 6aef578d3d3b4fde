"""Operations that name axes of their first input: the axes are renamed instead of the tensor being moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart_plugins.engines._graph import constant_like, inputs, integers, rank, rewire
from headstart_plugins.engines._layout import Layout, Order, inverse


def unary(layout: Layout, node: Any) -> bool:
    """Nothing names an axis: the operation runs on its first input as stored."""
    return replace(layout, node, {}, first(layout, node))


def first(layout: Layout, node: Any) -> Order | None:
    """The order in which the first input of `node` is stored."""
    return layout.read(node.input_value(0)).order


def replace(layout: Layout, node: Any, changed: Mapping[int, Any], order: Sequence[int] | None) -> bool:
    """Run `node` on its first input as stored, with some other inputs changed; its outputs lie in `order`."""
    data, *others = inputs(node)
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


def _without(order: Order, axes: Sequence[int]) -> list[int]:
    """`order` after the stored axes `axes` are gone."""
    left = [axis for axis in order if axis not in axes]
    return [sorted(left).index(axis) for axis in left]


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


def _per_axis(layout: Layout, node: Any, places: Sequence[int]) -> bool:
    """Constant inputs that hold one number an axis."""
    order = first(layout, node)
    values = {place: integers(node.input_value(place)) for place in places}
    if order is None or any(numbers is None or len(numbers) != len(order) for numbers in values.values()):
        return False
    changed = {
        place: constant_like([(numbers or [])[axis] for axis in inverse(order)], node.input_value(place))
        for place, numbers in values.items()
    }
    return replace(layout, node, changed, order)


def pad(layout: Layout, node: Any) -> bool:
    """How much is added before and after, an axis each."""
    return _per_axis(layout, node, (1, 2))


def tile(layout: Layout, node: Any) -> bool:
    """How often each axis is repeated."""
    return _per_axis(layout, node, (1,))
