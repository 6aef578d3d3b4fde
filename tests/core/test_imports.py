"""A signal during the import of a library is heard between two modules, and never while an extension begins."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from headstart.interrupts import import_library


def told_by(program, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


SIGNALLED = """
    import json, os, signal, sys, traceback
    from headstart.interrupts import OF_EXTENSIONS, _within_extension, import_library

    wanted, number = os.environ["WANTED"], int(os.environ["NUMBER"])
    seen, sent = [], []

    def signalled(event, arguments):
        if event == "import":
            seen.append(arguments[0])
            here = arguments[0] == wanted or (wanted == "within an extension" and _within_extension(sys._getframe()))
            if here and not sent:
                sent.append(len(seen))
                os.kill(os.getpid(), number)

    sys.addaudithook(signalled)
    try:
        import_library("keras")
        came = "nothing"
    except KeyboardInterrupt as exc:
        came = "KeyboardInterrupt"
        within = [f.f_code in OF_EXTENSIONS for f, _ in traceback.walk_tb(exc.__traceback__)]
        came = came + " within an extension" if any(within) else came
    print(json.dumps([came, seen[sent[0] :]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_between_two_modules_ends_the_import_there(number):
    came, after = told_by(SIGNALLED, WANTED="keras.src.layers", NUMBER=str(int(number)), KERAS_BACKEND="torch")
    assert came == "KeyboardInterrupt"
    assert "keras.src.models" not in after


def test_a_signal_while_an_extension_begins_is_heard_after_it():
    """What an extension imports while it begins is let through."""
    environment = {"WANTED": "within an extension", "NUMBER": str(int(signal.SIGTERM)), "KERAS_BACKEND": "torch"}
    came, after = told_by(SIGNALLED, **environment)
    assert came == "KeyboardInterrupt"
    assert "keras.src.models" not in after


def test_a_library_that_goes_on_whatever_is_raised_does_not_keep_it(tmp_path):
    (tmp_path / "stubborn.py").write_text("import signal, os\nos.kill(os.getpid(), signal.SIGTERM)\n"
                                          "try:\n    import colorsys\nexcept BaseException:\n    pass\n")  # fmt: skip
    program = """
        import json, sys
        from headstart.interrupts import import_library
        try:
            import_library("stubborn")
        except KeyboardInterrupt:
            print(json.dumps(["stubborn" in sys.modules, "colorsys" in sys.modules]))
    """
    assert told_by(program, PYTHONPATH=str(tmp_path)) == [True, False]


def test_nothing_is_left_behind():
    before = list(sys.meta_path), signal.getsignal(signal.SIGINT)
    assert import_library("json") is json
    with pytest.raises(ModuleNotFoundError):
        import_library("no_such_library")
    assert (list(sys.meta_path), signal.getsignal(signal.SIGINT)) == before
