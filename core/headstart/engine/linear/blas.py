"""How many threads the linear algebra of numpy and scipy takes."""

from __future__ import annotations

import contextlib
from typing import Any

from threadpoolctl import threadpool_limits

SMALL = 2**24
"""Numbers in a matrix below which one thread is taken: several would wait for each other longer than they compute."""


def suited_threads(rows: int, channels: int) -> contextlib.AbstractContextManager[Any]:
    """While open, products of matrices of this size run on as many threads as are worth it."""
    return threadpool_limits(1, user_api="blas") if rows * channels < SMALL else contextlib.nullcontext()
