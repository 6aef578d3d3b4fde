"""What the engine asks of a backend: records and Protocols of forward passes and training steps over numpy batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np

from headstart.engine.batch import take
from headstart.engine.network.network import TAP, Network
from headstart.engine.network.stages import is_statistic, name_variables
from headstart.specs import HEAD, Batch, FeedsTargets, Task

if TYPE_CHECKING:
    from headstart.engine.network.lora import LowRankAdapter
    from headstart.engine.train.optimizer import GroupedOptimizer


Forward = Callable[[Batch], dict[str, np.ndarray]]
"""Inference: (batch, ...) arrays in, (batch, ...) float32 arrays out; one compilation a shape."""


@dataclass(frozen=True)
class Scored:
    """The head's `outputs` (batch, ...) in inference mode, and the loss of each row without what regularises,
    `losses` (batch,) float32."""

    outputs: Batch
    losses: np.ndarray


InputGradient = Callable[[np.ndarray, Batch, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a float32 tensor (batch, ...) that enters a stage, the others that enter it, and `weights` that broadcast to an
output of the head (batch, unit, ...): the sum of that output times the weights, of each row (batch,) float32, and its
gradient with respect to the tensor, in the tensor's shape."""
ScoreStep = Callable[[Batch, Batch], Scored]
"""From arrays (batch, ...) as they enter and encoded targets (batch, ...): inference up to the head, and what the
task's loss says of it; one compilation a shape."""
LossStep = Callable[[Batch, Batch], np.ndarray]
"""From encoded targets and a head's outputs, both (batch, ...), the loss of each row (batch,) without what
regularises."""


@dataclass(frozen=True)
class Step:
    """What a training step is made of: the network from stage `start` on, the weights that learn, and the task.

    At the precision "bfloat16" the backbone computes in it; weights, head, loss and updates stay in float32. Of an
    `adapter` the factors are among `trainable`. The stages named in `training` run in training mode: their statistics
    move, and their layers draw. `contrast` is the share of the loss that is of pairs; then the network's head shows
    what it takes (`headstart.engine.contrast.showing_features`).
    """

    network: Network
    start: int
    trainable: Mapping[str, keras.Variable]
    optimizer: GroupedOptimizer
    task: Task
    precision: str = "float32"
    adapter: LowRankAdapter | None = None
    training: frozenset[str] = frozenset({HEAD})
    contrast: float = 0.0

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


def with_head_inputs(task: Task, tensors: Mapping[str, Any], targets: Mapping[str, Any]) -> Mapping[str, Any]:
    """`tensors` with what the task's head is to see of the targets, where the task offers that: backend tensors that
    travel up to the head as features do."""
    if not isinstance(task, FeedsTargets):
        return tensors
    return {**tensors, **{TAP + name: tensor for name, tensor in task.head_inputs(targets).items()}}


@dataclass(frozen=True)
class Stepped:
    """What a training step saw before its update: the batch's mean loss, the `losses` (batch,) float32 of its rows, and
    the head's outputs (batch, ...).

    `finite` is False where the loss or a gradient was not: then nothing was changed.
    """

    loss: float
    losses: np.ndarray
    outputs: Batch
    finite: bool


class Trains(Protocol):
    """Holds what it learns, where the backend wants that, between updates."""

    def sync(self) -> None:
        """Put what was learned into the step's variables, and the moments into the optimizer."""

    def reload(self) -> None:
        """Take the variables and the optimizer as they are now: they were set from outside."""


class TrainStep(Trains, Protocol):
    """One update. `mask` (batch,) float32 is 0 for padding rows, which count for nothing."""

    def __call__(self, batch: Batch, targets: Batch, mask: np.ndarray) -> Stepped:
        """Update once. A loss or gradient that is not finite changes no weight."""


@dataclass(frozen=True)
class Advanced:
    """How far one call of a scan came: the steps before `reached` are done.

    `means` (step,) are the mean losses of the steps that it took. `losses` (step, batch) and `outputs`
    (step, batch, ...) are those of the steps that are done, before their updates. Where `finite` is False, the step
    `reached` was not: it changed nothing, and its mean loss is the last of `means`.
    """

    reached: int
    means: np.ndarray
    losses: np.ndarray
    outputs: Batch
    finite: bool


class Scan(Trains, Protocol):
    """Many updates on the device without waiting for the host between them; the same numbers as single steps give."""

    def can_hold(self, views: Sequence[Batch], targets: Batch) -> bool:
        """True where all these samples may stay on the device."""

    def put(self, tensors: Batch, targets: Batch) -> Any:
        """Samples (row, ...) and their targets (row, ...) on the device."""

    def begin(self, held: Any, rows: np.ndarray, mask: np.ndarray, *, taken: int = 0) -> None:
        """The next steps are of these `rows` (step, batch) of what `put` gave; `mask` (step, batch) is 0 on padding.
        The first `taken` of them were taken before."""

    def advance(self, start: int, stop: int) -> Advanced:
        """Take steps `start` to `stop` - 1 of those begun, or the first of them where the outputs of all would take
        more than ROOM_FOR_OUTPUTS bytes. One that is not finite changes nothing and is the last."""


ROOM_FOR_OUTPUTS = 64 * 2**20
"""Bytes of a head's outputs that one call of a scan may keep for the host."""
ROOM_ON_DEVICE = 4 * 2**30
"""Bytes of samples that stay in an accelerator's memory."""

GradientStep = Callable[[Batch, Batch, np.ndarray], tuple[float, list[np.ndarray]]]
"""From (batch, targets, mask) the mean loss and a gradient for each of a step's `trainable`, in order; no update."""


def in_parts(batch: Batch, targets: Batch, mask: np.ndarray, parts: int) -> Iterator[tuple[Batch, Batch, np.ndarray]]:
    """A batch (rows, ...) as so many `parts`: samples, targets and mask of each. The last one is filled up with rows
    whose mask is 0, so that all have one shape."""
    size = -(-len(mask) // parts)
    for start in range(0, len(mask), size):
        rows = np.arange(start, start + size) % len(mask)  # other samples, where statistics see what only fills up
        real = np.arange(start, start + size) < len(mask)
        yield take(batch, rows), take(targets, rows), mask[rows] * real.astype(np.float32)
