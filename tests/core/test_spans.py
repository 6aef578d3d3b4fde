"""What takes the time of a process is told span by span, and taken apart without counting anything twice."""

import subprocess
import sys
import time

import pytest

from headstart.spans import VARIABLE, Span, exclusive, read_spans, span


def told(name, started, ended, busy=0.0):
    return Span(name, 1, "MainThread", started, ended, busy)


def test_a_span_within_another_is_taken_out_of_it_and_the_sum_stays_the_whole():
    spans = [told("whole", 0, 10, 8), told("part", 1, 4, 3), told("part", 5, 6, 1), told("inner", 2, 3, 1)]
    found = exclusive(spans)

    assert {name: (each.wall, each.busy) for name, each in found.items()} == {
        "whole": (6, 4),
        "part": (3, 3),
        "inner": (1, 1),
    }
    assert sum(each.wall for each in found.values()) == 10


def test_one_after_the_other_is_neither_within_the_other():
    found = exclusive([told("first", 0, 2), told("second", 2, 5)])

    assert {name: each.wall for name, each in found.items()} == {"first": 2, "second": 3}


def test_spans_are_told_to_the_file_that_the_variable_names_with_their_nesting(tmp_path, monkeypatch):
    file = tmp_path / "spans"
    monkeypatch.setenv(VARIABLE, str(file))

    @span("outer")
    def work():
        with span("inner"):
            time.sleep(0.02)

    work()
    inner, outer = read_spans(file)

    assert (inner.name, outer.name) == ("inner", "outer")
    assert outer.started <= inner.started <= inner.ended <= outer.ended
    assert 0.02 <= inner.ended - inner.started < 1


def test_without_the_variable_nothing_is_told_and_what_is_decorated_still_raises(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)

    @span("work")
    def work():
        raise KeyError("as ever")

    with pytest.raises(KeyError):
        work()


def test_imports_of_a_process_are_told_without_those_within_them(tmp_path):
    file, package = tmp_path / "spans", tmp_path / "package"
    package.mkdir()
    (package / "slow_outer.py").write_text("import slow_inner")
    (package / "slow_inner.py").write_text("import time; time.sleep(0.05)")
    code = "from headstart.spans import watch_imports; watch_imports(); import slow_outer"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={VARIABLE: str(file), "PYTHONPATH": f"{package}:{':'.join(filter(None, sys.path))}"},
        check=False,
    )
    spans = read_spans(file)

    assert done.returncode == 0
    assert [each.name for each in spans] == ["imports"]
    assert spans[0].ended - spans[0].started >= 0.05
