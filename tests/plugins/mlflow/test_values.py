"""What is told to MLflow, and under which names: within its limits, and nothing that was not measured."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata

import pytest

from headstart.errors import UsageError
from headstart.events import EpochDone, RunFinished, RunStarted
from headstart.options import parse_options
from headstart.specs import ReporterRequest
from headstart_cli.main import run_arguments
from headstart_plugins.mlflow import MlflowOptions, _values
from headstart_plugins.mlflow._build import ENDING, RUNNING, mannerly

TAKEN_BY_MLFLOW = re.compile(r"[/\w.\- ]+", re.ASCII)
RECIPE = """
[fit]
data = "digits/digits"
epochs = 2
learning_rate = 3e-4
augment = ["none"]
resume = false

[augmentation."a/b"]
turn = 0.1

[reporter.mlflow]
tracking_uri = "http://localhost:5000"
"""


def epoch(**more):
    values = {
        "time": 1.0, "phase": "fine_tune", "epoch": 1, "epochs": 2, "train": {"loss": 0.5}, "val": {"accuracy": 0.75},
        "rates": {"head": 1e-3}, "seconds": 2.0, "best": True,
    }  # fmt: skip
    return EpochDone(**{**values, **more})


def test_parameters_are_named_as_the_command_line_names_them():
    assert _values.parameters(RECIPE) == {
        "fit.data": "digits/digits",
        "fit.epochs": "2",
        "fit.learning_rate": "0.0003",
        "fit.augment": '["none"]',
        "fit.resume": "false",
        "augmentation.a/b.turn": "0.1",
    }


def test_where_reporters_report_to_is_no_parameter():
    assert not [name for name in _values.parameters(RECIPE) if name.startswith("reporter")]


def test_a_value_that_is_too_long_is_cut_and_says_so():
    value = _values.parameters(f'[fit]\ndata = "{"x" * 7000}"')["fit.data"]
    assert len(value) == 6000
    assert value.endswith("x ... (cut)")
    assert _values.cut("y" * 6000, 6000) == "y" * 6000


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("probe", "val/accuracy"), "probe/val/accuracy"),
        (("probe", "f1@5 %"), "probe/f1_5 _"),
        (("größe", "größe"), "gr__e/gr__e"),
        (("..", "a", "", "."), "_/a/_/_"),
        (("/etc/passwd",), "_/etc/passwd"),
    ],
)
def test_names_hold_what_mlflow_takes(parts, expected):
    assert _values.name(*parts) == expected
    assert TAKEN_BY_MLFLOW.fullmatch(expected)


def test_a_file_name_that_is_no_utf_8_is_escaped():
    assert _values.parameters('[fit]\ndata = "d\udce9ja"\n') == {"fit.data": "d\\udce9ja"}


def test_a_long_name_is_cut():
    assert len(_values.name("x" * 300)) == 250


def test_an_epoch_is_its_metrics_rates_and_seconds():
    assert _values.epoch_metrics(epoch()) == {
        "fine_tune/train/loss": 0.5,
        "fine_tune/val/accuracy": 0.75,
        "fine_tune/rate/head": 1e-3,
        "fine_tune/seconds": 2.0,
    }


def test_a_step_of_a_closed_form_path_has_its_strength():
    assert _values.epoch_metrics(epoch(strength=0.01))["fine_tune/strength"] == 0.01


def test_results_have_their_intervals_and_leave_out_what_was_not_measured():
    result = {
        "metrics": {"val": {"accuracy": 0.9}, "test": {"accuracy": 0.8, "top5_accuracy": None}},
        "intervals": {"test": {"accuracy": [0.7, 0.85]}},
        "baseline": {"majority_accuracy": 0.1},
        "seconds": {"total": 3.5},
        "split_hash": "abc",
    }
    finished = RunFinished(time=1.0, result=result)
    assert _values.final_metrics(finished) == {
        "val/accuracy": 0.9,
        "test/accuracy": 0.8,
        "test/accuracy_low": 0.7,
        "test/accuracy_high": 0.85,
        "baseline/majority_accuracy": 0.1,
        "seconds/total": 3.5,
    }
    assert _values.final_tags(finished) == {"headstart.split_hash": "abc"}


def test_tags_say_what_ran():
    started = RunStarted(
        time=1.0, run="runs/x", backend="jax", backbone="a/b", weights="none", task="c/d", strategy="e/f",
        primary_metric="accuracy", higher_is_better=True, classes=("a",), samples={}, parameters={}, phases=(),
    )  # fmt: skip
    assert _values.start_tags(started) == {
        "headstart.version": metadata.version("headstart"),
        "headstart.run": "runs/x",
        "headstart.backend": "jax",
        "headstart.backbone": "a/b",
        "headstart.weights": "none",
        "headstart.task": "c/d",
        "headstart.strategy": "e/f",
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tracking_uri": "https://me:secret@host/mlflow"}, "MLFLOW_TRACKING_PASSWORD"),
        ({"tracking_uri": "https://me@host"}, "MLFLOW_TRACKING_USERNAME"),
        ({"experiment": " "}, "experiment must not be empty"),
    ],
)
def test_what_must_not_be_in_a_recipe_is_refused_with_it(values, words):
    options, problems = parse_options(MlflowOptions, values, "reporter.mlflow")
    assert options is None
    assert words in str(problems[0])
    assert "secret" not in str(problems[0])


@pytest.mark.parametrize("uri", ["", "http://localhost:5000", "databricks", "file:///tmp/a@b"])
def test_addresses_without_a_password_are_taken(uri):
    assert parse_options(MlflowOptions, {"tracking_uri": uri}, "reporter.mlflow") == (MlflowOptions(uri), ())


def test_settings_hold_for_a_block_and_the_users_win(monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    before = dict(os.environ)
    with mannerly(RUNNING):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert dict(os.environ) == before
    with pytest.raises(ZeroDivisionError), mannerly(RUNNING):
        raise ZeroDivisionError
    assert dict(os.environ) == before


def test_a_run_that_was_stopped_waits_for_no_server_longer_than_three_seconds():
    assert (ENDING["MLFLOW_HTTP_REQUEST_TIMEOUT"], ENDING["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) == ("3", "0")


def test_what_mlflow_prints_is_no_data(capsys):
    with mannerly(RUNNING):
        print("View run at ...")
    assert capsys.readouterr() == ("", "View run at ...\n")


@pytest.fixture
def without_mlflow(monkeypatch):
    """As if MLflow was not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "headstart_plugins.mlflow._tracked", raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)


