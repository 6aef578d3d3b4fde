"""Channels first: move the transposes of a traced graph to where they cost nothing.

Keras traces channels-last networks for OpenVINO as convolutions between two transposes each. This pass never moves
numbers where it only has to know how they lie. It walks the graph in order and knows each tensor as another one that
is stored, and the order of its axes. Transposes then only change what is known; operations that are indifferent to
the order run on what is stored; every other one gets its inputs as it expects them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headstart_plugins.engines._graph import fold_constants, identity, inputs, is_single, rank, rewire

Order = tuple[int, ...]
"""Axis i of a tensor is axis `order[i]` of what is stored."""


@dataclass(frozen=True)
class Stored:
    """Where the numbers of a tensor of the graph are: an output of an operation, and the order of its axes.

    `order` is None where the tensor is stored as it is, or has no fixed number of axes.
    """

    output: Any
    order: Order | None


@dataclass
class Layout:
    """What is known of the tensors seen so far; a tensor that is not known is stored as it is."""

    known: dict[tuple[int, int], Stored] = field(default_factory=dict)
    moved: dict[tuple[int, int, Order], Any] = field(default_factory=dict)

    def read(self, output: Any) -> Stored:
        """Where the numbers of `output` are."""
        return self.known.get(identity(output), Stored(output, None))

    def keep(self, output: Any, stored: Any, order: Sequence[int] | None) -> None:
        """From now on `output` of the graph is `stored` with its axes in `order`."""
        plain = order is None or list(order) == list(range(len(order)))
        self.known[identity(output)] = Stored(stored, None if plain else tuple(order or ()))

    def plain(self, output: Any) -> Any:
        """`output` as the graph has it."""
        stored = self.read(output)
        return stored.output if stored.order is None else self.move(stored.output, stored.order)

    def laid(self, output: Any, order: Order) -> Any:
        """`output` stored so that its axes come in `order`; with fewer axes, as it is broadcast to as many.

        A tensor of one number lies alike in every order.
        """
        if is_single(output):
            return self.plain(output)
        stored = self.read(output)
        given = stored.order or tuple(range(rank(output) or 0))
        if len(given) < len(order):
            return self.move(self._widened(self.plain(output), len(order)), inverse(order))
        return self.move(stored.output, tuple(given[axis] for axis in inverse(order)))

    def move(self, output: Any, axes: Order) -> Any:
        """`output` with its axes in the order `axes`; a reshape where only axes of length 1 change places."""
        import openvino.opset15 as ov

        if list(axes) == list(range(len(axes))):
            return output
        key = (*identity(output), axes)
        if key not in self.moved:
            shape = _shape_after(output, axes)
            node = ov.transpose(output, list(axes)) if shape is None else ov.reshape(output, shape, False)
            self.moved[key] = node.output(0)
        return self.moved[key]

    def _widened(self, output: Any, axes: int) -> Any:
        import openvino.opset15 as ov

        return ov.unsqueeze(output, list(range(axes - (rank(output) or 0)))).output(0)


Rule = Callable[[Layout, Any], bool]
"""Makes an operation of the graph run on what is stored, and says whether it could."""


def move_transposes(model: Any, rules: Mapping[str, Rule]) -> None:
    """Change `model` (openvino.Model) in place: the same function with as few transposes as `rules` allow.

    `rules` are by the type of operation. Constants are folded before and after.
    """
    fold_constants(model)
    layout = Layout()
    for node in model.get_ordered_ops():
        if node.get_input_size() and not _apply(layout, node, rules):
            rewire(node, [layout.plain(output) for output in inputs(node)])
    model.validate_nodes_and_infer_types()
    fold_constants(model)


def _apply(layout: Layout, node: Any, rules: Mapping[str, Rule]) -> bool:
    rule = rules.get(node.get_type_name())
    moved = node.get_type_name() == "Transpose" or any(layout.read(output).order for output in inputs(node))
    return moved and rule is not None and rule(layout, node)


def inverse(order: Order) -> Order:
    """The order that undoes `order`."""
    return tuple(order.index(axis) for axis in range(len(order)))


def _shape_after(output: Any, axes: Order) -> list[int] | None:
    """The shape after a move that changes nothing in memory; None where it would, or where two lengths are free."""
    lengths = [-1 if length.is_dynamic else int(length.get_length()) for length in output.get_partial_shape()]
    long = [axis for axis in axes if lengths[axis] != 1]
    if long != sorted(long) or lengths.count(-1) > 1:
        return None
    return [lengths[axis] for axis in axes]
