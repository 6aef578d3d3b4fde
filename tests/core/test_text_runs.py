"""A run on texts: an input kind reads them, feeds a backbone for pictures, and takes the file it needs with it."""

import dataclasses
import io
import json
import shutil

import pytest

from headstart.errors import DataError, UsageError
from headstart.manifest import sha256
from headstart.run import Run
from headstart_cli.main import run_arguments

pytestmark = pytest.mark.backend
GOOD, BAD = ("fine", "lovely", "superb"), ("dull", "poor", "sad")


@dataclasses.dataclass(frozen=True)
class Texts:
    run: Run
    table: object


@pytest.fixture(scope="module")
def texts(tmp_path_factory, small_registry):
    """A run whose vocabulary is gone from where the user had it."""
    from headstart.runs.fitting import fit

    folder = tmp_path_factory.mktemp("texts")
    vocabulary = folder / "words.txt"
    vocabulary.write_text(" ".join((*BAD, "a", "day", "very", *GOOD)))
    rows = [
        f"{filler} {word} day {number % 3 * 'very '};{label}"
        for number, (filler, word, label) in enumerate(
            (filler, word, label)
            for label, words in (("good", GOOD), ("bad", BAD))
            for word in words
            for filler in ("a", "what", "very", "one", "my", "our", "this", "that")
        )
    ]
    table = folder / "texts.csv"
    table.write_text("text;label\n" + "\n".join(dict.fromkeys(rows)) + "\n")
    settings = {"backbone": "small/net", "weights": "none", "reporters": ("json",), "strategy": "probe"}
    sets = (f"input.vocabulary={vocabulary}", "dataset.delimiter=';'")
    run = fit(table, out=str(folder / "run"), sets=sets, registry=small_registry, **settings)
    vocabulary.unlink()
    return Texts(Run.load(run.path, registry=small_registry), table)


def test_the_artefact_holds_what_its_input_kind_needs(texts, tmp_path):
    kept = texts.run.path / "artefact" / "assets" / "input" / "vocabulary.txt"
    assert "superb" in kept.read_text()
    described = json.loads((texts.run.path / "artefact" / "preprocess.json").read_text())
    assert described["assets"] == {"vocabulary.txt": sha256(kept)}
    copied = shutil.copytree(texts.run.path, tmp_path / "run")
    (copied / "artefact" / "assets" / "input" / "vocabulary.txt").write_text("altered")
    with pytest.raises(DataError, match=r"vocabulary\.txt"):
        Run.load(copied, registry=texts.run.registry).predict(["a superb day"])


def test_a_text_is_an_input_by_itself(texts):
    answers = texts.run.predict(["what a superb day"], texts=["a dull day"])
    assert [answer["input"] for answer in answers] == ["what a superb day", "a dull day"]
    assert {answer["prediction"] for answer in answers} <= {"good", "bad"}


def test_a_table_stands_for_its_rows_and_needs_no_labels(texts, tmp_path):
    table = tmp_path / "asked.csv"
    table.write_text("text;note\na superb day;x\na sad day;y\n")  # columns as the run was told that they are separated
    answers = texts.run.predict([table])
    assert [answer["input"] for answer in answers] == ["row-000002", "row-000003"]
    direct = texts.run.predict(texts=["a superb day", "a sad day"])
    assert [each["prediction"] for each in answers] == [each["prediction"] for each in direct]


def test_a_table_of_pictures_is_refused(texts, tmp_path):
    table = tmp_path / "pictures.csv"
    table.write_text("path\na.png\n")
    with pytest.raises(DataError, match="are image; this run reads text"):
        texts.run.predict([table])


def test_what_a_run_on_texts_was_scored_on_can_be_scored_again(texts):
    document = texts.run.evaluate().document
    assert document["metrics"]["test"]["accuracy"] == texts.run.result["metrics"]["test"]["accuracy"]


def test_the_command_reads_flags_and_lines(texts, capsys, monkeypatch):
    run = str(texts.run.path)
    assert run_arguments(["predict", run, "--text", "a superb day", "--text", "a sad day", "--json"]) == 0
    by_flag = json.loads(capsys.readouterr().out)
    monkeypatch.setattr("sys.stdin", io.StringIO("a superb day\n\na sad day\n"))
    assert run_arguments(["predict", run, "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == by_flag


def test_files_are_written_only_by_a_task_that_makes_some(texts, tmp_path):
    with pytest.raises(UsageError, match="makes no files"):
        texts.run.predict(texts=["a day"], out=tmp_path / "masks")


def test_pictures_are_no_texts(finished):
    with pytest.raises(UsageError, match="this run answers image data, not texts"):
        finished.run.predict(texts=["a superb day"])
