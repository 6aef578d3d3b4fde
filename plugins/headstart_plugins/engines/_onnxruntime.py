"""ONNX Runtime on processors: one sample a run, one run a thread."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import EngineRefusal
from headstart.host.telemetry import without_telemetry
from headstart.specs import EngineRequest
from headstart_plugins.engines._onnx_export import BATCH, GRAPH, OUTPUT
from headstart_plugins.engines._reasons import refusal

PROVIDER = "CPUExecutionProvider"
ERRORS = 3
"""The severity from which ONNX Runtime logs."""
TYPES = {"float": "float32", "double": "float64"}
"""ONNX Runtime's names of types where numpy has others."""


@dataclass(frozen=True)
class Opened:
    """A session for one sample, with the types of its inputs by name; see `headstart.specs.Compiled`."""

    session: Any
    inputs: Mapping[str, np.dtype[Any]]
    outputs: tuple[str, ...]
    threads: int

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One sample or more."""
        given = {name: np.asarray(batch[name], dtype) for name, dtype in self.inputs.items()}
        rows = min(map(len, given.values()))
        with ThreadPoolExecutor(self.threads) as pool:
            answers = list(pool.map(lambda row: self._run(given, row), range(rows)))
        return {
            name: np.concatenate(parts) for name, parts in zip(self.outputs, zip(*answers, strict=True), strict=True)
        }

    def _run(self, given: Mapping[str, np.ndarray], row: int) -> list[np.ndarray]:
        answer: list[np.ndarray] = self.session.run(None, {name: array[row : row + 1] for name, array in given.items()})
        return answer


def build(request: EngineRequest) -> Opened:
    """Open the exported graph on `threads` threads, in float32.

    Every thread runs samples of its own, one after the other, so that no thread waits for another.

    Raises EngineRefusal for another precision, and where ONNX Runtime cannot open the graph.
    """
    if request.graph is None:
        raise EngineRefusal("ONNX Runtime runs exported graphs, and none was given", hint="export the network first")
    if request.precision != "float32":
        raise EngineRefusal(
            f"ONNX Runtime computes in float32 here, not in {request.precision}", hint="use --precision float32"
        )
    runtime = silent_runtime()
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS
    options.add_free_dimension_override_by_name(BATCH, 1)
    try:
        session = runtime.InferenceSession(request.graph / GRAPH, options, providers=[PROVIDER])
    except Exception as exc:
        raise refusal(f"ONNX Runtime cannot open the graph in {request.graph}", exc) from exc
    return Opened(
        session=session,
        inputs={port.name: _dtype(port.type) for port in session.get_inputs()},
        outputs=tuple(port.name.removeprefix(OUTPUT) for port in session.get_outputs()),
        threads=request.threads,
    )


def _dtype(name: str) -> np.dtype[Any]:
    """The numpy type of "tensor(uint8)"."""
    inner = name.removeprefix("tensor(").removesuffix(")")
    return np.dtype(TYPES.get(inner, inner))


def silent_runtime() -> Any:
    """The module `onnxruntime`, which sends nothing anywhere.

    From release 1.29 on, the published builds report sessions to their maker, on Linux too, and keep an identifier of
    the machine in the user's cache folder. The variable prevents all of it where it is set before the first import;
    the call stops most of it where something else imported the module before.
    """
    without_telemetry()
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime
