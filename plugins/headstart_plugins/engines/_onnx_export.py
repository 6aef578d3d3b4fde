"""Export for ONNX Runtime: PyTorch traces the network, in a process whose Keras backend it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import EngineRefusal
from headstart.specs import EngineExport
from headstart_plugins.engines._reasons import HINT, check_lengths, refusal

GRAPH = "graph.onnx"
OPSET = 20
"""The highest that PyTorch's tracing exporter writes."""
BATCH = "batch"
"""The name of the free axis in the graph."""
LENGTH = "length"
"""The name of the one other axis that may be free, of tokens for example."""
TRACED, LONGER = 24, 32
"""How long that is in the sample that is traced, and in another one."""
LARGEST = 2**31 - 2**24
"""Bytes of weights that fit a file of the format beside the operations (protocol buffers end at 2 GiB)."""
OUTPUT = "output:"
"""What stands before the name of an output in the graph where an input has the same: names there are unique."""
NOISE = ("You are using the legacy TorchScript-based ONNX export", "Constant folding - ")
"""How warnings begin that nobody can act on."""


def export(request: EngineExport) -> None:
    """Write graph.onnx into the folder: inputs of the types that the input stage takes, float outputs in float32.

    Inputs and outputs have the names of the network's tensors, each sorted, with OUTPUT before those of outputs that
    inputs have too, a free batch axis, and a free length where the network has one; what Keras computes from the batch
    size in Python is fixed at the one sample of the trace.
    Raises EngineRefusal naming the operation that has no form in ONNX, or the size of weights that are too large.
    """
    import keras
    import torch

    from headstart_plugins.engines._onnx_forms import channels_first
    from headstart_plugins.engines._onnx_module import Positional

    network, path = request.network, request.folder / GRAPH
    inputs = network.stages[0].model.input
    check_lengths(inputs)
    samples = {name: keras.ops.zeros(_sized(inputs[name].shape, TRACED), inputs[name].dtype) for name in sorted(inputs)}
    longer = {name: keras.ops.zeros(_sized(inputs[name].shape, LONGER), inputs[name].dtype) for name in samples}
    with torch.no_grad(), channels_first(stage.model for stage in network.stages[: request.stop]):
        given = network.run(samples, 0, request.stop)
        other = network.run(longer, 0, request.stop) if network.length_axes(0) else given
        outputs = sorted(given)
        module = Positional(network, request.stop, tuple(samples), outputs).eval()
        size = sum(weight.nbytes for weight in module.parameters())
        if size > LARGEST:
            raise EngineRefusal(
                f"weights of {size / 2**30:.1f} GiB do not fit an ONNX file, which ends at 2", hint=HINT
            )
        marked = {name: OUTPUT + name if name in samples else name for name in outputs}
        free = {name: _free(samples[name].shape, longer[name].shape) for name in samples}
        free |= {marked[name]: _free(given[name].shape, other[name].shape) for name in outputs}
        _trace(module, samples, list(marked.values()), free, path)
    import onnx

    model = onnx.load(path)
    # Without the empty inputs at its end, which say nothing, a `Pad` merges into convolutions.
    for node in model.graph.node:
        while node.op_type == "Pad" and not node.input[-1]:
            node.input.pop()
    onnx.save(model, path)


def _sized(shape: Sequence[int | None], length: int) -> tuple[int, ...]:
    """The shape of one sample, its free axis so long."""
    return (1, *(length if size is None else size for size in shape[1:]))


def _free(shape: Sequence[int], longer: Sequence[int]) -> dict[int, str]:
    """The free axes of a tensor by what they are called, told by the shapes that it has for two lengths of the inputs:
    where a length comes out as another one, that has a name of its own."""
    axes = {axis: LENGTH if shape[axis] == TRACED else f"axis{axis}" for axis in range(1, len(shape))}
    return {0: BATCH, **{axis: name for axis, name in axes.items() if shape[axis] != longer[axis]}}


def _trace(
    module: Any, samples: Mapping[str, Any], outputs: Sequence[str], free: Mapping[str, Mapping[int, str]], path: Path
) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # lengths are fixed by design
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        try:
            torch.onnx.export(
                module,
                tuple(samples.values()),
                path,
                input_names=list(samples),
                output_names=list(outputs),
                dynamic_axes=free,
                opset_version=OPSET,
                dynamo=False,  # the newer exporter needs onnxscript
            )
        except Exception as exc:
            raise refusal("PyTorch cannot write this network as ONNX", exc) from exc
