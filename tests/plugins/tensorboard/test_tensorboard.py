"""The event files hold what the events say, read back with TensorBoard's own reader; a replay replaces them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from headstart.errors import UsageError
from headstart.events import EpochDone, PhaseDone, RunFinished, RunStarted, Warned, WentBack
from headstart.specs import ReporterRequest
from headstart_cli.main import run_arguments
from headstart_plugins.tensorboard import register_reporters

(SPEC,) = register_reporters()
START = 1_700_000_000.25
RECIPE = '[fit]\ndata = "digits/digits"\n'
RATES = {"stem": 3e-4, "head": 9e-4}


def epoch(phase, number, seconds, **more):
    """An epoch whose figures all differ."""
    figures = {"loss": 1.0 / (number + seconds), "accuracy": 0.5 + seconds / 100}
    return EpochDone(
        time=START + seconds, phase=phase, epoch=number, epochs=3, seconds=0.5, best=True,
        train={**figures, "loss": 0.1 + seconds}, val=figures, **more,
    )  # fmt: skip


EPOCHS = [
    epoch("probe", 1, 2.5, rates={}, strength=0.1),
    epoch("probe", 2, 3.5, rates={}, strength=0.01),
    epoch("fine_tune", 1, 10, rates=RATES),
    epoch("fine_tune", 2, 20, rates={"stem": 1e-4, "head": 3e-4}),
    epoch("fine_tune", 3, 30, rates={"stem": 0.0, "head": 0.0}),
]
FINISHED = RunFinished(
    time=START + 40,
    result={"metrics": {"val": {"accuracy": 0.75}, "test": {"accuracy": 0.7, "loss": 0.9, "top5_accuracy": None}}},
)
EVENTS = [
    Warned(time=START - 1, message="before anything started"),
    RunStarted(
        time=START, run="runs/x", backend="jax", backbone="a/b", weights="none", task="c/d", strategy="e/f",
        primary_metric="accuracy", higher_is_better=True, classes=("a", "b"), samples={"train": 3},
        parameters={"total": 4, "trainable": 2}, phases=("probe", "fine_tune"),
    ),
    *EPOCHS[:2],
    PhaseDone(time=START + 4, phase="probe", best_epoch=1, best={}, reason="all", frozen_verified=1, seconds=2.0),
    *EPOCHS[2:],
    FINISHED,
]  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A run's folder; fulfils RunView."""

    path: Path

    def preview(self, key):
        return None

    def files(self):
        """Every file below it, and what it holds."""
        return {str(p.relative_to(self.path)): p.read_bytes() for p in sorted(self.path.rglob("*")) if p.is_file()}

    def scalars(self, split):
        """By tag: (wall time, step, value) of each point, and their order."""
        reader = self.reader(split)
        return {
            tag: [(point.wall_time, point.step, point.value) for point in reader.Scalars(tag)]
            for tag in reader.Tags()["scalars"]
        }

    def reader(self, split):
        return EventAccumulator(str(self.path / "report" / "tensorboard" / split)).Reload()


