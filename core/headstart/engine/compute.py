"""What the engine asks of a backend: a forward pass and a training step over numpy batches."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np

from headstart.engine.network import Network
from headstart.engine.optimizer import GroupedAdamW
from headstart.engine.precision import FLOAT32, verify_precision
from headstart.specs import Task

Batch = Mapping[str, np.ndarray]


class Forward(Protocol):
    """Inference: (batch, ...) arrays in, (batch, ...) float32 arrays out; one compilation a shape."""

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """See the class."""


@dataclass(frozen=True)
class Step:
    """What a training step is made of: the network from stage `start` on, the weights that learn, and the task.

    At the precision "bfloat16" the backbone computes in it; weights, head, loss and updates stay in float32.
    """

    network: Network
    start: int
    trainable: Mapping[str, keras.Variable]
    optimizer: GroupedAdamW
    task: Task
    precision: str = FLOAT32


@dataclass(frozen=True)
class Stepped:
    """What a training step saw before its update: the batch's mean loss, and the head's outputs (batch, ...).

    `finite` is False where the loss or a gradient was not: then nothing was changed.
    """

    loss: float
    outputs: Mapping[str, np.ndarray]
    finite: bool


class TrainStep(Protocol):
    """One update. `mask` (batch,) float32 is 0 for padding rows, which count for nothing."""

    def __call__(self, batch: Batch, targets: np.ndarray, mask: np.ndarray) -> Stepped:
        """Update once. A loss or gradient that is not finite changes nothing."""

    def sync(self) -> None:
        """Put what was learned into the network's variables, and the moments into the optimizer."""


@dataclass(frozen=True)
class Advanced:
    """How far a scan came: `reached` steps are done; `losses` are those of the steps that it took, the last of them
    of the step `reached` itself where that one was not finite."""

    reached: int
    losses: np.ndarray


class Scan(Protocol):
    """Many updates on the device without a word to the host between them; the same numbers as single steps give."""

    def can_hold(self, views: Sequence[Batch], targets: np.ndarray) -> bool:
        """True where all these samples may stay on the device."""

    def put(self, tensors: Batch, targets: np.ndarray) -> Any:
        """Samples (row, ...) and their targets (row, ...) on the device."""

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray) -> None:
        """The next steps are of these `rows` (step, batch) of what `put` gave; `mask` (step, batch) is 0 on padding."""

    def advance(self, start: int, stop: int) -> Advanced:
        """Take steps `start` to `stop` - 1 of those begun. One that is not finite changes nothing and is the last."""

    def outputs(self, count: int) -> dict[str, np.ndarray]:
        """What the head gave in the first `count` steps, before their updates: (count, batch, ...) arrays."""

    def sync(self) -> None:
        """Put what was learned into the network's variables, and the moments into the optimizer."""


def forward(network: Network, start: int, stop: int, *, precision: str = FLOAT32) -> Forward:
    """Stages `start` to `stop` - 1 in inference mode on this process' backend; outputs are float32.

    `precision` is "float32" or "bfloat16", for all stages but the head. Raises EngineRefusal where the backend's device
    gains nothing from bfloat16.
    """
    verify_precision(precision)
    if keras.backend.backend() == "jax":
        from headstart.engine import on_jax

        return on_jax.JaxForward(network, start, stop, precision)
    from headstart.engine import on_torch

    return on_torch.TorchForward(network, start, stop, precision)


def train_step(step: Step) -> TrainStep:
    """The training step on this process' backend. Raises EngineRefusal as `forward` does."""
    verify_precision(step.precision)
    if keras.backend.backend() == "jax":
        from headstart.engine import on_jax

        return on_jax.JaxTrainStep(step)
    from headstart.engine import on_torch

    return on_torch.TorchTrainStep(step)


def scan(step: Step) -> Scan:
    """Many training steps at once on this process' backend; for stages so small that a step takes microseconds."""
    verify_precision(step.precision)
    if keras.backend.backend() == "jax":
        from headstart.engine import scan_jax

        return scan_jax.JaxScan(step)
    from headstart.engine import scan_torch

    return scan_torch.TorchScan(step)


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Inference outside of `forward`: nothing is kept for a backward pass."""
    if keras.backend.backend() == "torch":
        import torch

        context: contextlib.AbstractContextManager[Any] = torch.no_grad()
        return context
    return contextlib.nullcontext()
