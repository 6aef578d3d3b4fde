"""Runs that translate: what the vocabularies saw, what comes back, a child from its parent."""

import csv
import dataclasses
import json
import re

import numpy as np
import pytest

from headstart.artefact import Artefact
from headstart.errors import DataError, EngineRefusal
from headstart.eventlog import read_events
from headstart.events import EpochDone
from headstart.run import Run
from headstart_plugins._pieces import Pieces

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def parent(tmp_path_factory, fitted, pairs):
    folder = tmp_path_factory.mktemp("translation")
    return fitted(pairs(folder / "pairs.csv", 150, split=True), folder / "parent")


def pieces_of(run, part, name):
    return Pieces(run.path / "artefact" / "assets" / part / name)


def test_vocabularies_are_of_the_training_split_alone(parent):
    """Letters that only val has, or test, are unknown to both of them."""
    for part, name in (("input", "source.spm"), ("task", "target.spm")):
        pieces = pieces_of(parent, part, name)
        known = "".join(pieces.pieces)
        assert "²" in known
        assert "Ж" not in known
        assert "Ω" not in known
        assert pieces.unknown in pieces.encode(["Ж"])[0]


def test_it_learns_and_scores_what_is_generated(parent):
    losses = [event.val["loss"] for event in read_events(parent.path / "events.jsonl") if isinstance(event, EpochDone)]
    assert losses[-1] < losses[0]
    result = parent.result
    assert result["primary_metric"] == "loss"
    assert {"loss", "bleu", "chrf"} <= result["metrics"]["test"].keys()
    low, high = result["intervals"]["test"]["chrf"]
    assert low <= result["metrics"]["test"]["chrf"] <= high
    report = result["report"]["test"]
    assert "nrefs:1" in report["signatures"]["bleu"]
    assert {"source", "reference", "hypothesis"} <= report["worst"][0].keys()
    assert " Ω" in report["worst"][0]["reference"]  # the whole text, and not what the vocabulary makes of it
    assert 0 < result["baseline"]["copy_chrf"] < 100


