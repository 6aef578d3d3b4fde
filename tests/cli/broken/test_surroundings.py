"""What a plugin does to its process while it declares ends there: streams, warnings and the backend stay the user's."""

import os
import subprocess
import sys

import pytest

from headstart.host.guard import PluginFailure, declaring


def run(code, **variables):
    """A process that runs `code` while a plugin declares, and then says what it finds."""
    script = f"import os, sys\nfrom headstart.host.guard import declaring\nwith declaring('odd'):\n    {code}\n"
    script += "print('data')\nprint('message', file=sys.stderr)"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KERAS")} | variables
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    return done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize(
    "code",
    [
        "import io; sys.stdout = io.TextIOWrapper(sys.stdout.buffer)",
        "import io; sys.stderr = io.TextIOWrapper(sys.stderr.buffer)",
        "sys.stdout = sys.stderr = open(os.devnull, 'w')",
        "sys.stdout = sys.__stdout__",
        "sys.stderr = None",
    ],
)
def test_streams_are_those_from_before_and_still_open(code):
    assert run(code) == ("data\n", ["message"])


@pytest.mark.parametrize(
    "code", ["print('odd')", "sys.__stdout__.write('odd\\n')", "os.system('echo odd')", "os.write(1, b'odd\\n')"]
)
def test_whatever_it_prints_goes_to_stderr(code):
    assert run(code) == ("data\n", ["odd", "message"])


def test_a_process_without_stdout_works_too():
    script = "from headstart.host.guard import declaring\nwith declaring('odd'):\n    print('odd')"
    command = f'"{sys.executable}" -c "{script}" >&-'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "odd\n")


def test_its_filters_of_warnings_end_with_it(recwarn):
    import warnings

    before = list(warnings.filters)
    with declaring("odd"):
        warnings.simplefilter("error")
    assert warnings.filters == before


@pytest.mark.parametrize("before", [None, "jax"])
def test_the_choice_of_the_backend_stays_the_users(monkeypatch, before):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if before is not None:
        monkeypatch.setenv("KERAS_BACKEND", before)
    with pytest.raises(PluginFailure, match="sets KERAS_BACKEND while it declares"), declaring("odd"):
        os.environ["KERAS_BACKEND"] = "tensorflow"
    assert os.environ.get("KERAS_BACKEND") == before


def test_a_plugin_that_takes_the_guard_away_stops_nobody():
    before = list(sys.meta_path)
    with declaring("odd"):
        del sys.meta_path[0]
    assert sys.meta_path == before


@pytest.mark.parametrize(("raised", "told"), [(SystemExit, "Bad"), (ValueError, "Bad")])
def test_an_exception_that_cannot_say_what_it_is_is_a_failure_all_the_same(raised, told):
    class Bad(Exception):
        def __str__(self):
            raise raised

    with pytest.raises(PluginFailure) as caught, declaring("odd"):
        raise Bad
    assert str(caught.value) == told


def test_a_failure_is_one_line_that_a_terminal_can_show():
    failure = str(PluginFailure("one\ntwo\t\x1b[31m\udce9 " + "x" * 5000))
    assert failure.startswith(r"one two \x1b[31m\udce9 xxx")
    assert len(failure) < 600
