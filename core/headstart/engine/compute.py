"""What the engine asks of a backend: a forward pass and a training step over numpy batches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np

from headstart.engine.network.frozen import is_statistic
from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables
from headstart.engine.optimizer import GroupedAdamW
from headstart.engine.precision import FLOAT32, verify_precision
from headstart.specs import HEAD, Task

if TYPE_CHECKING:
    from headstart.engine.network.lora import LowRankAdapter

Batch = Mapping[str, np.ndarray]


class Forward(Protocol):
    """Inference: (batch, ...) arrays in, (batch, ...) float32 arrays out; one compilation a shape."""

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """See the class."""


@dataclass(frozen=True)
class Step:
    """What a training step is made of: the network from stage `start` on, the weights that learn, and the task.

    At the precision "bfloat16" the backbone computes in it; weights, head, loss and updates stay in float32. Of an
    `adapter` the factors are among `trainable`. The stages named in `training` run in training mode: their statistics
    move, and their layers draw.
    """

    network: Network
    start: int
    trainable: Mapping[str, keras.Variable]
    optimizer: GroupedAdamW
    task: Task
    precision: str = FLOAT32
    adapter: LowRankAdapter | None = None
    training: frozenset[str] = frozenset({HEAD})

    def moving(self) -> list[keras.Variable]:
        """What changes without a gradient: the seeds of layers that draw, and statistics where they move."""
        named = name_variables(self.network.learned)
        ours = {id(variable) for variable in named.values()}
        moved = {
            id(variable)
            for name, variable in named.items()
            if name.partition("/")[0] in self.training - {HEAD} and is_statistic(name)
        }
        found = {
            id(variable): variable
            for stage in self.network.stages[self.start :]
            for variable in stage.model.non_trainable_variables
            if id(variable) not in ours or id(variable) in moved
        }
        return list(found.values())


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
        """Update once. A loss or gradient that is not finite changes no weight."""

    def sync(self) -> None:
        """Put what was learned into the step's variables, and the moments into the optimizer."""

    def reload(self) -> None:
        """Take the variables and the optimizer as they are now: they were set from outside."""


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

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray, *, taken: int = 0) -> None:
        """The next steps are of these `rows` (step, batch) of what `put` gave; `mask` (step, batch) is 0 on padding.
        The first `taken` of them were taken before."""

    def advance(self, start: int, stop: int) -> Advanced:
        """Take steps `start` to `stop` - 1 of those begun. One that is not finite changes nothing and is the last."""

    def outputs(self, count: int) -> dict[str, np.ndarray]:
        """What the head gave, before their updates, in the first `count` steps but for those taken before:
        (step, batch, ...) arrays."""

    def sync(self) -> None:
        """See `TrainStep`."""

    def reload(self) -> None:
        """See `TrainStep`."""


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


def train_step(step: Step, *, parts: int = 1) -> TrainStep:
    """The training step on this process' backend. Raises EngineRefusal as `forward` does.

    A batch is computed in so many `parts`, one after the other, whose gradients are added up: less memory, and the same
    update but for rounding, except where BatchNorm takes the statistics of what it is given: then those of a part.
    """
    verify_precision(step.precision)
    if keras.backend.backend() == "jax":
        from headstart.engine import on_jax

        return on_jax.JaxTrainStep(step, parts)
    from headstart.engine import on_torch

    return on_torch.TorchTrainStep(step, parts)


GradientStep = Callable[[Batch, np.ndarray, np.ndarray], tuple[float, list[np.ndarray]]]


def gradient_step(step: Step) -> GradientStep:
    """From (batch, targets, mask) the mean loss and a gradient for each of `step.trainable`, in order; no update."""
    verify_precision(step.precision)
    if keras.backend.backend() == "jax":
        from headstart.engine import on_jax

        return on_jax.gradients_of(step)
    from headstart.engine import on_torch

    return on_torch.gradients_of(step)


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


@dataclass(frozen=True)
class Part:
    """A part of a batch; its last one is filled up with rows whose mask is 0, so that all have one shape."""

    batch: Batch
    targets: np.ndarray
    mask: np.ndarray


def in_parts(batch: Batch, targets: np.ndarray, mask: np.ndarray, parts: int) -> Iterator[Part]:
    """A batch (rows, ...) as so many `parts` of equal size."""
    size = -(-len(mask) // parts)
    for start in range(0, len(mask), size):
        rows = np.arange(start, start + size) % len(mask)  # other samples, where statistics see what only fills up
        real = np.arange(start, start + size) < len(mask)
        part = {name: array[rows] for name, array in batch.items()}
        yield Part(part, targets[rows], mask[rows] * real.astype(np.float32))
