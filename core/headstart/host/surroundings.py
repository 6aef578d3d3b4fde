"""What a plugin's code finds and must leave as it was: the streams, and the choice of the backend."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from headstart.backend import HOME_VARIABLE, VARIABLE

STDOUT, STDERR = 1, 2


@contextlib.contextmanager
def kept_streams() -> Iterator[None]:
    """Turn what is printed to stderr, for stdout is data; afterwards both streams are those from before."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        replaced = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = before
        for stream in replaced:
            _release(stream, (*before, sys.__stdout__, sys.__stderr__))


def _release(stream: TextIO, ours: tuple[TextIO | None, ...]) -> None:
    """Part a stream that a plugin put around one of ours from what it wraps: once dropped, it would close that."""
    if not isinstance(stream, io.TextIOWrapper) or any(stream is each for each in ours):
        return
    with contextlib.suppress(ValueError):  # it was closed, or parted, by the plugin
        if any(stream.buffer is getattr(each, "buffer", None) for each in ours):
            stream.detach()


@contextlib.contextmanager
def kept_descriptor() -> Iterator[None]:
    """Turn what other programs and C code print to stderr too: they know stdout by its number alone."""
    try:
        os.fstat(STDERR)
        kept = os.dup(STDOUT)
    except OSError:  # one of the two is closed: nothing can be printed, or nothing turned
        yield
        return
    _flush()
    os.dup2(STDERR, STDOUT)
    try:
        yield
    finally:
        _flush()
        os.dup2(kept, STDOUT)
        os.close(kept)


def _flush() -> None:
    """Python's own stdout holds back what it writes: it must not come out on the other side of the turn."""
    if sys.__stdout__ is not None and not sys.__stdout__.closed:
        sys.__stdout__.flush()


@contextlib.contextmanager
def kept_backend() -> Iterator[list[str]]:
    """Set the variables that choose the backend back; the list then names those that had been changed."""
    before = {name: os.environ.get(name) for name in (VARIABLE, HOME_VARIABLE)}
    changed: list[str] = []
    try:
        yield changed
    finally:
        for name, value in before.items():
            if os.environ.get(name) != value:
                changed.append(name)
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
