"""Stages in shorter pieces, for comparisons: rounding has no depth to grow in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from headstart.engine.network.cutting import between, lone_tensors, nodes_of
from headstart.specs import Stage

if TYPE_CHECKING:
    import keras

LONGEST = 12
"""Layers with weights after which a stage is cut, where one tensor alone crosses the place."""


def cut_finely(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The same network in pieces that share its layers; the last piece of a stage keeps the stage's name."""
    return tuple(piece for stage in stages for piece in _pieces(stage))


def _pieces(stage: Stage) -> Iterator[Stage]:
    tensors, outputs = dict(stage.model.input), dict(stage.model.output)
    cuts = _cuts(stage.model)
    for number, tensor in enumerate(cuts, start=1):
        above = {"x": tensor}
        yield Stage(f"{stage.name}, part {number}", between(tensors, above, stage.name))
        tensors = above
    yield Stage(stage.name, between(tensors, outputs, stage.name)) if cuts else stage


def _cuts(model: keras.Model) -> list[Any]:
    """The first lone tensor after each `LONGEST` layers with weights, but none that the model gives anyway."""
    ends = {id(tensor): tensor for tensor in model.output.values()}
    lone = {id(node): tensor for node, tensor in lone_tensors(model, list(ends.values()))}
    cuts, layers = [], 0
    for node in nodes_of(model):
        layers += bool(getattr(node.operation, "weights", ()))
        tensor = lone.get(id(node))
        if layers >= LONGEST and tensor is not None and id(tensor) not in ends:
            cuts.append(tensor)
            layers = 0
    return cuts
