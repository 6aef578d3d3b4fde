"""A finished run asked as a job: in an engine held equal to stock layers, on from where it stopped; kept scores."""

import dataclasses
import json

import numpy as np
import pytest

from headstart.answer_jobs import ANSWERS
from headstart.cache import open_cache
from headstart.errors import DataError, EngineRefusal, UsageError

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))


def kinds():
    return sorted(entry.kind for entry in open_cache().entries() if entry.kind in ("answers", "scores"))


def test_an_engine_answers_as_stock_layers_do_and_is_compared_with_them_once(finished, monkeypatch):
    pictures = sorted(finished.pictures.rglob("*.png"))[:40]
    stock = finished.run.predict(pictures, engine="stock")
    assert kinds() == []
    found = finished.run.predict(pictures, engine="native")
    assert kinds() == ["answers"]

    assert [each["prediction"] for each in found] == [each["prediction"] for each in stock]
    sure = np.array([each["confidence"] for each in stock])
    assert sure.std() > 0.01
    assert np.abs(np.array([each["confidence"] for each in found]) - sure).max() <= 1e-4
    monkeypatch.setattr("headstart.engine.features.extractor.verify_equal", None)  # which is not called again
    assert finished.run.predict(pictures, engine="native") == found


def test_fewer_inputs_take_an_engine_where_it_is_known_how_it_does_here(finished, monkeypatch):
    pictures, compared = sorted(finished.pictures.rglob("*.png"))[:40], []
    monkeypatch.setattr("headstart.runs.answering.SOME", 40)
    monkeypatch.setattr("headstart.runs.answering._verify", lambda *_: compared.append(1))
    unknown = finished.run.predict(pictures)
    assert not compared
    finished.run.predict(pictures, engine="native")
    found = finished.run.predict(pictures)
    finished.run.predict(pictures[:39])

    assert len(compared) == 2
    assert [each["prediction"] for each in found] == [each["prediction"] for each in unknown]


def test_an_engine_that_answers_otherwise_is_refused_by_name(finished):
    with pytest.raises(EngineRefusal, match="small/off differs"):
        finished.run.predict(sorted(finished.pictures.rglob("*.png"))[:40], engine="off")


def test_an_engine_whose_head_answers_otherwise_is_refused_before_any_answer(finished, monkeypatch):
    """Its features agree on a few samples; the answers to raw ones do not, as a planted fault in the head has it."""
    from headstart.engine import device

    true = device.forward

    def wrong(network, start, stop):
        run = true(network, start, stop)
        if start == 0:
            return run
        return lambda batch: {name: array + 1 for name, array in run(batch).items()}

    monkeypatch.setattr(device, "forward", wrong)
    with pytest.raises(EngineRefusal, match="differs from the stock network"):
        finished.run.predict(sorted(finished.pictures.rglob("*.png"))[:40], engine="native")


def test_a_job_that_was_stopped_goes_on_to_the_same_bytes(finished, tmp_path):
    inputs = [
        *sorted(finished.pictures.rglob("*.png")),
        tmp_path / "absent.png",
        *sorted(finished.pictures.rglob("*.png")),
    ]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    everything = list(finished.run.answers(inputs, out=whole, jsonl=True))
    answers = finished.run.answers(inputs, out=stopped, jsonl=True)
    for _ in range(45):  # within the second of two batches
        next(answers)
    answers.close()
    rest = list(finished.run.answers(inputs, out=stopped, jsonl=True))

    absent = [answer for answer in everything if "error" in answer]
    assert (whole / ANSWERS).read_bytes() == (stopped / ANSWERS).read_bytes()
    assert rest == everything[45:]
    assert [json.loads(line)["input"] for line in (whole / ANSWERS).read_bytes().splitlines()] == list(map(str, inputs))
    assert list(finished.run.answers(inputs, out=stopped, jsonl=True)) == absent
    assert (whole / ANSWERS).read_bytes() == (stopped / ANSWERS).read_bytes()
    with pytest.raises(UsageError, match="another top_k"):
        list(finished.run.answers(inputs, out=stopped, jsonl=True, top_k=2))


