"""How MLflow's client behaves while it works for a run: it gives up soon, leaves stdout alone, and sends no telemetry.

MLflow reads these settings from the environment at each request. They hold only while a block lasts, and a variable
that the user has set wins.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # on by default from MLflow 3; nobody asked for it
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
RUNNING: Mapping[str, str] = {
    **QUIET,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""Seconds a try, and tries after the first: a server that does not answer holds a run up for two tries, once."""
ENDING: Mapping[str, str] = {
    **QUIET,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""Somebody who stopped a run wants it to end now."""


@contextlib.contextmanager
def mannerly(settings: Mapping[str, str]) -> Iterator[None]:
    """Run a block under `settings`, what it prints on stderr: stdout is data."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
