"""A run on texts, of a small language model: trained, and asked in every way that the command line knows."""

import itertools
import json
import signal

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_tokenizers import gpt2

from headstart.errors import DataError, InterruptedRunError, UsageError

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
WIDTH, POSITIONS = 16, 64


def write_model(folder):
    """A folder as Hugging Face's transformers saves GPT-2: one block, random weights."""
    gpt2(folder)
    tokens = len(json.loads((folder / "vocab.json").read_text("utf-8")))
    sizes = {"vocab_size": tokens, "n_embd": WIDTH, "n_layer": 1, "n_head": 2, "n_positions": POSITIONS}
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", **sizes}), "utf-8")
    shapes = {"wte.weight": (tokens, WIDTH), "wpe.weight": (POSITIONS, WIDTH)}
    for name, (rows, columns) in {
        "attn.c_attn": (WIDTH, 3 * WIDTH),
        "attn.c_proj": (WIDTH, WIDTH),
        "mlp.c_fc": (WIDTH, 4 * WIDTH),
        "mlp.c_proj": (4 * WIDTH, WIDTH),
    }.items():
        shapes |= {f"h.0.{name}.weight": (rows, columns), f"h.0.{name}.bias": (columns,)}
    for name in ("h.0.ln_1", "h.0.ln_2", "ln_f"):
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    generator = np.random.default_rng(0)
    save_file(
        {name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()},
        folder / "model.safetensors",
    )
    return folder


def write_table(path, numbers):
    rows = [f"it was {'good' if number % 2 else 'bad'} {number},{'pos' if number % 2 else 'neg'}" for number in numbers]
    path.write_text("review,label\n" + "\n".join(rows) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from headstart.runs.fitting import fit

    place = tmp_path_factory.mktemp("texts")
    (place / "model").mkdir()
    table = write_table(place / "table.csv", range(60))
    asked = {"backbone": str(write_model(place / "model")), "strategy": "probe", "engine": "native"}
    return fit(str(table), out=str(place / "run"), reporters=[], **asked)


def predictions(answers):
    return [(each["input"], each["prediction"]) for each in answers]


def test_texts_files_folders_and_tables_are_answered_alike(run, tmp_path, monkeypatch):
    texts = ["it was good 101", "it was bad 102", "... it was good"]
    (tmp_path / "folder").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "folder" / f"{number}.txt").write_text(text, "utf-8")
    (tmp_path / "t.csv").write_text("id,review\n" + "".join(f"n{n},{text}\n" for n, text in enumerate(texts)), "utf-8")
    monkeypatch.chdir(tmp_path)
    expected = [each["prediction"] for each in run.predict(texts=texts)]
    assert set(expected) <= {"neg", "pos"}
    assert predictions(run.predict(texts)) == list(zip(texts, expected, strict=True))
    assert [each for _, each in predictions(run.predict(["folder"]))] == expected
    assert predictions(run.predict(["t.csv"])) == list(zip(("n0", "n1", "n2"), expected, strict=True))


