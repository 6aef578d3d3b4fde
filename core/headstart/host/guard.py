"""Run a plugin's code so that whatever it does, the rest goes on.

While a plugin declares its offers, frameworks cannot be imported, what it prints goes to stderr, and whatever
it raises - SystemExit included - becomes a `PluginFailure`. Only KeyboardInterrupt passes: that is the
user's. Streams, filters of warnings and the choice of the backend are afterwards what they were.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

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
        ours = (*before, sys.__stdout__, sys.__stderr__)
        for stream in replaced:
            if not isinstance(stream, io.TextIOWrapper) or any(stream is each for each in ours):
                continue
            # What a plugin put around one of ours would close that once it is dropped, unless it is parted from it.
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
        changed += [name for name, value in before.items() if os.environ.get(name) != value]
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


FORBIDDEN = frozenset({"keras", "jax", "torch", "tensorflow", "numpy"})
"""Packages that take seconds to import, or fix the backend; only build targets may import them."""

LONGEST = 500
"""Characters of a failure's message; more is cut, for it is told in one line."""


class PluginFailure(Exception):
    """A plugin did what it must not; the message says what, in one line of words for its author."""

    def __init__(self, message: str) -> None:
        super().__init__(in_one_line(message))


class _FrameworkRefusal(MetaPathFinder, Loader):
    """Finds frameworks for this thread only, and refuses to execute them.

    It is the loader of what it finds, so that looking for a package without importing it still works.
    """

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.refused: list[str] = []
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in FORBIDDEN or threading.get_ident() != self._thread:
            return None
        if PathFinder.find_spec(fullname, path) is None:
            return None  # not installed: the ordinary error says so
        return ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        self.refused.append(module.__name__)
        raise ImportError(
            f"plugin {self.plugin!r} imports {module.__name__} while it declares its offers; "
            f"import it in the module that its build target names",
            name=module.__name__,
        )


@contextlib.contextmanager
def declaring(plugin: str) -> Iterator[None]:
    """Guard the code of `plugin` while it declares. Raises PluginFailure for whatever it raised.

    A framework that is already loaded (a notebook) can be named without cost, so it is not refused. A refusal
    that the plugin swallowed is a failure too: modules that believe a framework is absent would stay loaded.
    """
    finder = _FrameworkRefusal(plugin)
    sys.meta_path.insert(0, finder)
    try:
        with kept_backend() as changed, warnings.catch_warnings(), kept_descriptor(), guarded():
            yield
    finally:
        with contextlib.suppress(ValueError):  # the plugin may have taken it out
            sys.meta_path.remove(finder)
    if finder.refused:
        raise PluginFailure(f"imports {finder.refused[0]} while it declares its offers, and hides the refusal")
    if changed:
        raise PluginFailure(f"sets {changed[0]} while it declares its offers; the user chooses the backend")


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Run a plugin's code: what it prints goes to stderr, what it raises becomes a PluginFailure.

    KeyboardInterrupt passes.
    """
    try:
        with kept_streams():
            yield
    except (KeyboardInterrupt, PluginFailure):
        raise
    except BaseException as exc:  # SystemExit and worse: a plugin ends itself, not us
        raise PluginFailure(describe(exc)) from exc


def describe(exc: BaseException) -> str:
    """An exception in one line: its class and message."""
    try:
        message = in_one_line(str(exc))
    except KeyboardInterrupt:
        raise
    except BaseException:  # a plugin's exception may fail to print itself, in any way
        message = ""
    return f"{type(exc).__name__}: {message}" if message else type(exc).__name__


def in_one_line(text: str) -> str:
    """`text` without line breaks, what no terminal should be sent spelt out, and cut where it is very long."""
    words = " ".join(text.split())
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in words)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} ..."
