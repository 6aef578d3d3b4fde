"""The cells of a comparison in processes of their own, several at once; stopped together, gone on with apart."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from headstart.atomic import remove_leftovers
from headstart.backend import VARIABLE
from headstart.errors import (
    DataError,
    DivergedError,
    HeadstartError,
    InterruptedRunError,
    PluginError,
    UsageError,
)
from headstart.eventlog import EVENTS
from headstart.interrupts import deferred
from headstart.registry import Registry
from headstart.transfer.comparison.cells import CELLS, Cell, Design, Measured, finished, read_cell
from headstart.transfer.comparison.measuring import job_of

MODULE = "headstart.transfer.comparison.worker"
LOOK = 0.25
"""Seconds between two looks at what the cells say."""
PATIENCE = 10.0
"""Seconds that a process gets to end after it was asked to."""
TAIL = 16_384
"""Bytes of an event log that are read for what a cell does just now."""
CODES = {each.exit_code: each for each in (HeadstartError, UsageError, DataError, DivergedError, PluginError)}


@dataclass(frozen=True)
class State:
    """How far a comparison is: finished cells of all, and what each running one does, in words."""

    done: int
    total: int
    running: tuple[tuple[Cell, str], ...]
    just: Measured | None = None
    """A cell that came to its end now."""


Tell = Callable[[Design, State], None]


def run_cells(
    plan: Callable[[], Design],
    folder: Path,
    registry: Registry,
    *,
    jobs: int,
    tell: Tell = lambda design, state: None,
) -> None:
    """Carry out the cells below `folder` that are missing, at most `jobs` at once. `plan` says which there are, and is
    asked again once all of them are measured: what they measured may ask for more, which run in the same processes.

    The first of each backbone computes the frozen features that the others use, and decides on their engine; only
    those from scratch run beside it. Raises the error of the first cell that fails, once the others were stopped, and
    InterruptedRunError after a signal: each running cell keeps its last checkpoint.
    """
    pool = _Pool(plan(), folder, registry, jobs, tell)
    with deferred() as interrupts:
        try:
            while pool.take(plan()):
                while pool.is_busy:
                    pool.start_what_can()
                    pool.hear(LOOK)
                    if interrupts.asked:
                        raise KeyboardInterrupt
        except KeyboardInterrupt as exc:
            pool.stop()
            raise InterruptedRunError(f"stopped; {folder} keeps what was done", hint=how_to_go_on(folder)) from exc
        except HeadstartError as exc:
            pool.stop()
            exc.hint = f"{f'{exc.hint}; ' if exc.hint else ''}then {how_to_go_on(folder)}"
            raise
        finally:
            pool.close()


def how_to_go_on(folder: Path) -> str:
    """The command that goes on with a comparison."""
    return f"go on with `headstart compare --resume --out {folder}`"


@dataclass
class _Worker:
    """A process, and the cell that it carries out."""

    process: subprocess.Popen[str]
    said: IO[bytes]
    """What it printed, which tells why it died."""
    cell: Cell | None = None

    def last_words(self) -> str:
        """The last line that it printed."""
        self.said.seek(0)
        lines = self.said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@dataclass
class _Pool:
    design: Design
    folder: Path
    registry: Registry
    jobs: int
    tell: Tell
    waiting: list[Cell] = field(default_factory=list)
    workers: list[_Worker] = field(default_factory=list)
    replies: queue.SimpleQueue[tuple[_Worker, str | None]] = field(default_factory=queue.SimpleQueue)

    @property
    def is_busy(self) -> bool:
        """Whether a cell waits or runs."""
        return bool(self.waiting or self.running)

    @property
    def running(self) -> list[_Worker]:
        """Those that carry a cell out."""
        return [worker for worker in self.workers if worker.cell is not None]

    def take(self, design: Design) -> bool:
        """Let the cells of `design` wait that are not measured yet; whether there are any."""
        known = finished(design, self.folder)
        self.design, self.waiting = design, [cell for cell in design.cells() if cell not in known]
        return bool(self.waiting)

    def start_what_can(self) -> None:
        """Give each free place a cell that waits for no other."""
        for cell in [*self._ready()][: self.jobs - len(self.running)]:
            idle = next((worker for worker in self.workers if worker.cell is None), None)
            worker = idle or self._new_worker()
            self.waiting.remove(cell)
            worker.cell = cell
            job = job_of(self.design, cell, self.folder, engine=self._engine(cell))
            disabled = [plugin.name for plugin in self.registry.plugins if plugin.disabled]
            with suppress(BrokenPipeError):  # its end is told by the thread that listens
                assert worker.process.stdin is not None
                worker.process.stdin.write(json.dumps({"job": job.document(), "disable": disabled}) + "\n")
                worker.process.stdin.flush()

    def _ready(self) -> Iterator[Cell]:
        """What waits, those that others wait for first."""
        leaders = self.design.leaders()
        first = [cell for cell in leaders.values() if cell in self.waiting]
        for cell in [*first, *(cell for cell in self.waiting if cell not in first)]:
            arm = self.design.arm(cell.arm)
            leader = leaders.get(arm.backbone)
            if arm.is_random or leader in (None, cell) or read_cell(self.folder / CELLS / str(leader and leader.name)):
                yield cell

    def _engine(self, cell: Cell) -> str | None:
        """The engine that the first cell of the backbone decided on; that of others has nothing to compute."""
        leader = self.design.leaders().get(self.design.arm(cell.arm).backbone)
        known = read_cell(self.folder / CELLS / leader.name) if leader is not None and leader != cell else None
        return known.engine or None if known is not None and not self.design.arm(cell.arm).is_random else None

    def _new_worker(self) -> _Worker:
        threads = str(self.design.threads)
        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the pool
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            env={
                **os.environ,
                VARIABLE: self.design.backend,
                "OMP_NUM_THREADS": threads,
                "NPROC": threads,
                "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,  # a terminal's Ctrl-C is for this process, which passes it on once
        )
        worker = _Worker(process, said)
        self.workers.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        for line in worker.process.stdout:
            self.replies.put((worker, line))
        self.replies.put((worker, None))

    def hear(self, seconds: float) -> None:
        """Take what a process says within so many seconds. Raises the error of a cell that failed."""
        just = None
        with suppress(queue.Empty):
            worker, line = self.replies.get(timeout=seconds)
            cell, worker.cell = worker.cell, None
            if line is None:
                self.workers.remove(worker)
                if cell is not None:
                    worker.process.wait()
                    raise HeadstartError(
                        f"{cell}: its process ended with {worker.process.returncode}: {worker.last_words()}",
                        hint="where memory was short, fewer at once need less: --jobs 1",
                    )
                return
            reply: dict[str, Any] = json.loads(line)
            if "stopped" in reply:
                raise KeyboardInterrupt
            if "failed" in reply:
                raise CODES.get(reply["code"], HeadstartError)(f"{cell}: {reply['failed']}", hint=reply["hint"])
            just = None if cell is None else read_cell(self.folder / CELLS / cell.name)
        self.tell(self.design, self._state(just))

    def _state(self, just: Measured | None) -> State:
        running = tuple(
            (worker.cell, doing(self.folder / CELLS / worker.cell.name)) for worker in self.running if worker.cell
        )
        total = sum(1 for _ in self.design.cells())
        return State(total - len(self.waiting) - len(running), total, running, just)

    def stop(self) -> None:
        """Ask every process to end, and wait: each keeps its last checkpoint."""
        for worker in self.workers:
            if worker.cell is not None:
                with suppress(ProcessLookupError):
                    worker.process.terminate()
        end = time.monotonic() + PATIENCE
        for worker in self.workers:
            if worker.cell is not None:
                with suppress(subprocess.TimeoutExpired):
                    worker.process.wait(max(0.1, end - time.monotonic()))

    def close(self) -> None:
        """End what is left."""
        for worker in self.workers:
            with suppress(OSError):
                assert worker.process.stdin is not None
                worker.process.stdin.close()
            if worker.cell is not None and worker.process.poll() is None:
                worker.process.kill()
        for worker in self.workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(PATIENCE)
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
            worker.said.close()
        remove_leftovers(self.folder)


def doing(folder: Path) -> str:
    """What the run in `folder` does just now, in a few words, by the last lines of its log."""
    log = folder / EVENTS
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "starts"
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "Progress":
            epoch = f", epoch {event['epoch']} of {event['epochs']}" if event.get("epoch") else ""
            return f"{event['activity']}{epoch}"
        if event.get("event") == "EpochDone" and event.get("epochs", 1) > 1:
            return f"{event['phase']}, epoch {event['epoch']} of {event['epochs']}"
    return "starts"