def test_an_input_that_was_mended_is_answered_when_the_job_goes_on(finished, tmp_path):
    whole, late = sorted(finished.pictures.rglob("*.png"))[:2]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    job = {"out": tmp_path / "job", "jsonl": True}
    assert "error" in list(finished.run.answers([whole, broken], **job))[1]
    broken.write_bytes(late.read_bytes())
    mended = list(finished.run.answers([whole, broken], **job))

    lines = [json.loads(line) for line in (tmp_path / "job" / ANSWERS).read_bytes().splitlines()]
    assert lines[2:] == mended
    assert [(each["input"], "error" in each) for each in lines] == [
        (str(whole), False),
        (str(broken), True),
        (str(broken), False),
    ]
    assert list(finished.run.answers([whole, broken], **job)) == []


def test_scores_are_kept_until_samples_model_or_question_change(finished, tmp_path, monkeypatch):
    run = finished.copied(tmp_path / "run")
    first = run.evaluate(split="test", predictions=tmp_path / "first.csv").document
    assert kinds() == ["scores"]
    with monkeypatch.context() as patch:
        patch.setattr("headstart.run.activate", None)  # no backend is asked for
        assert run.evaluate(split="test", predictions=tmp_path / "again.csv").document == first
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()
    run.evaluate(split="val")
    assert kinds() == ["scores", "scores"]

    written = run.folder.split.read_text()
    row = next(line for line in written.splitlines() if ",test," in line)
    digest = row.rpartition(",")[2]
    run.folder.split.write_text(written.replace(digest, "0" * 64))
    with pytest.raises(DataError):
        run.evaluate(split="test")


def test_samples_are_scored_in_the_engine_that_is_named_and_kept_scores_are_of_it(finished, monkeypatch):
    """Of a named engine, or of stock layers alone; `auto` takes those of any."""
    stock = finished.run.evaluate(split="all", engine="stock").document
    own = finished.run.evaluate(split="all", engine="native").document
    assert kinds() == ["answers", *["scores"] * 6], "of three splits, twice"
    for split, metrics in own["metrics"].items():
        assert metrics == pytest.approx(stock["metrics"][split], rel=1e-4)

    with pytest.raises(EngineRefusal, match="small/off differs"):
        finished.run.evaluate(split="all", engine="off")
    with pytest.raises(UsageError, match="none-such"):
        finished.run.evaluate(split="all", engine="none-such")
    monkeypatch.setattr("headstart.run.activate", None)  # no backend is asked for
    assert finished.run.evaluate(split="all", engine="native").document == own
    assert finished.run.evaluate(split="all").document in (stock, own)


def test_scores_with_more_rows_than_are_held_are_not_kept_and_all_rows_are_written(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.runs.evaluation.MOST", 100)
    written = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for path in written:
        finished.run.evaluate(split="test", predictions=path)

    assert kinds() == []
    assert written[0].read_bytes() == written[1].read_bytes()
    assert len(written[0].read_bytes()) > 100


def test_two_runs_are_compared_on_the_same_samples(finished, tmp_path):
    run = finished.run
    other = finished.copied(tmp_path / "other")
    found = run.beside(other).document

    assert found["against"] == str(other.path)
    assert found["samples"] == run.evaluate().document["samples"]
    accuracy = found["differences"]["accuracy"]
    assert accuracy["first"] == accuracy["second"] == run.evaluate().document["metrics"]["test"]["accuracy"]
    assert accuracy["difference"] == 0
    with pytest.raises(UsageError, match="on one split"):
        run.beside(other, split="all")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("predict.tile=64", "compared without tiles"),
        ("predict.lines=true", "the samples of a dataset"),
        ("dataset.folder=new", "says how other data is read, and none is named"),
    ],
)
def test_settings_that_a_comparison_cannot_follow_are_refused(finished, setting, said):
    with pytest.raises(UsageError, match=said):
        finished.run.beside(finished.run, sets=[setting])


def test_runs_that_do_not_read_the_same_samples_are_not_compared(finished, tmp_path, monkeypatch):
    """As where what one of them takes for input is longer than the other reads: rows would be drawn askew."""
    run, other = finished.run, finished.copied(tmp_path / "other")
    data = f"image_folder:{finished.pictures}"
    (whole,), findings = other.data.other(data, ())
    less = dataclasses.replace(whole, keys=whole.keys[1:], payloads=whole.payloads[1:], targets=whole.targets[1:])
    assert "accuracy" in run.beside(other, data).document["differences"]
    monkeypatch.setattr(
        other.data.__class__, "other", lambda self, *_: ([whole if self is run.data else less], findings)
    )
    with pytest.raises(DataError, match=f"one of them alone reads {whole.keys[0]}"):
        run.beside(other, data)
