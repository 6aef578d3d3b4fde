"""Cut functional models: models between two dicts of their tensors, and the places where a cut crosses one tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras


def between(inputs: Mapping[str, Any], outputs: Mapping[str, Any], name: str) -> keras.Model:
    """The part of a graph from the tensors `inputs` to the tensors `outputs`, by name; layers are shared with it."""
    for label, tensor in inputs.items():
        tensor.name = label  # Keras warns where an input is called otherwise
    return keras.Model(dict(inputs), dict(outputs), name=name)


def nodes_of(model: keras.Model) -> list[Any]:
    """The calls of layers in a functional model, in the order of running."""
    return [node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth]]


def lone_tensors(model: keras.Model, kept: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """(node, tensor) in the order of running, where after the node that tensor alone is still needed.

    `kept` are the tensors that are needed at the end.
    """
    nodes = nodes_of(model)
    last_use = {id(tensor): place for place, node in enumerate(nodes) for tensor in node.arguments.keras_tensors}
    last_use |= {id(tensor): len(nodes) for tensor in kept}
    alive: dict[int, Any] = {}
    for place, node in enumerate(nodes):
        alive |= {id(tensor): tensor for tensor in node.outputs}
        alive = {key: tensor for key, tensor in alive.items() if last_use.get(key, -1) > place}
        if len(alive) == 1 and not node.is_input:
            yield node, next(iter(alive.values()))


def single_readers(model: keras.Model) -> dict[int, Any]:
    """By the id of a layer, the one layer that reads what it gives, and reads nothing else.

    Both run once and are called with that tensor alone; what the model gives away does not count.
    """
    nodes = [node for node in nodes_of(model) if not node.is_input]
    runs = Counter(id(node.operation) for node in nodes)
    readers: dict[int, list[Any]] = {}
    for node in nodes:
        for tensor in node.arguments.keras_tensors:
            readers.setdefault(id(tensor), []).append(node)
    kept = {id(tensor) for tensor in model.outputs}
    found = {}
    for node in nodes:
        if runs[id(node.operation)] == 1 and len(node.outputs) == 1 and id(node.outputs[0]) not in kept:
            match readers.get(id(node.outputs[0]), []):
                case [reader] if runs[id(reader.operation)] == 1 and _reads_one(reader):
                    found[id(node.operation)] = reader.operation
    return found


def _reads_one(node: Any) -> bool:
    options = [*node.arguments.args[1:], *node.arguments.kwargs.values()]
    return len(node.arguments.keras_tensors) == 1 and all(option is None for option in options)
