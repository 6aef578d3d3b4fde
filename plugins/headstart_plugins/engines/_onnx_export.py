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
TRACED = 24
"""How long that is in the sample that is traced."""
LARGEST = 2**31 - 2**24
"""Bytes of weights that fit a file of the format beside the operations (protocol buffers end at 2 GiB)."""
OUTPUT = "output:"
"""What stands before the name of an output in the graph where an input has the same: names there are unique."""
NOISE = ("You are using the legacy TorchScript-based ONNX export", "Constant folding - ")
"""How warnings begin that nobody can act on."""


def export(request: EngineExport) -> None:
    """Write graph.onnx into the folder: inputs of the types that the input stage takes, float outputs in float32.

    Inputs and outputs have the names of the network's tensors, each sorted, with OUTPUT before those of outputs that
    inputs have too, and a free batch axis; what Keras computes from the batch size in Python is fixed at the one sample
    of the trace.
    Raises EngineRefusal naming the operation that has no form in ONNX, or the size of weights that are too large.
    """
    import keras
    import torch

    from headstart_plugins.engines._onnx_forms import channels_first
    from headstart_plugins.engines._onnx_module import Positional

    network, path = request.network, request.folder / GRAPH
    inputs = network.stages[0].model.input
    check_lengths(inputs)
    samples = {name: keras.ops.ones(_of_sample(inputs[name].shape), inputs[name].dtype) for name in sorted(inputs)}
    with torch.no_grad(), channels_first(stage.model for stage in network.stages[: request.stop]):
        outputs = sorted(network.run(samples, 0, request.stop))
        module = Positional(network, request.stop, tuple(samples), outputs).eval()
        size = sum(weight.nbytes for weight in module.parameters())
        if size > LARGEST:
            raise EngineRefusal(
                f"weights of {size / 2**30:.1f} GiB do not fit an ONNX file, which ends at 2", hint=HINT
            )
        marked = {name: OUTPUT + name if name in samples else name for name in outputs}
        lengths = {name: place + 1 for name, place in network.length_axes(0).items()}
        lengths |= {marked[name]: place + 1 for name, place in network.length_axes(request.stop).items()}
        free = {
            name: {0: BATCH, **({lengths[name]: LENGTH} if name in lengths else {})}
            for name in (*samples, *marked.values())
        }
        _trace(module, samples, list(marked.values()), free, path)
    import onnx

    model = onnx.load(path)
    # Without the empty inputs at its end, which say nothing, a `Pad` merges into convolutions.
    for node in model.graph.node:
        while node.op_type == "Pad" and not node.input[-1]:
            node.input.pop()
    onnx.save(model, path)


def _of_sample(shape: Sequence[int | None]) -> tuple[int, ...]:
    """The shape of the one sample that is traced."""
    return (1, *(TRACED if size is None else size for size in shape[1:]))


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
