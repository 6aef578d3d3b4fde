"""Run the command line as a user does: in a process of its own, without the test's own variables."""

import os
import subprocess
import sys

import pytest

COMMAND = (sys.executable, "-c", "from headstart_cli.main import run; run()")


def kept_variables():
    """Those of this process that are no choice of the test's own."""
    own = ("KERAS", "HEADSTART")
    return {key: value for key, value in os.environ.items() if key == "HEADSTART_CACHE" or not key.startswith(own)}


def run_headstart(*arguments, before=(), **variables):
    """The finished process, its output as text; `before` is put before the command, as in `sh -c ...`."""
    return subprocess.run(
        [*before, *COMMAND, *map(str, arguments)],
        env={"OMP_NUM_THREADS": "1", **kept_variables(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def here(capfd, monkeypatch):
    """`here("cache", "list", VARIABLE=...)`: the same as `headstart`, in this process, for what loads no framework."""
    from headstart_cli.main import run_arguments

    def run(*arguments, **variables):
        loaded = set(sys.modules)
        capfd.readouterr()
        with monkeypatch.context() as changed:
            for name in set(os.environ) - set(kept_variables()):
                changed.delenv(name)
            for name, value in variables.items():
                changed.setenv(name, value)
            code = run_arguments([*map(str, arguments)])
        assert {"keras", "jax", "torch"}.isdisjoint(set(sys.modules) - loaded)
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def headstart():
    """`headstart("fit", "digits", VARIABLE=...)`: the finished process."""
    return run_headstart
