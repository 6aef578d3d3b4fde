"""Four of them at work in one run, in a process of its own: a process has one backend."""

import csv
import json
import subprocess
import sys
from pathlib import Path

from bars import write_bars

FIT = """
import headstart
headstart.fit(
    "template/arrays:bars.npz",
    backbone="template/steps",
    augment=["template/turn"],
    reporters=["template/table"],
    epochs=2,
    out="run",
)
"""


def test_the_network_learns_bars_and_the_reporter_tells_how(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars.npz")
    done = subprocess.run([sys.executable, "-c", FIT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text("utf-8"))
    assert result["metrics"]["test"]["accuracy"] > 0.9  # chance is 0.5
    with (tmp_path / "run" / "report" / "epochs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["phase"] == "fine_tune"] == ["1", "2"]