@pytest.mark.usefixtures("without_mlflow")
@pytest.mark.parametrize("live", [True, False])
def test_without_the_package_the_extra_is_named(live):
    from headstart_plugins.mlflow._build import build

    with pytest.raises(UsageError, match="needs the package mlflow-skinny or mlflow") as raised:
        build(ReporterRequest(options=MlflowOptions(), interactive=False, live=live))
    assert raised.value.hint == "pip install 'headstart[mlflow]'"


@pytest.mark.usefixtures("without_mlflow")
def test_a_fit_without_the_package_ends_before_it_reads_data(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setitem(sys.modules, "headstart_plugins.digits._build", None)  # reading the data would fail otherwise
    out = tmp_path / "run"
    assert run_arguments(["fit", "digits", "--reporter", "mlflow", "--weights", "none", "--out", str(out)]) == 2
    assert "pip install 'headstart[mlflow]'" in capsys.readouterr().err
    assert not out.exists()


def test_a_run_without_a_test_side_has_figures_on_val_and_a_tag_that_says_why():
    why = "no sample was held out: split.test is 0; val chose the epoch, so its figures flatter"
    result = {
        "metrics": {"val": {"accuracy": 0.9}, "test": None},
        "intervals": {"val": {"accuracy": [0.7, 0.95]}, "test": None},
        "split_hash": "abc",
        "no_test": why,
    }
    finished = RunFinished(time=1.0, result=result)
    assert _values.final_metrics(finished) == {
        "val/accuracy": 0.9,
        "val/accuracy_low": 0.7,
        "val/accuracy_high": 0.95,
    }
    assert _values.final_tags(finished) == {"headstart.split_hash": "abc", "headstart.no_test": why}
