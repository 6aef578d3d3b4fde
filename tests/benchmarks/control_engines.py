"""The controls of `extraction.py`: a network by hand in PyTorch, torch.compile, ONNX Runtime and OpenVINO.

Each opens a `Whole` network for batches of one shape and gives a function from pictures (batch, size, size, 3) uint8
to features (batch, channels) float32. Raises ImportError where a package is absent and NotImplementedError where a
precision is not offered.
"""

from __future__ import annotations

import copy
import io
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch_networks import Whole

# OpenVINO's own telemetry forks a process at each conversion, and at its import: beside JAX that may hang. It does
# without the package.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

Extract = Callable[[np.ndarray], np.ndarray]
Open = Callable[[Whole, np.ndarray, str], Extract]
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
HINTS = {"float32": "f32", "bfloat16": "bf16"}


def eager(network: Whole, example: np.ndarray, precision: str) -> Extract:
    """Layer by layer."""
    ready = copy.deepcopy(network).to(TYPES[precision])
    return _in_torch(ready)


def compiled(network: Whole, example: np.ndarray, precision: str) -> Extract:
    """torch.compile, which writes C++."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        raise NotImplementedError("there is no C++ compiler")
    return _in_torch(torch.compile(copy.deepcopy(network).to(TYPES[precision]), dynamic=False))


def _in_torch(network: Callable[[torch.Tensor], torch.Tensor]) -> Extract:
    def extract(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(pictures)).numpy()

    return extract


def onnxruntime(network: Whole, example: np.ndarray, precision: str) -> Extract:
    """ONNX Runtime, all graph optimisations."""
    if precision != "float32":
        raise NotImplementedError("ONNX Runtime has no bfloat16 convolutions on processors")
    import onnxruntime as runtime

    graph = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.from_numpy(example),), graph, dynamo=False, input_names=["pictures"])
    options = runtime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = runtime.InferenceSession(graph.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda pictures: session.run(None, {"pictures": pictures})[0]


def openvino(network: Whole, example: np.ndarray, precision: str) -> Extract:
    """OpenVINO, a batch at a time on all threads."""
    model = _compiled(network, example, {"PERFORMANCE_HINT": "LATENCY", **_settings(precision)})
    return lambda pictures: model(pictures)[0].copy()


def openvino_streams(network: Whole, example: np.ndarray, precision: str) -> Extract:
    """OpenVINO, a picture at a time on each thread."""
    import openvino as ov

    model = _compiled(network, example[:1], {"NUM_STREAMS": os.cpu_count(), **_settings(precision)})
    requests = ov.AsyncInferQueue(model, 2 * (os.cpu_count() or 1))
    found: list[np.ndarray] = [np.empty(0)] * len(example)

    def keep(request: ov.InferRequest, row: int) -> None:
        found[row] = request.get_output_tensor(0).data[0].copy()

    requests.set_callback(keep)

    def extract(pictures: np.ndarray) -> np.ndarray:
        for row in range(len(pictures)):
            requests.start_async({0: pictures[row : row + 1]}, row)
        requests.wait_all()
        return np.stack(found)

    return extract


def _settings(precision: str) -> Mapping[str, object]:
    return {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": os.cpu_count()}


def _compiled(network: Whole, example: np.ndarray, settings: Mapping[str, object]) -> Callable[..., list[np.ndarray]]:
    import openvino as ov

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ov.convert_model(network, example_input=torch.from_numpy(example), input=list(example.shape))
    return ov.Core().compile_model(model, "CPU", dict(settings))


CONTROLS: Mapping[str, Open] = {
    "PyTorch eager": eager,
    "torch.compile": compiled,
    "ONNX Runtime": onnxruntime,
    "OpenVINO": openvino,
    "OpenVINO, streams": openvino_streams,
}
