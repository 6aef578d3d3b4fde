"""What is met by going back to the last epoch's end: a loss that spikes, and too little memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from headstart.errors import HeadstartError

T = TypeVar("T")

WINDOW = 8
"""Steps whose mean loss is looked at: one hard batch is no spike."""
USUAL = 64
"""Steps whose mean is what is usual, and of those before them where there are fewer. Losses of batches of like lengths
differ much: among few steps there are some that are all easy, and beside these all others would seem to spike."""
ABOVE, TIMES = 1.0, 3.0
"""A spike lies so far above the lowest usual mean so far, and is so many times as large."""
MOST = 3
"""How often training goes back: for losses that spike, in each trial, before it goes on as it is; for shortages of
memory, in a phase, before it ends."""
LESS_MEMORY = (
    "start again with a smaller --batch-size or smaller samples (see [input]), or let fewer stages learn with --train"
)
"""What to do where memory does not suffice for small batches either."""
SLOWER = 0.5
"""By what the rates are multiplied each time that a loss spiked."""


class LossSpikedError(Exception):
    """The mean loss of the last steps is far above what it had been; `step` is that of the epoch, from 1."""

    def __init__(self, step: int, low: float, mean: float) -> None:
        super().__init__(step, low, mean)
        self.step, self.low, self.mean = step, low, mean


@dataclass
class SpikeGuard:
    """Observes the loss of each step. `recent` are the last USUAL of them, `low` the lowest mean of so many, or of all
    where there were fewer, WINDOW at least."""

    recent: list[float] = field(default_factory=list)
    low: float | None = None
    observed: int = 0

    def observe(self, losses: Sequence[float]) -> None:
        """Observe the losses of an epoch so far, those observed before among them. Raises LossSpikedError."""
        for loss in losses[self.observed :]:
            self.observed += 1
            self.recent = [*self.recent, float(loss)][-USUAL:]
            if len(self.recent) < WINDOW:
                continue
            mean = sum(self.recent[-WINDOW:]) / WINDOW
            if self.low is not None and mean > max(self.low + ABOVE, self.low * TIMES):
                raise LossSpikedError(self.observed, self.low, mean)
            usual = sum(self.recent) / len(self.recent)
            self.low = usual if self.low is None else min(self.low, usual)

    def next_epoch(self) -> None:
        """The next losses are those of another epoch."""
        self.observed = 0


def is_out_of_memory(error: BaseException) -> bool:
    """True for what PyTorch, JAX and numpy raise where memory does not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in text
        for sign in ("RESOURCE_EXHAUSTED", "out of memory", "Out of memory", "can't allocate memory", "_ALLOC_FAILED")
    )


@dataclass
class SmallerBatches:
    """Computes what does not depend on the size of its batches, but for rounding: in batches of half the `size` from
    then on where memory does not suffice, as long as they are above an eighth of `batch_size`, like those of training.
    `what` says in a message what it is for."""

    size: int
    batch_size: int
    what: str
    warn: Callable[[str], None]

    def __call__(self, compute: Callable[[int], T]) -> T:
        """What `compute` gives for a size. Raises HeadstartError where memory does not suffice for the smallest."""
        while True:
            try:
                return compute(self.size)
            except Exception as exc:
                if not is_out_of_memory(exc):
                    raise
                shortage = describe_shortage(exc)
            # Here the error is gone, and with it the tensors that its traceback held.
            shortfall = f"memory does not suffice {self.what} in batches of {self.size}"
            if self.size <= max(1, self.batch_size / 2**MOST):
                raise HeadstartError(f"{shortfall}: {shortage}", hint=LESS_MEMORY)
            self.warn(f"{shortfall} ({shortage}); they are halved")
            self.size = -(-self.size // 2)

    def at_most(self, size: int) -> None:
        """Take no larger batches than `size`, as a run that goes on had found out."""
        self.size = min(self.size, size)


def describe_shortage(error: BaseException) -> str:
    """What memory did not suffice for, in a line."""
    return next(iter(str(error).splitlines()), "")[:160] or type(error).__name__
