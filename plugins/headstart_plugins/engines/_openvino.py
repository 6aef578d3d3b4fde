"""OpenVINO on processors: one sample a request, or a few of samples that have a length; one request a thread."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.errors import EngineRefusal
from headstart.host.telemetry import without_telemetry
from headstart.specs import EngineRequest
from headstart_plugins.engines._reasons import refusal

GRAPH = "graph.xml"
NAMES = "graph.json"
"""Names: of inputs and outputs in the order that the graph has them, and of outputs that are inputs as they came."""
DEVICE = "CPU"
TYPES = {"float32": "f32", "bfloat16": "bf16"}
REQUESTS_A_STREAM = 2
"""One that runs and one that waits, so that no stream is idle."""
TOGETHER = 16
"""Samples of a network with a free length that share a request: one alone reads all weights for few products."""


@dataclass(frozen=True)
class _Begun:
    """A batch under way: what was `given`, which the requests share, and the `results` (row, ...) that they write into;
    of outputs whose shape depends on the length, by place, the `parts` so far."""

    given: Sequence[np.ndarray]
    results: list[np.ndarray]
    parts: Mapping[int, list[np.ndarray]]


@dataclass(frozen=True)
class Opened:
    """A compiled graph for one sample, or at most `together` of them, run in so many `streams`; see
    `headstart.specs.Compiled` and Streams. `spare` are requests that nobody uses."""

    compiled: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: tuple[np.dtype[Any], ...]
    answers: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    """The shape of each output without the batch axis, -1 where it depends on the inputs' length, and its type."""
    carried: Mapping[str, str]
    """Outputs that are inputs as they came: the input of each."""
    streams: int
    together: int = 1
    spare: list[Any] = field(default_factory=list)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Any number of samples of one length. Raises TypeError for an input of another kind than the graph takes:
        floats where it takes bytes."""
        (found,) = self.stream([batch])
        return found

    def stream(self, batches: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
        """As often as it is called. Requests of a batch are started as those of the one before are done, and write
        straight into the arrays that are given, but for those whose shape depends on the length."""
        requests = [self._request() for _ in range(REQUESTS_A_STREAM * self.streams)]
        free, running = deque(requests), deque[tuple[Any, _Begun]]()
        begun = deque[_Begun]()

        def finish() -> None:
            request, batch = running[0]
            request.wait()
            running.popleft()
            free.append(request)
            for place, found in batch.parts.items():
                found.append(np.array(request.get_output_tensor(place).data))

        try:
            for batch in batches:
                begun.append(self._begin(batch))
                rows = len(begun[-1].given[0])
                size = min(self.together, max(1, rows // self.streams))
                for row in range(0, rows, size):
                    if not free:
                        finish()
                    _start(free[0], begun[-1], slice(row, row + size))
                    running.append((free.popleft(), begun[-1]))
                while begun and not (running and running[0][1] is begun[0]):  # they are waited for in their order
                    yield self._ended(begun.popleft())
            while begun:
                while running and running[0][1] is begun[0]:
                    finish()
                yield self._ended(begun.popleft())
        finally:  # what still runs after one of them failed writes on: the error of that one is what counts
            for request, _ in running:
                with contextlib.suppress(RuntimeError):
                    request.wait()
            self.spare.extend(requests)

    def _request(self) -> Any:
        """One that nobody uses."""
        with contextlib.suppress(IndexError):
            return self.spare.pop()
        return self.compiled.create_infer_request()

    def _begin(self, batch: Mapping[str, np.ndarray]) -> _Begun:
        given = [_taken(batch[name], dtype) for name, dtype in zip(self.inputs, self.types, strict=True)]
        shapes = [(len(given[0]), *(max(size, 0) for size in shape)) for shape, _ in self.answers]
        results = [np.empty(shape, dtype) for shape, (_, dtype) in zip(shapes, self.answers, strict=True)]
        return _Begun(given, results, {place: [] for place, (shape, _) in enumerate(self.answers) if -1 in shape})

    def _ended(self, batch: _Begun) -> dict[str, np.ndarray]:
        for place, found in batch.parts.items():
            batch.results[place] = np.concatenate(found) if found else batch.results[place]
        kept = {name: np.array(batch.given[self.inputs.index(source)]) for name, source in self.carried.items()}
        return dict(zip(self.outputs, batch.results, strict=True)) | {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in kept.items()
        }


def _taken(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """`array` as OpenVINO can share it: dense, and writeable although it is only read."""
    return np.require(np.asarray(array).astype(dtype, casting="same_kind", copy=False), requirements=["C", "W"])


def _start(request: Any, batch: _Begun, rows: slice) -> None:
    """Start some rows of a batch, on memory that is there until the request is done."""
    import openvino

    for place, array in enumerate(batch.given):
        request.set_input_tensor(place, openvino.Tensor(array[rows], shared_memory=True))
    for place, array in enumerate(batch.results):
        if place not in batch.parts:
            request.set_output_tensor(place, openvino.Tensor(array[rows], shared_memory=True))
    request.start_async()


def build(request: EngineRequest) -> Opened:
    """Open the exported graph on `threads` threads, in the precision asked for.

    Every thread runs samples of its own, one after the other, so that no thread waits for another.
    Raises EngineRefusal where the processor has no bfloat16 or OpenVINO cannot compile the graph.
    """
    without_telemetry()
    import openvino

    if request.graph is None:
        raise EngineRefusal("OpenVINO runs exported graphs, and none was given", hint="export the network first")
    core = openvino.Core()
    offered = core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    if request.precision == "bfloat16" and "BF16" not in offered:
        raise EngineRefusal(
            f"OpenVINO has no bfloat16 on this processor, only {', '.join(offered)}", hint="use --precision float32"
        )
    settings = {
        "INFERENCE_PRECISION_HINT": TYPES[request.precision],
        "INFERENCE_NUM_THREADS": request.threads,
        "NUM_STREAMS": request.threads,
    }
    names = json.loads((request.graph / NAMES).read_text(encoding="utf-8"))
    try:
        model = core.read_model(request.graph / GRAPH)
        shapes = {port: list(port.get_partial_shape())[1:] for port in model.inputs}
        is_long = any(size.is_dynamic for shape in shapes.values() for size in shape)
        model.reshape({port: [-1 if is_long else 1, *shape] for port, shape in shapes.items()})
        compiled = core.compile_model(model, DEVICE, settings)
    except RuntimeError as exc:
        raise refusal(f"OpenVINO cannot compile the graph in {request.graph}", exc) from exc
    return Opened(
        compiled=compiled,
        inputs=tuple(names["inputs"]),
        outputs=tuple(names["outputs"]),
        types=tuple(np.dtype(port.get_element_type().to_dtype()) for port in compiled.inputs),
        answers=tuple((_shape(port)[1:], np.dtype(port.get_element_type().to_dtype())) for port in compiled.outputs),
        carried=names["carried"],
        streams=request.threads,
        together=TOGETHER if is_long else 1,
    )


def _shape(port: Any) -> tuple[int, ...]:
    """-1 where a size is free."""
    return tuple(-1 if size.is_dynamic else size.get_length() for size in port.get_partial_shape())
