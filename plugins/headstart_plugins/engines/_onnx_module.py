"""A network as PyTorch's tracing exporter wants it: tensors by position, and lengths that are plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from headstart.engine.network.network import Network

SHAPES = (torch.Tensor.shape.__get__, torch.Tensor.size)


class Positional(torch.nn.Module):  # type: ignore[misc]  # torch is not read for types
    """The first `stop` stages of a network in inference: tensors in the order of `inputs` in, in that of `outputs`
    out: floats as float32, masks and whole numbers in their own types. The stages are modules of it, so that their
    weights are stored once and under names."""

    def __init__(self, network: Network, stop: int, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.stages = torch.nn.ModuleList(stage.model for stage in network.stages[:stop])
        self._network, self._stop = network, stop
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._free = 1 + max((1 + axis for axis in network.length_axes(0).values()), default=0)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(batch, ...) tensors in and out."""
        with _KnownLengths(self._free):
            outputs = self._network.run(dict(zip(self._inputs, tensors, strict=True)), 0, self._stop)
        found = (outputs[name] for name in self._outputs)
        return tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in found)


class _KnownLengths(TorchFunctionMode):  # type: ignore[misc]  # torch is not read for types
    """Shapes as they are read: the first `free` axes as the tracer gives them, the others as plain numbers.

    The tracer would follow arithmetic on lengths into the graph, where some operations want numbers.
    """

    def __init__(self, free: int) -> None:
        super().__init__()
        self._free = free

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in SHAPES and isinstance(found, torch.Size) and len(found) > 1:
            return torch.Size((*found[: self._free], *map(int, found[self._free :])))
        return found
