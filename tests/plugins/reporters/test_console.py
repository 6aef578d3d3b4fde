"""The console: plain lines where stderr is no terminal, drawings where it is one."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from headstart.events import EpochDone, PhaseStarted, Progress, RunStarted, WeightsAveraged
from headstart.specs import ReporterRequest
from headstart_plugins.reporters import ConsoleOptions
from headstart_plugins.reporters._console import build
from headstart_plugins.reporters._lines import PlainConsole, phase_rows, result_rows
from headstart_plugins.reporters._phrases import metric
from headstart_plugins.reporters._terminal import TerminalConsole


def plain_log(run, *, live=True, log_every=5.0, events=None):
    stream = io.StringIO()
    console = PlainConsole(log_every=log_every, live=live, stream=stream)
    for event in events or run.events():
        console.on_event(event, run)
    return stream.getvalue()


def drawn(run, *, live):
    stream = io.StringIO()
    console = TerminalConsole(live=live, console=Console(file=stream, force_terminal=True, width=100, highlight=False))
    for event in run.events():
        console.on_event(event, run)
    return stream.getvalue()


def test_the_plain_log_holds_no_control_characters_even_from_names(run):
    text = plain_log(run)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert r"cat\x1b[31m" in text


def test_the_first_lines_tell_what_trained_weights_came_from(run):
    started = next(event for event in run.events() if isinstance(event, RunStarted))
    assert "from:" not in plain_log(run, events=[started])
    trained = replace(started, backbone="runs/x", lineage="fashion_mnist, from random\x07 weights")
    assert "from:        runs/x: fashion_mnist, from random\\x07 weights\n" in plain_log(run, events=[trained])


def test_the_plain_log_tells_the_whole_run_in_order(run):
    text = plain_log(run)
    told = [
        "read: 300 samples",
        "backbone:    efficientnet_lite/lite0",
        "warning: 3 images were converted from CMYK",
        "note: 4 images <turned>\n  hint: as their\\x07 EXIF says",
        "phase 1 of 2: probe",
        "0.01      0.3000    0.4400              0.8750       0.4 s  best",
        "phase 2 of 2: fine tune",
        "peak rates:  stem to stage1 0.0003, head 0.0009",
        "optimizer:   adamw, cosine rates",
        "warm-up:     2 steps, moments begin at 0",
        "fine tune: 96 of 192",
        "3/4      0.2333    0.2100              0.9375        18 s  best",
        "test accuracy 0.8833, 95 % interval 0.7785 to 0.9423",
        "baseline majority accuracy: 0.3333",
        "headstart predict runs/x",
    ]
    lines = text.replace("fine tune, epoch 1: 96", "fine tune: 96")
    places = [lines.find(part) for part in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)


def test_epoch_rows_stand_under_their_titles(run):
    lines = plain_log(run).splitlines()
    title = next(line for line in lines if line.lstrip().startswith("strength "))
    row = lines[lines.index(title) + 1]
    for name, value in (("train loss", "0.9000"), ("val loss", "0.8000"), ("val accuracy", "0.7100")):
        assert title.index(name) + len(name) == row.index(value) + len(value)


def test_progress_lines_are_rare_and_absent_on_a_replay(run):
    ticks = [
        Progress(time=float(second), activity="read", done=second, total=1000, unit="samples") for second in range(100)
    ]
    assert len(plain_log(run, log_every=30.0, events=ticks).splitlines()) == 3
    assert plain_log(run, live=False, events=ticks) == ""


def test_the_terminal_shows_panels_rows_and_live_progress(run):
    text = drawn(run, live=True)
    for part in ("headstart fit", "fine tune, epoch 4/4", "96/192 samples", "loss 0.1750", "best", "done"):
        assert part in text
    assert "0.7785 to 0.9423" in text
    assert "4 images <turned>" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0, "the cursor is shown again"
    assert "cat\x1b[31m" not in text


def test_a_replay_on_a_terminal_has_no_live_line(run):
    text = drawn(run, live=False)
    assert "\x1b[?25l" not in text
    assert "0.7785 to 0.9423" in text


def test_a_live_line_can_be_closed_when_a_run_breaks_off(run):
    stream = io.StringIO()
    console = TerminalConsole(live=True, console=Console(file=stream, force_terminal=True, width=100))
    console.on_event(Progress(time=0.0, activity="read", done=1, total=9, unit="samples"), run)
    console.close()
    console.close()
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1


@pytest.mark.parametrize(("interactive", "kind"), [(True, TerminalConsole), (False, PlainConsole)])
def test_the_kind_of_console_follows_the_terminal(interactive, kind):
    request = ReporterRequest(options=ConsoleOptions(), interactive=interactive, live=False)
    assert isinstance(build(request), kind)


def test_the_console_writes_to_stderr_and_loads_no_framework():
    code = (
        "import sys, pathlib\n"
        "from headstart.events import Warned\n"
        "from headstart.specs import ReporterRequest\n"
        "from headstart_plugins.reporters import ConsoleOptions, _console, _curves, _html, _json, _terminal\n"
        "for interactive in (True, False):\n"
        "    request = ReporterRequest(options=ConsoleOptions(), interactive=interactive, live=False)\n"
        "    _console.build(request).on_event(Warned(time=0.0, message='heard'), None)\n"
        "print([name for name in ('keras', 'jax', 'torch', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr.count("heard") == 2


def test_each_training_of_a_soup_has_its_name_over_its_epochs(run):
    events = [event for event in run.events() if isinstance(event, PhaseStarted | EpochDone) and event.phase != "probe"]
    started, *epochs = events
    trials = [replace(event, phase=f"fine_tune x{factor}") for factor in ("0.3", "3") for event in epochs]
    lines = plain_log(run, events=[started, *trials]).splitlines()
    names = [place for place, line in enumerate(lines) if line.startswith("fine tune x")]
    assert [lines[place] for place in names] == ["fine tune x0.3:", "fine tune x3:"]
    assert names[1] - names[0] == len(epochs) + 1
    plain = plain_log(run, events=events)
    assert "fine tune:" not in plain
    assert plain.count("val loss") == 1


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ([0.25] * 4, "temperature 2, for classes that are equally frequent"),
        ([0.5, 0.3, 0.2], "temperature 2, for classes as frequent as calibration.class_shares in result.json says"),
    ],
)
def test_what_classes_probabilities_are_for_is_told(shares, told):
    calibration = {"temperature": 2.0, "class_shares": shares}
    assert ("calibrated", told) in result_rows({"run": "runs/x", "calibration": calibration})


def test_small_and_large_units_are_shown_too():
    shown = [metric(value) for value in (2.19896e-12, 0.0004, 0.0012, 0.0, 1234.5, 7.5e27)]
    assert shown == ["2.199e-12", "0.0004", "0.0012", "0.0000", "1234.5000", "7.5e+27"]


def test_nothing_is_shown_as_less_than_0_that_is_none():
    assert [metric(value) for value in (-1e-9, -0.00004, -0.0002, 0.5)] == ["0.0000", "0.0000", "-0.0002", "0.5000"]


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        ("soup", (0.3, 1.0), "soup of the trainings at 0.3, 1 times the rates: val accuracy 0.9500"),
        ("soup", (), "no training was better than the start: val accuracy 0.9500"),
        ("share", (0.4,), "0.4 of the way from the phase's start to what it learned: val accuracy 0.9500"),
    ],
)
def test_what_val_chose_to_average_is_told(run, kind, values, told):
    event = WeightsAveraged(time=1.0, phase="fine_tune", kind=kind, values=values, val={"accuracy": 0.95})
    assert told in plain_log(run, events=[event])


def test_a_head_that_was_solved_for_is_told_with_its_solver():
    from headstart_plugins.reporters._lines import epoch_row

    values = {"loss": 0.5, "accuracy": 0.75}
    event = EpochDone(
        time=0.0,
        phase="probe",
        epoch=1,
        epochs=1,
        train=values,
        val=values,
        rates={},
        seconds=1.0,
        best=True,
        strength=0.1,
        solver="ridge",
    )
    assert epoch_row(event, "accuracy").endswith("s  ridge, best")


def test_without_a_test_side_figures_are_those_on_val_and_say_so(run):
    text = plain_log(run, events=run.untested())
    told = [
        "samples:     train 192, val 48, test 0",
        "val accuracy 0.9375, 95 % interval 0.7785 to 0.9423",
        "no test:     no sample was held out: split.test is 0; val chose the epoch, so its figures flatter",
        "baseline majority accuracy on val: 0.3333",
    ]
    places = [text.find(part) for part in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)
    assert f"headstart evaluate {run.path} DATA" in text
    assert "test accuracy" not in text


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {"optimizer": "adamw, cosine rates", "warm-up": "2 steps, moments begin at 0"}),
        ({"optimizer": "sgd", "schedule": "constant"}, {"optimizer": "sgd, constant rates", "warm-up": "2 steps"}),
        (
            {"optimizer": "sgd", "momentum": 0.9},
            {"optimizer": "sgd, momentum 0.9, cosine rates", "warm-up": "2 steps, moments begin at 0"},
        ),
    ],
    ids=["adamw", "sgd", "momentum"],
)
def test_a_phase_names_its_optimizer_and_what_that_begins_with(recorded_run, settings, told):
    started = [event for event in recorded_run.events() if isinstance(event, PhaseStarted)]
    solved, learned = (dict(phase_rows(replace(event, **settings))) for event in (started[0], started[1]))
    assert {name: learned[name] for name in told} == told
    assert settings or "optimizer" not in solved
