"""What `bench.py` runs: every row that has a goal, by scripts that are there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import bench
from goals import GOALS


def test_every_row_with_a_goal_is_measured_by_a_script_and_no_other():
    assert {row for job in bench.JOBS for row in job.rows} == set(GOALS)
    scripts = {job.arguments.split()[0] for job in bench.JOBS}
    assert all((bench.HERE / script).is_file() for script in scripts)


def test_rows_and_fields_choose_what_runs(monkeypatch):
    def rows(*arguments):
        monkeypatch.setattr("sys.argv", ["bench.py", *arguments])
        return [job.rows for job in bench.chosen_jobs(bench.parse())]

    assert rows("--only", "T3", "S2j") == [("T3",), ("S2j",)]
    assert rows("--field", "masks", "--only", "S4g", "P7") == [("S4", "S4g")]


def test_what_is_absent_is_named_with_what_brings_it(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["bench.py", "--control", str(tmp_path / "python")])
    given = bench.parse()
    missing = {job.rows[0]: bench.missing(job, given) for job in bench.JOBS}
    assert missing["T3"] == f"{tmp_path / 'python'} is absent: `make .venv/.references` brings it"
    assert missing["M1"] == "--run names none"
    assert missing["P7"] == ""