def test_predictions_hold_a_row_for_each_text_and_are_what_is_scored(parent):
    from sacrebleu.metrics import CHRF

    with (parent.path / "predictions.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    assert len(rows) == parent.result["samples"]["test"]
    found = CHRF().corpus_score([row["translation"] for row in rows], [[row["target"] for row in rows]]).score
    assert parent.result["metrics"]["test"]["chrf"] == pytest.approx(found, abs=1e-9)


def test_the_artefact_alone_answers_the_same(parent, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.symlink_to(parent.path / "artefact")
    answers = Artefact.load(parent.path / "artefact").predict(["Open the file now", "Save a table here"])
    again = Run.load(parent.path).evaluate().document["metrics"]["test"]
    assert again == parent.result["metrics"]["test"]
    assert [*answers[0]] == ["translation", "score"]


def test_more_beams_and_several_answers_are_asked_for_afterwards(parent):
    (best,) = Run.load(parent.path).predict(texts=["Open the file now"], sets=["predict.beams=4", "predict.answers=3"])
    scores = [each["score"] for each in best["answers"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert best["translation"] == best["answers"][0]["translation"]
    assert len({each["translation"] for each in best["answers"]}) == 3


@pytest.mark.parametrize("engine", ["native", "openvino", "onnxruntime"])
def test_an_encoder_in_an_engine_gives_the_same_translations(parent, engine):
    pytest.importorskip({"native": "keras"}.get(engine, engine))
    texts = ["Open the file now", "Save a table here", "Close the window here", "Save the m² now"]
    run = Run.load(parent.path)
    for sets in ((), ("predict.beams=3",)):
        stock, found = (run.predict(texts=texts, sets=sets, engine=name) for name in ("stock", engine))
        assert [each["translation"] for each in found] == [each["translation"] for each in stock]
        np.testing.assert_allclose([each["score"] for each in found], [each["score"] for each in stock], atol=1e-4)


def test_an_engine_whose_encoder_differs_does_not_answer(parent, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))  # nothing was compared here before
    from headstart.engine.features import extractor

    true = extractor.FeatureExtractor.open

    def wrong(self, *given, **named):
        opened = true(self, *given, **named)

        def compiled(batch):
            found = opened.compiled(batch)
            return {name: each + 1 if each.dtype == np.float32 else each for name, each in found.items()}

        return dataclasses.replace(opened, compiled=compiled)

    monkeypatch.setattr(extractor.FeatureExtractor, "open", wrong)
    with pytest.raises(EngineRefusal, match="differs from the stock network"):
        Run.load(parent.path).predict(texts=["Close a file here"], engine="native")


def test_lines_of_a_file_are_texts_where_that_is_asked_for(parent, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("Open the file now\n\nSave a table here\r\n", encoding="utf-8")
    run = Run.load(parent.path)
    found = list(run.answers([file], sets=["predict.lines=true"]))
    assert [each["input"] for each in found] == ["Open the file now", "Save a table here"]
    (tmp_path / "more.txt").write_text("Close the window\n", encoding="utf-8")
    among = run.answers([tmp_path], sets=["predict.lines=true"])
    assert [each["input"] for each in among] == ["Open the file now", "Save a table here", "Close the window"]
    alone = run.predict(texts=["Open the file now", "Save a table here"])
    assert [each["translation"] for each in found] == [each["translation"] for each in alone]


def test_a_long_text_is_split_at_sentences_and_its_answers_are_joined(parent):
    sentences = ["Open the file now.", "Save a table here.", "Close the window now."]
    run = Run.load(parent.path)
    (whole,) = run.predict(texts=[" ".join(sentences)])
    assert "split at sentences" in whole["notes"]
    pieces = pieces_of(parent, "input", "source.spm")
    assert len(pieces.encode([" ".join(sentences)])[0]) >= 32
    parts = [each["translation"] for each in run.predict(texts=sentences)]
    assert len(whole["translation"].split()) > max(len(part.split()) for part in parts)


def test_texts_in_parts_have_no_share_of_the_mean_loss(parent, tmp_path, fitted):
    short = [("Open the file now", "Agora abrir o ficheiro"), ("Save a table here", "Aquí guardar un táboa")]
    long = [(f"{' '.join([source + '.'] * 12)}", target) for source, target in short]

    def loss(*rows):
        table = tmp_path / "new.csv"
        table.write_text("text,translation\n" + "".join(f"{a},{b}\n" for a, b in rows), encoding="utf-8")
        return Run.load(parent.path).evaluate(str(table)).document["metrics"]["test"]["loss"]

    assert loss(*short) > 0.5
    assert loss(*short, *long) == pytest.approx(loss(*short), rel=1e-5)
    assert loss(*long) is None

    table = tmp_path / "long_val.csv"
    rows = [(f"{source} {number},{target}", "train") for number in range(8) for source, target in short]
    rows += [(f"{source} {number},{target}", "val") for number in range(8) for source, target in long]
    table.write_text("text,translation,split\n" + "".join(f"{row},{side}\n" for row, side in rows), encoding="utf-8")
    with pytest.raises(DataError, match="no sample of val has a loss"):
        fitted(table, tmp_path / "child")


def test_a_child_keeps_what_its_parent_knows_and_says_what_is_new(parent, tmp_path, fitted, pairs, small):
    table = tmp_path / "child.csv"
    pairs(table, 80, seed=3)
    table.write_text(table.read_text("utf-8").replace("guardar", "xardín"), encoding="utf-8")
    run = fitted(
        table,
        tmp_path / "child",
        backbone=str(parent.path),
        head_from=str(parent.path),
        strategy="lp_ft",
        epochs=1,
        small=[each for each in small if each != "task.hidden=64"],
        sets=("backbone.dropout=0.3", "task.dropout=0.3", "task.hidden=48"),
    )
    result = json.loads((run.path / "result.json").read_text())
    (unused,) = [warning for warning in result["warnings"] if "keeps the sizes" in warning]
    assert unused.endswith("not used: task.hidden=48 (it has 64)")
    told = " ".join(result["notes"])
    assert re.search(r"the head goes on from .*: it keeps \d+ .*, adds \d+", told)
    before, after = pieces_of(parent, "task", "target.spm"), pieces_of(run, "task", "target.spm")
    assert after.pieces[: len(before)] == before.pieces
    assert "x" in "".join(after.pieces[len(before) :])
    assert pieces_of(run, "input", "source.spm").pieces == pieces_of(parent, "input", "source.spm").pieces
    assert [phase["phase"] for phase in run.result["phases"]] == ["probe", "fine_tune"]


def test_a_decoder_that_is_frozen_stays_as_it_was(parent, tmp_path, fitted, pairs):
    from headstart.weights.files import read_safetensors

    run = fitted(
        pairs(tmp_path / "more.csv", 80, seed=4),
        tmp_path / "frozen",
        backbone=str(parent.path),
        head_from=str(parent.path),
        epochs=1,
        sets=(
            "task.parent_vocabulary=kept",
            'task.freeze=["embeddings", "self_attention", "cross_attention", "feed_forward", "norms"]',
        ),
    )
    before, after = (read_safetensors(each.path / "artefact" / "weights.safetensors") for each in (parent, run))
    heads = [name for name in before if name.startswith("head/")]
    assert len(heads) > 10
    assert all(np.array_equal(before[name], after[name]) for name in heads)
    assert any(not np.array_equal(before[name], after[name]) for name in before if not name.startswith("head/"))


def test_low_rank_updates_reach_into_a_decoder(parent, tmp_path, fitted, pairs):
    from headstart.weights.files import read_safetensors

    run = fitted(
        pairs(tmp_path / "more.csv", 80, seed=5),
        tmp_path / "lora",
        backbone=str(parent.path),
        head_from=str(parent.path),
        strategy="lora",
        epochs=1,
        sets=(
            *("strategy.rank=2", "strategy.head=true", "task.parent_vocabulary=kept"),
            'task.freeze=["embeddings"]',
        ),
    )
    before, after = (read_safetensors(each.path / "artefact" / "weights.safetensors") for each in (parent, run))
    ranks = {
        name: np.linalg.matrix_rank((after[name] - before[name]).astype(np.float64), tol=1e-4)
        for name in before
        if name.startswith("head/") and name.endswith("/kernel")
    }
    assert max(ranks.values()) == 2
    assert np.array_equal(before["head/0/embeddings"], after["head/0/embeddings"])


def test_val_is_translated_after_each_epoch_where_layers_train_in_a_faster_form(tmp_path, fitted, pairs, small):
    """As those of a decoder of 64 numbers do: what answers val reads the weights of the stock ones."""
    table = pairs(tmp_path / "pairs.csv", 60, split=True)
    wide = tuple(each.replace("width=32", "width=64") for each in small)
    run = fitted(table, tmp_path / "wide", epochs=1, small=wide, sets=("task.chrf_on_val=true",))

    (epoch,) = [event for event in read_events(run.path / "events.jsonl") if isinstance(event, EpochDone)]
    assert run.result["primary_metric"] == "chrf"
    assert 0 <= epoch.val["chrf"] <= 100
