"""Whether what is traced runs within a loop on the device, where a compiler may do less than outside of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_WITHIN: ContextVar[bool] = ContextVar("within a loop on the device", default=False)


@contextmanager
def within_loop() -> Iterator[None]:
    """While the body of a loop is traced."""
    token = _WITHIN.set(True)
    try:
        yield
    finally:
        _WITHIN.reset(token)


def is_within_loop() -> bool:
    """For a lowered layer whose best form is another one there."""
    return _WITHIN.get()
