"""What a backend refuses in the middle of a run, as errors of ours that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headstart.engine.train.recovery import LESS_MEMORY, describe_shortage, is_out_of_memory
from headstart.errors import HeadstartError

NO_SUCH_FORM = "does not have a deterministic implementation"
"""How PyTorch says that an operation has no form with the same bits each time."""


@contextmanager
def explained_backend_errors(kept: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Inside, a backend's own error for such an operation, or for a shortage of memory that nothing met by smaller
    batches, is a HeadstartError. `kept` says what was trained before that, and how to go on with it."""
    try:
        yield
    except Exception as exc:
        if is_out_of_memory(exc):
            said = f"memory does not suffice: {describe_shortage(exc)}"
            raise HeadstartError(said, hint=kept() or LESS_MEMORY) from exc
        if NO_SUCH_FORM in str(exc):
            operation = str(exc).partition(NO_SUCH_FORM)[0].split()[-1]
            raise HeadstartError(
                f"the operation {operation} has no form that gives the same bits each time on this device",
                hint="leave --deterministic out, or choose a backbone without that operation",
            ) from exc
        raise