@pytest.fixture
def run(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return Folder(tmp_path)


def build(*, live=True):
    from headstart_plugins.tensorboard._build import build as target

    return target(ReporterRequest(options=SPEC.options(), interactive=False, live=live))


def tell(run, events=EVENTS, *, live=True):
    reporter = build(live=live)
    for event in events:
        reporter.on_event(event, run)
    return reporter


def expected(phase, split, name):
    """The points of one curve, straight from the events; the format keeps float32."""
    return [
        (event.time, step, float(np.float32(getattr(event, split)[name])))
        for step, event in enumerate(EPOCHS, start=1)
        if event.phase == phase
    ]


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
@pytest.mark.parametrize("phase", ["probe", "fine_tune"])
def test_each_epochs_figures_stand_at_their_step_and_time(run, live, phase):
    tell(run, live=live)
    for split in ("train", "val"):
        curves = run.scalars(split)
        for name in ("loss", "accuracy"):
            assert curves[f"{phase}/{name}"] == expected(phase, split, name)


def test_the_steps_of_a_phase_follow_those_of_the_one_before(run):
    tell(run)
    curves = run.scalars("val")
    assert [step for _, step, _ in curves["probe/loss"]] == [1, 2]
    assert [step for _, step, _ in curves["fine_tune/loss"]] == [3, 4, 5]


def test_epochs_that_training_went_back_behind_are_counted_no_more(run):
    back = WentBack(time=START + 25, phase="fine_tune", epoch=2, reason="the loss rose")
    again = epoch("fine_tune", 2, 26, rates={"stem": 1e-4, "head": 3e-4})
    tell(run, events=[*EVENTS[:7], back, again, *EVENTS[7:]])
    steps = [step for _, step, _ in run.scalars("val")["fine_tune/loss"]]
    assert steps == [3, 4, 4, 5]


def test_train_and_val_share_their_tags_so_that_one_chart_shows_both(run):
    tell(run)
    train, val = run.scalars("train"), run.scalars("val")
    assert {tag for tag in val if not tag.startswith("final/")} <= set(train)


def test_rates_and_strengths_are_curves_too(run):
    tell(run)
    curves = run.scalars("train")
    heads = [float(np.float32(event.rates["head"])) for event in EPOCHS[2:]]
    assert [value for _, _, value in curves["fine_tune/rate/head"]] == heads
    assert "fine_tune/rate/stem" in curves
    assert [value for _, _, value in curves["probe/strength"]] == [float(np.float32(0.1)), float(np.float32(0.01))]


def test_results_are_the_last_points_and_what_was_not_measured_is_left_out(run):
    tell(run)
    at = (FINISHED.time, len(EPOCHS))
    assert run.scalars("test") == {
        "final/accuracy": [(*at, float(np.float32(0.7)))],
        "final/loss": [(*at, float(np.float32(0.9)))],
    }
    assert run.scalars("val")["final/accuracy"] == [(*at, 0.75)]


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
def test_a_run_without_a_test_side_has_no_points_on_test_and_a_text_that_says_why(run, live):
    why = "no sample was held out: split.test is 0; val chose the epoch, so its figures flatter"
    result = {"metrics": {"val": {"accuracy": 0.75}, "test": None}, "no_test": why}
    tell(run, [*EVENTS[:-1], RunFinished(time=START + 40, result=result)], live=live)
    assert run.scalars("test") == {}
    assert run.scalars("val")["final/accuracy"] == [(START + 40, len(EPOCHS), 0.75)]
    (point,) = run.reader("val").Tensors("no_test")
    assert point.tensor_proto.string_val[0].decode() == why


def test_the_recipe_is_there_as_text(run):
    tell(run)
    (point,) = run.reader("train").Tensors("recipe")
    assert (point.wall_time, point.step) == (START, 0)
    assert point.tensor_proto.string_val[0].decode() == f"```toml\n{RECIPE}\n```"


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
def test_it_writes_exactly_what_it_declares(run, live):
    before = run.files()
    tell(run, live=live)
    after = run.files()
    assert set(after) - set(before) == set(SPEC.writes)
    assert before.items() <= after.items()


def test_a_replay_replaces_the_files_by_equal_ones(run):
    tell(run)
    live = run.files()
    for _ in range(2):
        tell(run, live=False)
        assert run.files() == live


def test_a_replay_that_breaks_off_leaves_the_files_as_they_were(run):
    tell(run)
    whole = run.files()
    tell(run, EVENTS[:4], live=False).close()
    assert run.files() == whole


def test_a_second_live_run_in_the_folder_starts_over(run):
    tell(run)
    once = run.files()
    tell(run)
    assert run.files() == once


def test_curves_can_be_read_while_the_run_goes_on(run):
    reporter = build()
    for event in EVENTS[:-1]:
        reporter.on_event(event, run)
        if isinstance(event, EpochDone):
            assert run.scalars("val")[f"{event.phase}/loss"][-1][0] == event.time
    reporter.close()


def test_a_run_that_breaks_off_keeps_its_curves_and_nothing_is_left_open(run):
    reporter = tell(run, EVENTS[:5])
    streams = [file.stream for file in reporter._files.values()]
    reporter.close()
    assert [stream.closed for stream in streams] == [True, True, True]
    assert run.scalars("val")["probe/loss"] == expected("probe", "val", "loss")


def test_a_folder_without_a_recipe_still_gets_its_curves(run):
    (run.path / "recipe.toml").unlink()
    tell(run)
    assert run.scalars("val")["probe/loss"] == expected("probe", "val", "loss")


@pytest.fixture
def without_tensorboard(monkeypatch):
    """As if TensorBoard was not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "headstart_plugins.tensorboard._event_file", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)


@pytest.mark.usefixtures("without_tensorboard")
def test_without_the_package_the_extra_is_named():
    with pytest.raises(UsageError, match="needs the package tensorboard") as raised:
        build()
    assert raised.value.hint == "pip install 'headstart[tensorboard]'"


@pytest.mark.usefixtures("without_tensorboard")
def test_a_fit_without_the_package_ends_before_it_reads_data(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setitem(sys.modules, "headstart_plugins.digits._build", None)  # reading the data would fail otherwise
    out = tmp_path / "run"
    assert run_arguments(["fit", "digits", "--reporter", "tensorboard", "--weights", "none", "--out", str(out)]) == 2
    assert "pip install 'headstart[tensorboard]'" in capsys.readouterr().err
    assert not out.exists()


def test_no_framework_is_imported_not_even_where_tensorflow_is_installed(run):
    trap = run.path / "trap"
    trap.mkdir()
    (trap / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')", encoding="utf-8")
    code = f"""
import sys
sys.path.insert(0, {str(trap)!r})
from pathlib import Path
from types import SimpleNamespace
from headstart.events import from_line
from headstart.specs import ReporterRequest
from headstart_plugins.tensorboard._build import build
reporter = build(ReporterRequest(options=None, interactive=False, live=True))
for line in sys.stdin:
    reporter.on_event(from_line(line), SimpleNamespace(path=Path({str(run.path)!r})))
print(sorted({{"tensorflow", "keras", "jax", "torch"}} & set(sys.modules)))
"""
    from headstart.events import to_line

    lines = "\n".join(map(to_line, EVENTS))
    done = subprocess.run([sys.executable, "-c", code], input=lines, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert run.scalars("test")
