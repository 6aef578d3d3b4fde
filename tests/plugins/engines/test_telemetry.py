"""Nothing that an engine loads reports on the user."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from headstart.errors import EngineRefusal
from headstart.specs import EngineRequest
from headstart_plugins.engines.{module} import build

try:
    build(EngineRequest(None, 1, {graph}, 1, "float32", 1))
except EngineRefusal:
    pass
assert "{package}" in sys.modules, "the engine was not loaded"
print(bool(sys.modules.get("openvino_telemetry")))
"""


@pytest.mark.parametrize(
    ("module", "package", "graph"),
    [("_openvino", "openvino", "None"), ("_onnxruntime", "onnxruntime", "Path('.')")],
)
def test_an_engine_leaves_nothing_in_the_users_home(tmp_path, module, package, graph):
    program = PROGRAM.format(module=module, package=package, graph=graph)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG", "ORT", "HEADSTART"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []
