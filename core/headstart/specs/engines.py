"""Engines: ways to run the frozen prefix of a network."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from headstart.specs.base import Spec

if TYPE_CHECKING:
    import numpy as np

    from headstart.engine.network.network import Network

PRECISIONS = ("float32", "bfloat16")
"""What arithmetic can be asked for by name. Heads and losses are float32 in both."""


@dataclass(frozen=True)
class EngineExport:
    """What an engine's exporter is given, in a process of its own: the first `stop` stages of a stock network.

    The exporter writes its graph, with the weights in it, as files below the empty `folder`. Graphs have a free batch
    axis, the tensors' own names for inputs, and for outputs the names that `network.run` gives them. All outputs are
    float32: of bools (masks) and integers the same numbers, which whoever opens the engine casts back.
    """

    network: Network
    stop: int
    folder: Path


class EngineExporter(Protocol):
    """Export target of an EngineSpec; runs under the Keras backend that `exporter_backend` names."""

    def __call__(self, request: EngineExport) -> None:
        """Write the graph. Raises EngineRefusal naming the layer or operation that the engine has no form for."""


@dataclass(frozen=True)
class EngineRequest:
    """What an engine opens: the first `stop` stages of `network`, or the `graph` folder that its exporter wrote.

    Every call will bring `batch_size` samples, of a graph that takes any length fewer, too. `precision` is one of
    PRECISIONS and never left to the engine; `threads` is how many the engine may use.
    """

    network: Network
    stop: int
    graph: Path | None
    batch_size: int
    precision: str
    threads: int


class Compiled(Protocol):
    """Inference in an engine: (batch, ...) arrays by name in, new ones by name out: floats as float32, masks and whole
    numbers in the types of the network."""

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See the class."""


@runtime_checkable
class Streams(Protocol):
    """What a Compiled offers too that computes several batches at once, so that it never waits for whoever brings the
    next one or takes the last."""

    def stream(self, batches: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
        """What each of `batches` comes to when it is called with it, to the bit and in order. The next ones, which may
        be of other lengths, are taken before the last is given; how many does not depend on how many there are."""


class EngineBuild(Protocol):
    """Build target of an EngineSpec. Raises EngineRefusal where it cannot run this graph as asked."""

    def __call__(self, request: EngineRequest) -> Compiled:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class EngineSpec(Spec):
    """A way to run the frozen prefix of a network. `build` is an EngineBuild target.

    One that runs graphs of its own kind has `export`, an EngineExporter target, which runs in another process under
    the Keras backend `exporter_backend` ("openvino", "torch", "jax"). `needs` are the modules that must be importable,
    `extra` the extra of ours that brings them. `precisions` are those that it can be asked for on this machine's kind
    of processor. `startup` is about how many seconds an export takes: what a gain must be worth. `version` changes
    when the same network would be exported or run otherwise.
    """

    build: str
    export: str | None = None
    exporter_backend: str | None = None
    needs: tuple[str, ...] = ()
    extra: str | None = None
    precisions: tuple[str, ...] = ("float32",)
    startup: float = 0.0
    version: int = 1

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that it needs and that cannot be imported here; none is imported to find out."""
        return tuple(name for name in self.needs if name not in sys.modules and find_spec(name) is None)
