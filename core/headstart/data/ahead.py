"""The next items of an iterator, made in a thread while the last one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, cast

T = TypeVar("T")
THREAD = "headstart-ahead"
END: Final = object()


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """`items`, up to `depth` of them made in advance; what making one raises is raised here, at its place."""
    iterator = iter(items)
    with ThreadPoolExecutor(1, THREAD) as pool:
        waiting = deque(pool.submit(next, iterator, END) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not END:
                waiting.append(pool.submit(next, iterator, END))
                yield cast("T", item)
        finally:
            for future in waiting:
                future.cancel()
