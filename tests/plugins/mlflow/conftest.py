"""A real MLflow server, started by the tests that need one, and its REST interface without MLflow's client."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

COMMAND = "HEADSTART_TEST_MLFLOW"
"""Names the `mlflow` command that starts the server; else the one on PATH is tried."""
INSTALL = f"python -m venv SOMEWHERE, SOMEWHERE/bin/pip install mlflow, {COMMAND}=SOMEWHERE/bin/mlflow"
STARTS_WITHIN = 240


@dataclass(frozen=True)
class Server:
    """A running server, asked over HTTP."""

    uri: str
    process: subprocess.Popen

    def get(self, where, **query):
        with urlopen(f"{self.uri}/{where}?{urlencode(query)}", timeout=30) as answer:
            return answer.read()

    def ask(self, what, **query):
        return json.loads(self.get(f"api/2.0/mlflow/{what}", **query))

    def post(self, what, **body):
        data = json.dumps(body).encode()
        request = Request(f"{self.uri}/api/2.0/mlflow/{what}", data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def run(self, run_id):
        return self.ask("runs/get", run_id=run_id)["run"]

    def runs(self, experiment):
        """The ids of every run in an experiment; none where there is no such experiment."""
        try:
            found = self.ask("experiments/get-by-name", experiment_name=experiment)["experiment"]
        except URLError:
            return []
        runs = self.post("runs/search", experiment_ids=[found["experiment_id"]]).get("runs", [])
        return [run["info"]["run_id"] for run in runs]

    def points(self, run_id, key):
        """(time in milliseconds, step, value) of each point of a metric."""
        history = self.ask("metrics/get-history", run_id=run_id, metric_key=key)["metrics"]
        return [(point["timestamp"], point["step"], point["value"]) for point in history]

    def files(self, run_id, folder=None):
        """Every artefact of a run below `folder`, and what it holds."""
        found = {}
        query = {"run_id": run_id, **({"path": folder} if folder else {})}
        for entry in self.ask("artifacts/list", **query).get("files", []):
            if entry["is_dir"]:
                found |= self.files(run_id, entry["path"])
            else:
                found[entry["path"]] = self.get("get-artifact", run_id=run_id, path=entry["path"])
        return found

    def stop(self):
        """End it and its workers, and wait until nobody answers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def start_server(folder):
    """A server that keeps everything in `folder`, once it says that it is healthy."""
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("no MLflow client: pip install 'headstart[mlflow]'")
    command = os.environ.get(COMMAND) or shutil.which("mlflow")
    if command is None:
        pytest.skip(f"no MLflow server: {INSTALL}")
    port = free_port()
    arguments = (
        *("server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "files")),
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "PYTHON"))}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [command, *arguments],
            cwd=folder,
            env={**variables, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process)
    wait_until_healthy(server, folder / "log.txt")
    return server


def wait_until_healthy(server, log):
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends:
        if server.process.poll() is not None:
            break
        try:
            if server.get("health") == b"OK":
                return
        except (URLError, OSError):
            time.sleep(0.2)
    if server.process.poll() is None:
        server.stop()
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    if os.environ.get(COMMAND) is None:
        pytest.skip(f"the mlflow on PATH starts no server: {INSTALL}\n{said}")
    pytest.fail(f"{os.environ[COMMAND]} started no server within {STARTS_WITHIN} s:\n{said}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests."""
    running = start_server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture
def mortal_server(tmp_path):
    """A server that a test may stop."""
    folder = tmp_path / "mortal"
    folder.mkdir()
    running = start_server(folder)
    yield running
    if running.process.poll() is None:
        running.stop()
