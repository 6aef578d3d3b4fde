"""Cells in processes of their own: what runs in which, told by processes that measure nothing."""

import json

import pytest

from headstart.registry import load_registry
from headstart.transfer.comparison import running
from headstart.transfer.comparison.comparing import COMPARISON, compare

WORKER = """
import json, os, sys
from pathlib import Path
from headstart.transfer.comparison.cells import Measured

print("starts", os.getpid(), file=open(os.environ["HEADSTART_TOLD"], "a"))
for line in sys.stdin:
    job = json.loads(line)["job"]
    cell, folder = job["cell"], Path(job["folder"])
    print(cell["arm"], os.getpid(), file=open(os.environ["HEADSTART_TOLD"], "a"))
    figure = 0.9 if cell["arm"] == "full" else 0.5 + 0.01 * cell["seed"]
    folder.mkdir(parents=True)
    found = Measured(**cell, test=figure, val=figure, metric="accuracy", curve=((1.0, figure),), judged_on="same")
    (folder / "cell.json").write_text(json.dumps(found.document()))
    print(json.dumps({"done": {}}), flush=True)
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Lines that say which process did what."""
    (tmp_path / "told_worker.py").write_text(WORKER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(running, "MODULE", "told_worker")
    monkeypatch.setenv("HEADSTART_TOLD", str(tmp_path / "told"))

    def read():
        return [line.rsplit(" ", 1) for line in (tmp_path / "told").read_text().splitlines()]

    return read


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_the_first_cells_ask_for_runs_in_the_same_processes(told, tmp_path, jobs):
    flags = {"limit": 60, "image_size": 16, "backend": "torch"}
    asked = {"strategies": ("full",), "seeds": (0, 1), "fractions": (1.0,), "epochs": 1, "jobs": jobs}
    place = tmp_path / "out"
    found = compare(
        "digits", backbones=["efficientnet_lite/lite0"], out=place, registry=load_registry(), **asked, **flags
    )
    assert [twin["name"] for twin in found.document["twins"]] == ["full (random)"]
    said = told()
    done = [arm for arm, _ in said if arm != "starts"]
    assert sorted(done) == ["full"] * 2 + ["full (random)"] * 2 + ["scratch"] * 2
    assert set(done[-2:]) == {"full (random)"}
    assert len({process for _, process in said}) == jobs
    assert json.loads((place / COMPARISON).read_text())["finished"] is True
