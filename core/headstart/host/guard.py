"""Run a plugin's code so that whatever it does, the rest goes on.

While a plugin declares its offers, frameworks cannot be imported, what it prints goes to stderr, and whatever
it raises - SystemExit included - becomes a `PluginFailure`. Only KeyboardInterrupt passes: that is the
user's.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

FORBIDDEN = frozenset({"keras", "jax", "torch", "tensorflow", "numpy"})
"""Packages that take seconds to import, or fix the backend; only build targets may import them."""


class PluginFailure(Exception):
    """A plugin did what it must not; the message says what, in words for its author."""


class _Refusal(Loader):
    """Refuses to execute one framework package. It is a loader, so that looking for the package still finds
    it.
    """

    def __init__(self, plugin: str, refused: list[str]) -> None:
        self.plugin = plugin
        self.refused = refused

    def exec_module(self, module: ModuleType) -> None:
        self.refused.append(module.__name__)
        raise ImportError(
            f"plugin {self.plugin!r} imports {module.__name__} while it declares its offers; "
            f"import it in the module that its build target names",
            name=module.__name__,
        )


class _FrameworkFinder(MetaPathFinder):
    """Finds frameworks for this thread only, and gives them a loader that refuses."""

    def __init__(self, plugin: str) -> None:
        self.refused: list[str] = []
        self._loader = _Refusal(plugin, self.refused)
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in FORBIDDEN or threading.get_ident() != self._thread:
            return None
        if PathFinder.find_spec(fullname, path) is None:
            return None  # not installed: the ordinary error says so
        return ModuleSpec(fullname, self._loader)


@contextlib.contextmanager
def declaring(plugin: str) -> Iterator[None]:
    """Guard the code of `plugin` while it declares. Raises PluginFailure for whatever it raised.

    A framework that is already loaded (a notebook) can be named without cost, so it is not refused. A refusal
    that the plugin swallowed is a failure too: modules that believe a framework is absent would stay loaded.
    """
    finder = _FrameworkFinder(plugin)
    sys.meta_path.insert(0, finder)
    try:
        with guarded():
            yield
    finally:
        sys.meta_path.remove(finder)
    if finder.refused:
        raise PluginFailure(f"imports {finder.refused[0]} while it declares its offers, and hides the refusal")


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Run a plugin's code: what it prints goes to stderr, what it raises becomes a PluginFailure.

    KeyboardInterrupt passes.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is data
            yield
    except (KeyboardInterrupt, PluginFailure):
        raise
    except BaseException as exc:  # SystemExit and worse: a plugin ends itself, not us
        raise PluginFailure(describe(exc)) from exc


def describe(exc: BaseException) -> str:
    """An exception in one line: its class and message."""
    try:
        message = " ".join(str(exc).split())
    except Exception:  # a plugin's exception may fail to print itself
        message = ""
    return f"{type(exc).__name__}: {message}" if message else type(exc).__name__
