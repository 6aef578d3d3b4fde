"""SIGINT, SIGTERM and SIGHUP, heard between two steps of the training instead of in the middle of one.

Python runs a signal's handler in the main thread, between two of its instructions: while that thread is in a long call
of C code, such as a compilation, nothing happens. So a thread of ours hears of the signal as well, by `set_wakeup_fd`,
and ends the process when nobody came to look for too long. What is on disk is complete at every moment
(headstart.atomic), so that nothing is lost by that but what came after the last checkpoint.

C code that keeps the interpreter's lock for longer stops that thread, too; what compiles, trains or reads gives it up.

Where the handler raises KeyboardInterrupt, it may come within a callback whose exceptions Python only prints, such as
one of the garbage collector (JAX has one that runs every time). Then it is raised once more, a moment later.

In the import of a large library a signal is heard between two modules: a KeyboardInterrupt in the middle of an
extension module's own beginning can end the process by a fault of C code, as was seen while Keras brought in torch and
jaxlib.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import FrameType, ModuleType
from typing import Any, NoReturn

ASKING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask a process to end; the last, where there is one, says that its terminal is gone."""
PATIENCE = 8.0
"""Seconds from the signal until the process is ended; a run promises to be out within ten."""
EXIT = 130
"""The exit code of a process that was interrupted."""
AGAIN = 0.02
"""Seconds after which a KeyboardInterrupt that was lost in a callback is raised again."""
OF_EXTENSIONS = {ExtensionFileLoader.create_module.__code__, ExtensionFileLoader.exec_module.__code__}
"""Code that is running while an extension module begins."""

Handler = Callable[[int, FrameType | None], Any]


class Interrupts:
    """What was asked by signals. To read `asked` is to come and look: then the process is not ended from outside."""

    def __init__(self) -> None:
        self._asked: str | None = None
        self._looked = False
        self.served = threading.Event()

    @property
    def asked(self) -> str | None:
        """The name of the signal that asked for the end, such as `SIGINT`; None where none has."""
        if self._asked:
            self._looked = True
            self.served.set()
        return self._asked

    @property
    def unseen(self) -> bool:
        """True where an end was asked for and nobody came to look."""
        return self._asked is not None and not self._looked

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take note, as the handler of a signal. The second one raises KeyboardInterrupt."""
        if self._asked:
            self._looked = True  # from here on it is in everybody's way
            raise KeyboardInterrupt
        self._asked = signal.Signals(number).name


def nothing_said() -> str:
    """What is kept, where the caller does not say."""
    return "what was saved is kept"


@contextmanager
def deferred(message: Callable[[], str] = nothing_said, *, patience: float = PATIENCE) -> Iterator[Interrupts]:
    """Let signals that ask for the end set `asked` in this block instead of ending it; look at it after each step.

    A second signal raises KeyboardInterrupt at once. Where nobody looks for `patience` seconds after the first, the
    process ends with exit code 130 and the line `message()` on stderr: it says what is kept. A signal that came after
    the last look raises KeyboardInterrupt at the end of the block. The handlers from before are back after it; a
    signal that is ignored stays so. Within another such block, signals are the outer one's. In another thread than
    the main one this does nothing.
    """
    around = _around()
    if around is not None or not _in_main_thread():
        yield around or Interrupts()
        return
    interrupts = Interrupts()
    with _watched(interrupts.served, patience, message), _handled(interrupts.hear):
        yield interrupts
    if interrupts.unseen:
        raise KeyboardInterrupt


@contextmanager
def prompt(*, patience: float = PATIENCE) -> Iterator[None]:
    """Let signals that ask for the end raise KeyboardInterrupt in this block, and the process be out within `patience`
    seconds.

    Where the block has not ended by then, because C code keeps the main thread or the cleaning up takes too long, the
    process ends with exit code 130 and a line on stderr. In another thread than the main one this does nothing.
    """
    if not _in_main_thread():
        yield
        return
    with _watched(threading.Event(), patience, nothing_said), _handled(signal.default_int_handler), _insisting():
        yield


def import_library(name: str) -> ModuleType:
    """The module `name`. Raises KeyboardInterrupt after a signal that asks for the end, between two modules that it
    imports."""
    with deferred() as interrupts:
        finder = _Looks(interrupts)
        sys.meta_path.insert(0, finder)
        try:
            module = importlib.import_module(name)
        finally:
            sys.meta_path.remove(finder)
        if interrupts.asked:  # within the last module, or in one that goes on whatever is raised
            raise KeyboardInterrupt
        return module


@dataclass
class _Looks(MetaPathFinder):
    """Finds nothing; it is asked before each module is looked for."""

    interrupts: Interrupts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None. Raises KeyboardInterrupt where one is due, again and again where somebody catches it."""
        if not _within_extension(sys._getframe()) and self.interrupts.asked:
            raise KeyboardInterrupt
        return None