def test_what_cannot_be_read_is_named_and_the_others_are_answered(run, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    (tmp_path / "b.txt").write_text("it was good", "utf-8")
    refused, answered = run.predict([tmp_path])
    assert "a.txt is no UTF-8" in refused["error"]
    assert answered["prediction"] in ("neg", "pos")
    with pytest.raises(UsageError, match="no such file"):
        run.predict(["revews.txt"])
    (empty,) = run.predict(texts=[""])
    assert empty["notes"] == "warning: without text"
    (long,) = run.predict(texts=["it was good " * 100])
    assert long["notes"] == f"cut to {POSITIONS} tokens"


def test_other_tables_of_texts_are_scored(run, tmp_path):
    document = run.evaluate(str(write_table(tmp_path / "other.csv", range(100, 130)))).document
    assert document["samples"] == {"test": 30}
    assert any("'review' is read as text" in note for note in document["notes"])
    (tmp_path / "bad.csv").write_text("review,label\ngood,great\n", "utf-8")
    with pytest.raises(DataError, match="great"):
        run.evaluate(str(tmp_path / "bad.csv"))


def test_a_run_on_single_texts_answers_no_pair_and_one_on_pairs_no_single_text(run, tmp_path):
    from headstart.runs.fitting import fit

    rows = [f"is it so {n},it was {'good' if n % 2 else 'bad'},{'pos' if n % 2 else 'neg'}\n" for n in range(60)]
    (tmp_path / "pairs.csv").write_text("text,text2,label\n" + "".join(rows), "utf-8")
    for answer in run.predict([tmp_path / "pairs.csv"]):
        assert "is a pair of texts, and the run learned from single texts" in answer["error"]
    with pytest.raises(DataError, match="row-000002 is a pair of texts, and the run learned from single texts"):
        run.evaluate(str(tmp_path / "pairs.csv"))
    assert len(run.predict([tmp_path / "pairs.csv"], sets=["dataset.text_column=text2"])) == 60

    asked = {"backbone": run.recipe.backbone, "strategy": "probe", "engine": "native"}
    pairs = fit(str(tmp_path / "pairs.csv"), out=str(tmp_path / "pairs"), reporters=[], **asked)
    (refused,) = pairs.predict(texts=["it was good"])
    assert "it was good is a single text, and the run learned from pairs of texts; " in refused["error"]
    (answered,) = pairs.predict([("is it so 1", "it was good")])
    assert answered["prediction"] in ("neg", "pos")
    with pytest.raises(DataError, match="row-000002 is a single text, and the run learned from pairs of texts"):
        pairs.evaluate(str(write_table(tmp_path / "other.csv", range(100, 130))))
    # a run that goes on from one of the other form reads its own
    table = str(write_table(tmp_path / "single.csv", range(60)))
    single = fit(table, out=str(tmp_path / "on"), reporters=[], **{**asked, "backbone": str(pairs.path)})
    assert single.predict(texts=["it was good"])[0]["prediction"] in ("neg", "pos")


def test_beside_a_run_that_lacks_a_class_that_one_is_named(run, tmp_path):
    from headstart.runs.fitting import fit

    rows = [f"it was {('bad', 'good', 'fair')[n % 3]} {n},{('neg', 'pos', 'so')[n % 3]}\n" for n in range(60)]
    (tmp_path / "three.csv").write_text("review,label\n" + "".join(rows), "utf-8")
    asked = {"backbone": run.recipe.backbone, "strategy": "probe", "engine": "native"}
    three = fit(str(tmp_path / "three.csv"), out=str(tmp_path / "three"), reporters=[], **asked)
    with pytest.raises(DataError, match=rf"{run.path}: row-\d+: label 'so' is none of the 2 known classes"):
        three.beside(run)


def test_masking_is_refused_before_anything_is_trained(run, tmp_path):
    from headstart.runs.fitting import fit

    asked = {"backbone": run.recipe.backbone, "augment": ["token_masking"], "engine": "native"}
    with pytest.raises(UsageError, match="their tokenizer has no mask token"):
        fit(run.recipe.data, out=str(tmp_path / "run"), reporters=[], **asked)


def test_a_run_that_was_stopped_in_an_epoch_drops_words_on_to_the_same_bits(run, tmp_path, monkeypatch, signalled):
    from headstart.runs.fitting import fit
    from headstart_plugins.text import _build

    def begin(out):
        asked = {"backbone": str(run.path.parent / "model"), "strategy": "full", "epochs": 2, "batch_size": 4}
        asked |= {"augment": ["word_dropout"], "reporters": ["json"], "engine": "native", "sets": ["threads=1"]}
        return fit(str(run.path.parent / "table.csv"), out=str(out), **asked)

    def bits(out):
        return (out / "artefact" / "weights.safetensors").read_bytes(), (out / "predictions.csv").read_bytes()

    begin(tmp_path / "whole")
    changes, calls = dict(_build.CHANGES), itertools.count(1)

    def stopping(*given):
        if next(calls) == 9:
            signalled(signal.SIGINT)
        return changes["drop_words"](*given)

    with monkeypatch.context() as patch:
        patch.setattr(_build, "CHANGES", {**changes, "drop_words": stopping})
        with pytest.raises(InterruptedRunError):
            begin(tmp_path / "stopped")
    steps = -(-run.result["samples"]["train"] // 4)
    last = max(int(path.name.partition(".")[2]) for path in (tmp_path / "stopped" / "checkpoints").glob("step.*"))
    assert 0 < last < steps, f"it stopped after {last} steps of {steps}, which is no middle of an epoch"
    fit(out=str(tmp_path / "stopped"), resume=True)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")
