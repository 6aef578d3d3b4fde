"""Run the command line as a user does: in a process of its own, without the test's own variables."""

import os
import subprocess
import sys

import pytest

COMMAND = (sys.executable, "-c", "from headstart_cli.main import run; run()")


def run_headstart(*arguments, before=(), **variables):
    """The finished process, its output as text; `before` is put before the command, as in `sh -c ...`."""
    own = ("KERAS", "HEADSTART")
    kept = {key: value for key, value in os.environ.items() if key == "HEADSTART_CACHE" or not key.startswith(own)}
    return subprocess.run(
        [*before, *COMMAND, *map(str, arguments)],
        env={"OMP_NUM_THREADS": "1", **kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def headstart():
    """`headstart("fit", "digits", VARIABLE=...)`: the finished process."""
    return run_headstart
