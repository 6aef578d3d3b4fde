"""A small training step on PyTorch as the plain tensor operations that it comes to: without layers' own overhead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import torch

from headstart.engine.step import Step
from headstart.engine.torch.step import Found

ATEN = torch.ops.aten
NARROW = 64
"""Outputs of a layer below which its kernel's gradient is worth turning."""
Gradients = Callable[[dict[str, Any], dict[str, Any], Any], Found]


def trace(
    step: Step, gradients_of: Gradients, batch: dict[str, Any], targets: dict[str, Any], mask: Any
) -> Gradients | None:
    """`gradients_of` recorded on one batch and played back on others of the same shapes.

    None for a step whose operations are not the same each time: layers that draw random numbers or keep statistics,
    and Python code that looks at the numbers.
    """
    if any(stage.model.non_trainable_variables for stage in step.network.stages[step.start :]):
        return None
    variables = list(step.trainable.values())
    values = [variable.value for variable in variables]
    names: list[str] = []

    def recorded(*tensors: Any) -> list[Any]:
        given, rest = tensors[: len(variables)], tensors[len(variables) : -1]
        samples = dict(zip(batch, rest[: len(batch)], strict=True))
        encoded = dict(zip(targets, rest[len(batch) :], strict=True))
        with keras.StatelessScope(state_mapping=list(zip(variables, given, strict=True))):
            found = gradients_of(samples, encoded, tensors[-1])
        names[:] = found.outputs
        return [found.loss, found.losses, *found.outputs.values(), *found.gradients]

    learning = [value.detach().requires_grad_() for value in values]
    run = _record(recorded, [*learning, *batch.values(), *targets.values(), mask])
    if run is None:
        return None

    def played(batch: dict[str, Any], targets: dict[str, Any], mask: Any) -> Found:
        with torch.no_grad():
            loss, losses, *found = run(*values, *batch.values(), *targets.values(), mask)
        return Found(loss, losses, dict(zip(names, found, strict=False)), found[len(names) :])

    return played


def _record(function: Callable[..., list[Any]], examples: list[Any]) -> Callable[..., list[Any]] | None:
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        module = make_fx(function)(*examples)
    except RuntimeError:  # code that looks at the numbers, or an operation that cannot be recorded
        return None
    for node in list(module.graph.nodes):
        if node.target is ATEN.detach.default:  # without gradients to record it does nothing
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
        elif _is_narrow_gradient(node):
            with module.graph.inserting_before(node):  # a^T @ b as (b^T @ a)^T
                turned = module.graph.call_function(ATEN.t.default, (node.args[1],))
                product = module.graph.call_function(ATEN.mm.default, (turned, node.args[0].args[0]))
                node.replace_all_uses_with(module.graph.call_function(ATEN.t.default, (product,)))
            module.graph.erase_node(node)
    module.graph.set_codegen(torch.fx.graph.CodeGen())  # lists in and out, nothing to unpack
    module.recompile()
    run: Callable[..., list[Any]] = module.forward
    return run


def _is_narrow_gradient(node: Any) -> bool:
    """True for inputs^T @ flow of few outputs, whose kernel PyTorch multiplies faster turned."""
    if node.target is not ATEN.mm.default or node.args[0].target is not ATEN.t.default:
        return False
    return int(node.args[1].meta["tensor_meta"].shape[1]) < NARROW
