"""One boundary turns every error into a message, a hint and the exit code of the contract."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import typer

from headstart.errors import (
    DataError,
    DivergedError,
    HeadstartError,
    InterruptedRunError,
    PluginError,
    UsageError,
)
from headstart_cli import main
from headstart_cli.main import app, run_arguments

VERBS = typer.main.get_command(app).commands


@pytest.fixture
def verb(monkeypatch):
    """Put a verb in the place of the command line that does what the test gives it."""

    def put(action):
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(lambda: None)

        @app.command("act")
        def act(debug: bool = False) -> None:
            action()

        monkeypatch.setattr(main, "app", app)

    return put


def raises(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HeadstartError("no space"), 1),
        (UsageError("no such path"), 2),
        (DataError("one class"), 3),
        (DivergedError("not finite"), 4),
        (PluginError("failed"), 5),
        (InterruptedRunError("stopped"), 130),
        (PermissionError(13, "Permission denied", "/runs/x"), 1),
        (ZeroDivisionError("division by zero"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_code_and_no_traceback(verb, capsys, error, code):
    verb(raises(error))
    assert run_arguments(["act"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


def test_the_message_and_the_hint_are_printed_as_they_are(verb, capsys):
    path = "/a/[bold]/" + "x" * 200
    verb(raises(UsageError(f"no such path: {path}", hint="check the [spelling]")))
    run_arguments(["act"])
    assert capsys.readouterr().err == f"error: no such path: {path}\nhint: check the [spelling]\n"


def test_debug_shows_the_traceback_too(verb, capsys):
    verb(raises(UsageError("no such path")))
    assert run_arguments(["act", "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "error: no such path" in err


def test_an_unexpected_error_says_that_it_is_a_bug_and_how_to_see_more(verb, capsys):
    verb(raises(ZeroDivisionError("division by zero")))
    run_arguments(["act"])
    err = capsys.readouterr().err
    assert "this is a bug" in err
    assert "--debug" in err


@pytest.mark.parametrize("arguments", [["nonsense"], ["plugins", "--nonsense"], ["backbones", "a", "b"]])
def test_a_wrong_command_line_is_exit_2(arguments, capsys):
    assert run_arguments(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


WAITING = (
    "import time\nfrom headstart.errors import InterruptedRunError\nfrom headstart_cli import main\nimport typer\n"
    "app = typer.Typer()\napp.callback()(lambda: None)\n"
    "@app.command('wait')\ndef wait():\n    print('ready', flush=True)\n    time.sleep(30)\n"
    "@app.command('say')\ndef say():\n    try:\n        wait()\n    except KeyboardInterrupt:\n"
    "        raise InterruptedRunError('stopped')\n"
    "main.app = app\nimport sys\nsys.argv[0] = 'headstart'\nmain.run()"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_asks_for_the_end_ends_with_130(number):
    command = [sys.executable, "-c", WAITING, "wait"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"ready"
    started = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=20) == 130
    assert time.monotonic() - started < 10
    assert b"Traceback" not in process.stderr.read()


def test_where_the_terminal_is_gone_nobody_is_told_and_the_exit_code_stands():
    pty = pytest.importorskip("pty")
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", WAITING, "say"])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1024)
    os.close(terminal)  # for which the system sends SIGHUP
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130


def test_help_loads_no_framework_and_no_numpy():
    code = (
        "import sys\nfrom headstart_cli.main import run_arguments\nfor line in sys.argv[1:]:\n"
        "    assert run_arguments(line.split()) == 0, line\n"
        "print(sorted({'numpy', 'keras', 'jax', 'torch', 'tensorflow', 'PIL', 'sklearn'} & set(sys.modules)))"
    )
    lines = ["--help", "--version", "plugins", "doctor", "datasets", *(f"{name} --help" for name in VERBS)]
    done = subprocess.run([sys.executable, "-c", code, *lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_verb_can_be_debugged_and_leave_plugins_out():
    for name, verb in VERBS.items():
        for each in getattr(verb, "commands", {"": verb}).values():
            assert {"debug", "disable_plugin"} <= {parameter.name for parameter in each.params}, name


def test_help_lists_every_verb(capsys):
    assert run_arguments(["--help"]) == 0
    out = capsys.readouterr().out
    for name in VERBS:
        assert f" {name} " in out


def test_the_version_is_printed(capsys):
    assert run_arguments(["--version"]) == 0
    assert capsys.readouterr().out.startswith("headstart 0.")


def test_the_installed_command_works_as_a_process(headstart):
    done = headstart("plugins", "--json")
    assert done.returncode == 0
    assert {plugin["name"] for plugin in json.loads(done.stdout)} >= {"strategies", "digits"}
    failed = headstart("strategies", "lp_tf")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "did you mean strategies/lp_ft?" in failed.stderr


LETTER = "from headstart_cli import main, output\nmain.run_arguments = lambda line: {}\nmain.run()"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "caf\\xe9 \\u0416"), ("latin-1", "café \\u0416"), ("utf-8", "café \u0416")]
)
def test_a_letter_that_the_console_lacks_is_escaped_and_columns_stay_as_wide_as_what_is_in_them(encoding, shown):
    code = LETTER.format(
        "output.print_text('café \\u0416') or output.print_table(['name', 'b'], [['café \\u0416', 1]])"
    )
    done = printed(code, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    text, *table = done.stdout.decode(encoding).split("\n")
    assert text == shown
    (row,) = (line for line in table if "caf" in line)
    assert shown in row
    assert {len(line.rstrip()) for line in table if line.strip(" |")[:3] in ("caf", "nam")} == {len(row.rstrip())}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_json_is_utf_8_whatever_the_consoles_encoding(encoding):
    done = printed(LETTER.format("output.print_json({'name': 'caf\\xe9 \\udce9'})"), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8")) == {"name": "café \udce9"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_csv_is_utf_8_whatever_the_consoles_encoding(encoding):
    prints = "__import__('headstart_cli.answers').answers.print_as_csv([{'input': 'caf\\xe9 \\udce9', 'a': 1}], 1)"
    done = printed(LETTER.replace("{}", prints), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode("utf-8") == "input,a,notes,error\ncafé \\udce9,1,,\n"


def printed(code, **variables):
    """The finished process, its output as bytes."""
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, check=False
    )
