"""Run the command line as a user does: in a process of its own, without the test's own variables."""

import os
import subprocess
import sys

COMMAND = [sys.executable, "-c", "from headstart_cli.main import run; run()"]


def headstart(*arguments, cwd=None, **variables):
    """The finished process, its output as text."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KERAS", "HEADSTART"))}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={"OMP_NUM_THREADS": "1", **kept, **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
