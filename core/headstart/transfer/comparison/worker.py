"""A process of its own that carries cells out, one after the other: Keras is loaded once, programs are compiled once.

    python -P -m headstart.transfer.comparison.worker < jobs

A job is a line of JSON on stdin; for each, a line goes back: {"done": {}}, {"stopped": message} or {"failed": message,
"hint", "code"}. It ends where stdin does, which its parent's death brings about too: what runs then is stopped as by a
signal, with its checkpoint kept. Whatever else is printed goes to stderr.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import IO, Any

from headstart.errors import HeadstartError, InterruptedRunError
from headstart.interrupts import EXIT, leave, prompt
from headstart.registry import Registry, load_registry
from headstart.transfer.comparison.measuring import Job, run_cell


def main() -> None:
    """Carry out the jobs of stdin."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no reply
    try:
        with prompt():
            _serve(replies)
    except KeyboardInterrupt:
        leave()


def _serve(replies: IO[str]) -> None:
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(waiting, busy), name="headstart-jobs", daemon=True).start()
    registry = None
    while (line := waiting.get()) is not None:
        document = json.loads(line)
        if registry is None:
            registry = load_registry(disable=tuple(document["disable"]))
        busy.set()
        reply = _reply(Job.of(document["job"]), registry)
        busy.clear()
        print(json.dumps(reply), file=replies, flush=True)
        if "stopped" in reply:
            sys.exit(EXIT)


def _reply(job: Job, registry: Registry) -> dict[str, Any]:
    """What came of a job."""
    try:
        run_cell(job, registry)
    except InterruptedRunError as exc:
        return {"stopped": exc.message}
    except HeadstartError as exc:
        return {"failed": exc.message, "hint": exc.hint, "code": exc.exit_code}
    except Exception as exc:
        traceback.print_exc()
        return {"failed": f"{type(exc).__name__}: {exc}", "hint": None, "code": HeadstartError.exit_code}
    return {"done": {}}


def _listen(waiting: queue.SimpleQueue[str | None], busy: threading.Event) -> None:
    """Pass lines on; where there are no more, stop what is running, since nobody waits for it."""
    for line in sys.stdin:
        waiting.put(line)
    waiting.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
