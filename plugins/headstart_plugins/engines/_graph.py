"""Small questions to an openvino graph, and small changes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def identity(output: Any) -> tuple[int, int]:
    """What tells one tensor of a graph from all others."""
    return int(output.get_node().get_instance_id()), int(output.get_index())


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
    return bool(shape.is_static) and all(int(length.get_length()) == 1 for length in shape)


def integers(output: Any) -> list[int] | None:
    """The numbers of a constant; None where `output` is none."""
    node = output.get_node()
    return [int(value) for value in node.get_vector()] if node.get_type_name() == "Constant" else None


def inputs(node: Any) -> list[Any]:
    """The outputs of other operations that `node` takes."""
    return [node.input_value(index) for index in range(node.get_input_size())]


def constant_like(values: Sequence[int], like: Any) -> Any:
    """A constant of `values` with the type and number of axes of `like`."""
    import openvino.opset15 as ov

    value = values[0] if rank(like) == 0 else list(values)
    return ov.constant(value, like.get_element_type()).output(0)


def rewire(node: Any, arguments: Sequence[Any]) -> None:
    """Give `node` other inputs."""
    if [identity(output) for output in arguments] != [identity(output) for output in inputs(node)]:
        node.set_arguments(list(arguments))
    node.validate_and_infer_types()


def fold_constants(model: Any) -> None:
    """Compute what depends on constants only."""
    from openvino.passes import ConstantFolding, Manager

    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)
