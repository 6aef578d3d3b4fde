"""What a network makes on the way is let go once nothing reads it any more.

Keras (3.15) keeps what each layer of a Functional model gives until the last one has run. Where layers run one by one,
as on PyTorch and outside of a compiled function, that is several times the memory that the largest of them needs, and
memory that was not touched before has to be got from the system, page by page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

BLOCK = 32 << 20
"""Bytes from which the GNU C library gives a block back to the system as it is freed, and has the next one as pages of
zeros, a fault each (glibc 2.36, mallopt(3): M_MMAP_THRESHOLD): where layers run one by one, that is time beside the
arithmetic."""
RUN = "_run_through_graph"
"""The method of Keras' Functional models that runs layer after layer."""


def largest_tensor(models: Iterable[keras.Model]) -> int:
    """Bytes a row of the largest float32 tensor that a layer of these Functional models gives, of those whose sizes are
    known."""
    from headstart.engine.network.cutting import nodes_of

    shapes = (
        tensor.shape[1:]
        for model in models
        for each in model._flatten_layers()
        if hasattr(type(each), RUN)
        for node in nodes_of(each)
        for tensor in node.outputs
    )
    return max((4 * math.prod(shape) for shape in shapes if None not in shape), default=0)


def let_go(model: keras.Model) -> None:
    """Have a Functional model, and those inside it, run so from now on; its numbers and gradients stay what they are.
    What is none stays as it is."""
    if RUN in vars(model) or not hasattr(type(model), RUN):
        return
    for layer in model._flatten_layers():
        if RUN not in vars(layer) and hasattr(type(layer), RUN):
            vars(layer)[RUN] = _letting_go(layer)  # shadows the method, past Keras' tracking of attributes


def _letting_go(model: keras.Model) -> Callable[..., Any]:
    """As the method of `model` does it, but that each tensor is dropped behind the last layer that reads it."""
    import keras  # a network's description is read before the backend is chosen

    from headstart.engine.network.cutting import nodes_of

    nodes = [node for node in nodes_of(model) if node.operation and not node.is_input]
    last = {id(tensor): place for place, node in enumerate(nodes) for tensor in node.input_tensors}
    given = {id(tensor) for tensor in model.outputs}
    done: list[list[int]] = [[] for _ in nodes]
    for tensor, place in last.items():
        if tensor not in given:
            done[place].append(tensor)

    def run(inputs: Any, operation_fn: Callable[[Any], Any] = lambda operation: operation, **more: Any) -> Any:
        if more:  # symbolic runs of Keras' own
            return getattr(type(model), RUN)(model, inputs, operation_fn, **more)
        at_hand = {id(x): value for x, value in zip(model.inputs, keras.tree.flatten(inputs), strict=False)}
        del inputs
        for node, dropped in zip(nodes, done, strict=True):
            if all(id(x) in at_hand for x in node.input_tensors):
                args, kwargs = node.arguments.fill_in(at_hand)
                outputs = operation_fn(node.operation)(*args, **kwargs)
                at_hand |= {id(x): value for x, value in zip(node.outputs, keras.tree.flatten(outputs), strict=False)}
                del args, kwargs, outputs
            for tensor in dropped:
                at_hand.pop(tensor, None)
        return keras.tree.pack_sequence_as(model._outputs_struct, [at_hand[id(x)] for x in model.outputs])

    return run
