"""The next items of an iterator, made in a thread while the last one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
WAIT = 0.1
"""Seconds after which a waiting thread looks whether anyone still wants its items."""


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """`items`, up to `depth` of them made in advance; what making one raises is raised here, at its place."""
    ready: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(last: bool, value: T | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                return ready.put((last, value), timeout=WAIT)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(False, item)
                if stopped.is_set():
                    return
        except BaseException as exc:
            put(True, exc)
        else:
            put(True, None)

    thread = threading.Thread(target=make, daemon=True, name="headstart-ahead")
    thread.start()
    try:
        while True:
            last, value = ready.get()
            if not last:
                yield value  # type: ignore[misc]  # what is not last is an item
            elif isinstance(value, BaseException):
                raise value
            else:
                return
    finally:
        stopped.set()
        thread.join()
