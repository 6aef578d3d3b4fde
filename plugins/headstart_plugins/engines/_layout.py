"""Channels first: move the transposes of a traced graph to where they cost nothing.

Keras traces channels-last networks for OpenVINO as convolutions between two transposes each. This pass never moves
numbers where it only has to know how they lie. It walks the graph in order and knows each tensor as another one that
is stored, and the order of its axes. Transposes then only change what is known; operations that are indifferent to
the order run on what is stored; every other one gets its inputs as it expects them.

OpenVINO's own passes leave more than half of these transposes. Processor time of a picture without this pass, as a
multiple of that with it: EfficientNet-Lite0 2.5 (11.2 ms to 4.6), MobileNetV2 3.0, EfficientNetB0 2.3, ResNet50 1.5
(`tests/benchmarks/layout.py`: medians of 9 rounds in turn, 224 px, float32, one thread, openvino 2026.4.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    """What is known of the tensors seen so far, outputs of operations; one that is not known is stored as it is."""

    known: dict[Any, Stored] = field(default_factory=dict)
    moved: dict[tuple[Any, Order], Any] = field(default_factory=dict)

    def read(self, output: Any) -> Stored:
        """Where the numbers of `output` are."""
        return self.known.get(output, Stored(output, None))

    def keep(self, output: Any, stored: Any, order: Sequence[int] | None) -> None:
        """From now on `output` of the graph is `stored` with its axes in `order`."""
        plain = order is None or list(order) == list(range(len(order)))
        self.known[output] = Stored(stored, None if plain else tuple(order or ()))

    def plain(self, output: Any) -> Any:
        """`output` as the graph has it."""
        stored = self.read(output)
        return stored.output if stored.order is None else self.move(stored.output, stored.order)

    def laid(self, output: Any, order: Order) -> Any:
        """`output` stored so that its axes come in `order`; with fewer axes, as it is broadcast to as many.

        A tensor of one number lies alike in every order.
        """
        import openvino.opset15 as ov

        if is_single(output):
            return self.plain(output)
        stored = self.read(output)
        given = stored.order or tuple(range(rank(output) or 0))
        if len(given) < len(order):
            plain = self.plain(output)
            wide = ov.unsqueeze(plain, list(range(len(order) - (rank(plain) or 0)))).output(0)
            return self.move(wide, inverse(order))
        return self.move(stored.output, tuple(given[axis] for axis in inverse(order)))

    def move(self, output: Any, axes: Order) -> Any:
        """`output` with its axes in the order `axes`; a reshape where only axes of length 1 change places."""
        import openvino.opset15 as ov

        if list(axes) == list(range(len(axes))):
            return output
        key = (output, axes)
        if key not in self.moved:
            shape = _shape_after(output, axes)
            node = ov.transpose(output, list(axes)) if shape is None else ov.reshape(output, shape, False)
            self.moved[key] = node.output(0)
        return self.moved[key]


Rule = Callable[[Layout, Any], bool]
"""Makes an operation of the graph run on what is stored, and says whether it could."""


def move_transposes(model: Any, rules: Mapping[str, Rule]) -> None:
    """Change `model` (openvino.Model) in place: the same function with as few transposes as `rules` allow.

    `rules` are by the type of operation. Constants are folded before and after.
    """
    fold_constants(model)
    layout = Layout()
    for node in model.get_ordered_ops():
        inputs, rule = node.input_values(), rules.get(node.get_type_name())
        moved = node.get_type_name() == "Transpose" or any(layout.read(output).order for output in inputs)
        if inputs and not (moved and rule is not None and rule(layout, node)):
            rewire(node, [layout.plain(output) for output in inputs])
    model.validate_nodes_and_infer_types()
    fold_constants(model)


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


def rank(output: Any) -> int | None:
    """How many axes a tensor has; None where the graph leaves that open."""
    count = output.get_partial_shape().rank
    return None if count.is_dynamic else int(count.get_length())


def size(output: Any) -> int:
    """Numbers a sample; free axes count once."""
    return math.prod(1 if length.is_dynamic else int(length.get_length()) for length in output.get_partial_shape())


def is_single(output: Any) -> bool:
    """Whether a tensor is known to hold one number."""
    shape = output.get_partial_shape()
    return bool(shape.is_static) and math.prod(shape.to_shape()) == 1


def integers(output: Any) -> list[int] | None:
    """The numbers of a constant; None where `output` is none."""
    node = output.get_node()
    return [int(value) for value in node.get_vector()] if node.get_type_name() == "Constant" else None


def constant_like(values: Sequence[int], like: Any) -> Any:
    """A constant of `values` with the type and number of axes of `like`."""
    import openvino.opset15 as ov

    value = values[0] if rank(like) == 0 else list(values)
    return ov.constant(value, like.get_element_type()).output(0)


def rewire(node: Any, arguments: Sequence[Any]) -> None:
    """Give `node` other inputs."""
    if list(arguments) != node.input_values():
        node.set_arguments(list(arguments))
    node.validate_and_infer_types()


def fold_constants(model: Any) -> None:
    """Compute what depends on constants only."""
    from openvino.passes import ConstantFolding, Manager

    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)