def _within_extension(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in OF_EXTENSIONS:
            return True
        frame = frame.f_back
    return False


def leave() -> NoReturn:
    """End the process with EXIT, all that was printed written, and without taking the interpreter down.

    What was to be cleaned up is; libraries that were interrupted in the middle of something run no more code of theirs.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(EXIT)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _around() -> Interrupts | None:
    """Those of the block around this one, which are known by the handler that they installed."""
    owners = (getattr(signal.getsignal(number), "__self__", None) for number in ASKING)
    return next((owner for owner in owners if isinstance(owner, Interrupts)), None)


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """Install `handler`, and what was there before at the end; what others ignore or handle in C is left alone."""
    before = {number: signal.getsignal(number) for number in ASKING}
    mine = {number: other for number, other in before.items() if other not in (None, signal.SIG_IGN)}

    def restore() -> None:
        while mine:
            signal.signal(*mine.popitem())

    os.register_at_fork(after_in_child=restore)  # or its parent's deferral would keep a worker from being ended
    try:
        for number in mine:
            signal.signal(number, handler)
        yield
    finally:
        restore()


@contextmanager
def _insisting() -> Iterator[None]:
    """Raise a KeyboardInterrupt again that was lost in a callback; at the end of the block, where it comes first."""
    timers: list[threading.Timer] = []
    here, before = threading.get_ident(), sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt) or threading.get_ident() != here:
            before(lost)
            return
        timer = threading.Timer(AGAIN, _send_again, (here,))
        timer.daemon = True
        timers.append(timer)
        timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        unsent = [timer for timer in timers if not timer.finished.is_set()]
        for timer in unsent:
            timer.cancel()
    if unsent:
        raise KeyboardInterrupt


def _send_again(thread: int) -> None:
    """Send `thread` a signal that asks for the end and that Python handles; one of them does, or nothing was raised."""
    handled = (number for number in ASKING if callable(signal.getsignal(number)))
    if (number := next(handled, None)) is not None:
        signal.pthread_kill(thread, number)


@contextmanager
def _watched(served: threading.Event, patience: float, message: Callable[[], str]) -> Iterator[None]:
    """End the process where `served` is not set within `patience` after a signal; the block's end sets it."""
    ours, signalled = socket.socketpair()
    signalled.setblocking(False)  # a handler must never wait
    watchdog = threading.Thread(
        target=_watch, args=(ours, served, patience, message), name="headstart-interrupts", daemon=True
    )
    before = [signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)]

    def restore() -> None:
        while before:
            signal.set_wakeup_fd(before.pop(), warn_on_full_buffer=False)

    os.register_at_fork(after_in_child=restore)  # or a signal to a worker would be heard by its parent's watchdog
    watchdog.start()
    try:
        yield
    finally:
        restore()
        served.set()
        signalled.close()  # which ends the watchdog
        watchdog.join()


def _watch(ours: socket.socket, served: threading.Event, patience: float, message: Callable[[], str]) -> None:
    with ours:
        while numbers := ours.recv(64):
            if any(number in numbers for number in ASKING) and not served.wait(patience):
                _end(message)


def _end(message: Callable[[], str]) -> NoReturn:
    try:
        said = message()
    except Exception as exc:  # the end matters more than its message
        said = f"{nothing_said()} ({type(exc).__name__}: {exc})"
    cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar hides it
    try:
        os.write(2, f"{cursor}\ninterrupted within a long computation; {said}\n".encode(errors="replace"))
    finally:
        os._exit(EXIT)
