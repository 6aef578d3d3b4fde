"""Run the command as a user does: a process of its own, in a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def examples():
    return ROOT / "examples"


@pytest.fixture
def fit(tmp_path):
    """`headstart fit` with some arguments; what `--json` prints."""

    def fit(*arguments):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KERAS")}
        command = (Path(sys.executable).with_name("headstart"), "fit", *map(str, arguments), "--json")
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return fit
