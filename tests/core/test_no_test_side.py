"""Runs that hold no sample out: what they leave, what they say of their figures, and how they go on."""

import csv
import json

import numpy as np
import pytest

from headstart.data.split_file import read_split
from headstart.errors import InterruptedRunError, RecipeError, UsageError
from headstart.eventlog import read_events
from headstart.events import EpochDone, Noted, RunStarted
from headstart.registry import load_registry
from headstart.runs.fitting import fit
from headstart.testing import write_distribution

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SETTINGS = {"backbone": "small/net", "weights": "none", "limit": 200, "reporters": ("json", "html", "curves")}
FULL = {**SETTINGS, "strategy": "full", "epochs": 3, "learning_rate": 3e-3, "sets": ("split.test=0",)}


@pytest.fixture(scope="module")
def probed(tmp_path_factory, small_registry):
    """A head that is solved for, and at the end once more on train and val."""
    out = str(tmp_path_factory.mktemp("probed") / "run")
    return fit("digits", out=out, registry=small_registry, strategy="probe", **SETTINGS, sets=("split.test=0",))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, small_registry):
    """A network whose epoch val chose."""
    return fit("digits", out=str(tmp_path_factory.mktemp("tuned") / "run"), registry=small_registry, **FULL)


def answers_of(run):
    return list(csv.DictReader((run.path / "predictions.csv").open(encoding="utf-8")))


@pytest.mark.parametrize("name", ["probed", "tuned"])
def test_nothing_is_told_of_a_test_side_and_the_result_says_why(name, request):
    run = request.getfixturevalue(name)
    result = run.result
    assert result["samples"] == {"train": 160, "val": 40, "test": 0} == read_split(run.folder.split).counts
    assert {group: result[group]["test"] for group in ("metrics", "intervals", "report")} == dict.fromkeys(
        ("metrics", "intervals", "report")
    )
    assert result["no_test"].startswith("no sample was held out: split.test is 0; val chose")
    assert run.recipe.table("split") == {"test": 0.0, "val": 0.2, "train": 1.0, "refit": True}
    assert "val_accuracy" in repr(run)
    assert "test_accuracy" not in repr(run)
    assert f"val: {result['no_test'][:80]}" in run._repr_html_()
    assert f"{result['metrics']['val']['loss']:.4f}" in run._repr_html_()
    json.loads((run.path / "result.json").read_text(), parse_constant=lambda text: pytest.fail(text))
    events = read_events(run.path / "events.jsonl")
    assert next(event for event in events if isinstance(event, RunStarted)).samples["test"] == 0
    assert any(isinstance(event, Noted) and "no sample is held out as test" in event.message for event in events)
    page = (run.path / "report" / "report.html").read_text(encoding="utf-8")
    assert result["no_test"] in page
    assert "accuracy on val" in page
    assert "on test" not in page.replace("samples on test", "")


def test_figures_on_val_are_those_of_the_answers_and_of_the_baseline_on_it(tuned):
    rows, metrics = answers_of(tuned), tuned.result["metrics"]["val"]
    assert {row["split"] for row in rows} == {"val"}
    assert np.mean([row["prediction"] == row["target"] for row in rows]) == pytest.approx(metrics["accuracy"])
    low, high = tuned.result["intervals"]["val"]["accuracy"]
    assert low < metrics["accuracy"] < high
    train = [row.target for row in read_split(tuned.folder.split).only("train").rows]
    majority = max(sorted(set(train)), key=train.count)
    shares = [row["target"] == majority for row in rows]
    assert tuned.result["baseline"]["majority_accuracy"] == pytest.approx(np.mean(shares), abs=0.05)
    assert "val chose the epoch, so its figures flatter" in tuned.result["no_test"]


def test_a_head_that_learned_from_val_again_has_no_answers_and_the_figures_from_before(probed):
    assert probed.result["refit"]
    assert answers_of(probed) == []
    assert probed.result["no_test"].endswith(
        "and are of the head before it was solved again on all samples; predictions.csv has no rows"
    )
    tried = [event for event in read_events(probed.path / "events.jsonl") if isinstance(event, EpochDone)]
    chosen = [event for event in tried if event.best][-1]
    assert probed.result["metrics"]["val"]["accuracy"] == pytest.approx(chosen.val["accuracy"])


def test_evaluate_names_the_reason_and_what_can_be_scored(tuned, probed):
    with pytest.raises(UsageError, match=r"has no test side: split\.test is 0, so no sample was held out") as caught:
        tuned.evaluate()
    assert "--split val" in caught.value.hint
    with pytest.raises(UsageError, match="has no test side") as caught:
        probed.evaluate()
    assert "has learned from val too" in caught.value.hint

    found = tuned.evaluate(split="all").document
    assert found["samples"] == {"train": 160, "val": 40}
    assert found["metrics"]["val"] == tuned.result["metrics"]["val"]
    assert found["warnings"] == ["no sample was held out: split.test is 0; val chose, so its figures flatter"]
    (warned,) = probed.evaluate(split="val").document["warnings"]
    assert warned == "the head was solved again on train and val: figures on val are of what it learned from"
    assert tuned.evaluate(split="train").document["warnings"] == []


def test_its_reports_are_drawn_again(tuned, tmp_path):
    before = (tuned.path / "report" / "report.html").read_bytes()
    (tuned.path / "report" / "report.html").unlink()
    assert tuned.report() == []
    assert (tuned.path / "report" / "report.html").read_bytes() == before


STOPPING = """
import os
import signal
from headstart.hookspecs import hookimpl
from headstart.specs import ReporterSpec

@hookimpl
def register_reporters():
    return [ReporterSpec(name="aa_halting/halting", summary="x.", build="aa_halting:Halting")]

class Halting:
    def __init__(self, request):
        pass

    def on_event(self, event, run):
        if type(event).__name__ == "EpochDone" and event.epoch == 2 and os.environ.get("HALTED"):
            signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
"""


def test_it_goes_on_with_the_split_that_it_began_with(tuned, tmp_path, monkeypatch, small_plugin):
    write_distribution(tmp_path / "published", "aa_halting", STOPPING)
    monkeypatch.syspath_prepend(tmp_path / "published")
    monkeypatch.setenv("HALTED", "1")
    registry, out = load_registry(), str(tmp_path / "run")
    with pytest.raises(InterruptedRunError):
        fit("digits", out=out, registry=registry, **{**FULL, "reporters": ("halting",)})
    monkeypatch.delenv("HALTED")
    with pytest.raises(RecipeError, match=r"split.test: --set says 0.2, the run has 0.0"):
        fit(out=out, registry=registry, resume=True, sets=("split.test=0.2",))
    run = fit(out=out, registry=registry, resume=True, sets=("split.test=0",))

    assert len(run.result["resumed"]) == 1
    assert run.result["split_hash"] == tuned.result["split_hash"]
    assert run.result["metrics"] == tuned.result["metrics"]
    assert run.result["no_test"] == tuned.result["no_test"]
    assert answers_of(run) == answers_of(tuned)


def test_a_run_with_a_test_side_says_that_there_is_one(finished):
    assert finished.run.result["no_test"] is None
    assert finished.run.recipe.table("split") == {"test": 0.2, "val": 0.2, "train": 1.0, "refit": True}
