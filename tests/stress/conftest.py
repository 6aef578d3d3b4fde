"""The rig is a package of its own beside the tests. Runs in this process, which cost less than those in others."""

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def stress_plugin(small_plugin):
    """The plugin that ends runs, on this process' path."""
    sys.path.insert(0, str(HERE / "plugin"))
    yield
    sys.path.remove(str(HERE / "plugin"))


@pytest.fixture
def headstart(stress_plugin, monkeypatch, tmp_path, capfd):
    """`headstart(arguments, plant=name)`: how one command line ended; a planted bug is gone afterwards."""
    from rig.warm import Ended

    from headstart_cli.main import run_arguments

    def headstart(arguments, plant=None):
        with monkeypatch.context() as patched:
            _restore_later(patched)
            patched.setenv("HEADSTART_STRESS", json.dumps({"plant": plant} if plant else {}))
            code = run_arguments([str(each) for each in arguments])
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return headstart


def _restore_later(patched):
    """What the plugin may replace is what it was after the test."""
    import os

    import headstart.eventlog
    from headstart.engine.train import checkpoints, state
    from headstart_plugins.classification._build import Classification

    for owner, name in (
        (os, "fsync"),
        (Classification, "loss"),
        (headstart.eventlog, "TICK"),
        (checkpoints, "write_directory"),
        (checkpoints.Checkpoints, "load"),
        (state.TrainState, "of"),
    ):
        patched.setattr(owner, name, vars(owner)[name])
