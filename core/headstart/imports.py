"""The import of large libraries, in which a signal is heard between two modules.

A KeyboardInterrupt in the middle of an extension module's own beginning can end the process by a fault of C code, as
was seen while Keras brought in torch and jaxlib, so that none is raised there.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import FrameType, ModuleType

from headstart.interrupts import Interrupts, deferred

OF_EXTENSIONS = {ExtensionFileLoader.create_module.__code__, ExtensionFileLoader.exec_module.__code__}


def import_library(name: str) -> ModuleType:
    """The module `name`. Raises KeyboardInterrupt after SIGINT or SIGTERM, between two modules that it imports."""
    with deferred() as interrupts, _looking(interrupts):
        module = importlib.import_module(name)
        if interrupts.asked:  # within the last module, or in one that goes on whatever is raised
            raise KeyboardInterrupt
        return module


class _Looks(MetaPathFinder):
    """Finds nothing; it is asked before each module is looked for."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None. Raises KeyboardInterrupt where one is due, again and again where somebody catches it."""
        if not _within_extension(sys._getframe()) and self._interrupts.asked:
            raise KeyboardInterrupt
        return None


def _within_extension(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in OF_EXTENSIONS:
            return True
        frame = frame.f_back
    return False


@contextmanager
def _looking(interrupts: Interrupts) -> Iterator[None]:
    finder = _Looks(interrupts)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
