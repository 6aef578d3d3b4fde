"""Answers to many inputs: each by itself, in order, as they come; from the library and from `headstart predict`."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.predictor import BATCH
from headstart.runs import reporting
from headstart_cli.main import run_arguments

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


def places(count):
    """Where bad ones are worst: first, two side by side across the edge of a batch, in the last one, and last."""
    return (0, BATCH - 1, BATCH, 2 * BATCH + 1, count - 1)


def bits(answers):
    """Answers but for their inputs, numbers to the last bit."""
    return [json.dumps({key: value for key, value in each.items() if key != "input"}) for each in answers]


@pytest.fixture
def mixed(finished):
    """Inputs, some of which cannot be read, and those that can."""
    good = [*sorted(finished.pictures.rglob("*.png")), *sorted(finished.pictures.rglob("*.png"))[:20]]
    inputs = list(good)
    for place in places(len(good) + 5):
        inputs.insert(place, b"this is no picture")
    return inputs, good


def test_the_others_are_answered_as_without_what_cannot_be_read_in_their_order(finished, mixed):
    inputs, good = mixed
    answers = finished.run.predict(inputs, top_k=3)

    bad = [place for place, answer in enumerate(answers) if "error" in answer]
    assert bad == list(places(len(inputs)))
    assert {tuple(answers[place]) for place in bad} == {("input", "error")}
    assert answers[0] == {"input": "bytes 0", "error": "bytes: not a picture in a known format"}
    rest = [answer for answer in answers if "error" not in answer]
    assert [answer["input"] for answer in rest] == [str(path) for path in good]
    assert bits(rest) == bits(finished.run.predict(good, top_k=3))


def test_one_alone_is_raised_and_a_list_of_it_is_not(finished, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"this is no picture")
    with pytest.raises(DataError, match=r"broken\.png: not a picture in a known format"):
        finished.run.artefact.predict(tmp_path / "broken.png")
    (answer,) = finished.run.artefact.predict([tmp_path / "broken.png"])
    assert answer == {"error": f"{tmp_path}/broken.png: not a picture in a known format"}
    assert finished.run.predict([]) == []


def test_progress_counts_every_input(finished, mixed):
    inputs, _ = mixed
    heard = []
    list(finished.run.artefact.predictor.answers(inputs, on_progress=lambda *counts: heard.append(counts)))
    assert heard[0] == (0, len(inputs))
    assert heard[-1] == (len(inputs), len(inputs))
    assert heard == sorted(heard)


def test_answers_come_while_inputs_are_still_to_be_read(finished, tmp_path):
    """Far behind the first batch there is a picture that is written once the first answer came."""
    late = tmp_path / "late.png"
    predictor = finished.run.artefact.predictor
    answers = predictor.answers([*[np.zeros((8, 8), np.uint8)] * (6 * BATCH), late])
    assert "prediction" in next(answers)
    late.write_bytes(next(finished.pictures.rglob("*.png")).read_bytes())
    *_, last = answers
    assert "prediction" in last


@pytest.fixture
def folder(finished, tmp_path):
    """A folder with three pictures, in whose middle something else is called one."""
    for name, source in zip("acd", sorted(finished.pictures.rglob("*.png")), strict=False):
        (tmp_path / f"{name}.png").write_bytes(source.read_bytes())
    (tmp_path / "b.png").write_bytes(b"this is no picture")
    return tmp_path


def predict(run, *arguments):
    return run_arguments(["predict", str(run.path), *map(str, arguments)])


def test_json_and_csv_hold_what_cannot_be_read_in_its_place_and_the_exit_code_is_3(finished, folder, capsys):
    assert predict(finished.run, folder, "--json") == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [set(each) >= {"prediction"} for each in document] == [True, False, True, True]
    assert document[1] == {"input": f"{folder}/b.png", "error": f"{folder}/b.png: not a picture in a known format"}
    assert f"error: {folder}/b.png: not a picture in a known format" in err
    assert "error: 1 of 4 inputs cannot be read; all others are answered" in err

    assert predict(finished.run, folder, "--csv") == 3
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["input"] for row in rows] == [f"{folder}/{name}.png" for name in "abcd"]
    assert [row["prediction"] for row in rows] == [each.get("prediction", "") for each in document]
    assert [bool(row["error"]) for row in rows] == [False, True, False, False]


def test_inputs_that_are_not_there_are_named_and_the_others_answered(finished, folder, capsys):
    (folder / "empty").mkdir()
    inputs = [folder / "a.png", folder / "away.png", folder / "empty", folder / "c.png"]
    assert predict(finished.run, *inputs, "--json") == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [each["input"] for each in document] == [*map(str, inputs)]
    assert document[1]["error"] == f"no such file or folder: {inputs[1]}"
    assert str(inputs[2]) in document[2]["error"]
    assert bits([document[0], document[3]]) == bits(finished.run.predict([inputs[0], inputs[3]]))
    assert "error: 2 of 4 inputs cannot be read; all others are answered" in err

    assert predict(finished.run, inputs[1], folder / "gone.png") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "none of 2 inputs is there" in err
    assert "gone.png" in err


def test_tiles_are_refused_by_a_task_that_does_not_merge_them(finished, folder, capsys):
    assert predict(finished.run, folder / "a.png", "--set", "predict.tile=64") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "does not say how answers to tiles become one" in err


def test_a_table_holds_what_can_be_read(finished, folder, capsys):
    assert predict(finished.run, folder) == 3
    out, _ = capsys.readouterr()
    assert [name for name in "abcd" if f"/{name}.png " in out] == ["a", "c", "d"]
    assert predict(finished.run, folder / "b.png") == 3
    assert capsys.readouterr().out == ""
    (folder / "b.png").unlink()
    assert predict(finished.run, folder) == 0


def test_rows_of_a_table_keep_their_order_and_are_called_by_their_id_or_their_path_as_written(finished, folder):
    paths = ["./d.png", "a.png", "b.png", "a.png"]
    table = folder / "asked.csv"
    table.write_text("path\n" + "\n".join(paths))
    assert [each["input"] for each in finished.run.predict([table])] == paths

    table.write_text("id,path,price\n7,./d.png,3\n3,a.png,3\n9,b.png,3\n1,a.png,3\n")
    answers = finished.run.predict([table])
    assert [each["input"] for each in answers] == ["7", "3", "9", "1"]
    assert ["error" in each for each in answers] == [False, False, True, False]
    assert bits(answers)[1] == bits(answers)[3] == bits(finished.run.predict([folder / "a.png"]))[0]


def test_how_a_table_was_read_is_told_and_one_that_leads_nowhere_is_refused_before_any_answer(finished, folder, capsys):
    table = folder / "asked.csv"
    table.write_text("id,filename\n1,a\n2,c\n")
    assert predict(finished.run, table, "--csv") == 0
    out, err = capsys.readouterr()
    assert [row["input"] for row in csv.DictReader(io.StringIO(out))] == ["1", "2"]
    assert "note: column 'filename' is read as path (+ .png): 2 of 2 files found" in err

    table.write_text("id,path\n1,away/x.png\n2,away/y.png\n")
    assert predict(finished.run, folder / "a.png", table, "--csv") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: column 'path': none of 2 files found; the first would be" in err
    assert "--set dataset.folder=DIR" in err


def test_settings_say_how_other_data_is_read(finished, tmp_path, capsys):
    """Two folders hold pictures of the names that the table has: a setting chooses, and the run's own stay."""
    pictures = sorted(finished.pictures.rglob("*.png"))[:6]
    for folder, chosen in (("old", pictures[:1] * 6), ("new", pictures)):
        (tmp_path / folder).mkdir()
        for number, path in enumerate(chosen):
            (tmp_path / folder / f"p{number}.png").write_bytes(path.read_bytes())
    table = tmp_path / "list.csv"
    table.write_text("image,species\n" + "".join(f"p{n},{path.parent.name}\n" for n, path in enumerate(pictures)))
    with pytest.raises(DataError, match="2 readings lead to files"):
        finished.run.predict([table])
    sets = ["dataset.folder=new"]
    assert bits(finished.run.predict([table], sets=sets)) == bits(finished.run.predict(pictures))
    run = str(finished.run.path)
    assert run_arguments(["evaluate", run, str(table), "--set", sets[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == {"test": 6}
    assert run_arguments(["predict", run, str(table), "--set", "dataset.foldr=new"]) == 2
    assert "foldr" in capsys.readouterr().err
    assert run_arguments(["predict", run, str(table), "--set", "seed=1"]) == 2
    assert (
        "a finished run takes predict.tile, predict.overlap, predict.lines and settings of other data"
        in capsys.readouterr().err
    )
    assert run_arguments(["evaluate", run, "--set", sets[0]]) == 2
    assert "headstart evaluate RUN DATA" in capsys.readouterr().err


def test_what_takes_a_while_is_told_with_its_rate_and_the_rest_is_not(finished, folder, capsys, monkeypatch):
    assert predict(finished.run, folder / "a.png") == 0
    assert "predict:" not in capsys.readouterr().err
    monkeypatch.setattr(reporting, "SOON", 0.0)
    table = folder / "asked.csv"
    table.write_text("path\n" + "a.png\n" * (3 * BATCH))
    assert predict(finished.run, table, "--csv") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3 * BATCH + 1
    assert f"predict: {3 * BATCH} inputs" in err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_rows_that_came_before_a_signal_are_whole_and_the_exit_code_is_130(finished, folder, small_plugin, number):
    table = folder / "asked.csv"
    table.write_text("path\n" + "a.png\n" * 100_000)
    code = "from headstart_cli.main import run; run()"
    command = [sys.executable, "-c", code, "predict", finished.run.path, table, "--csv"]
    env = {**os.environ, "PYTHONPATH": str(small_plugin)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    head = [process.stdout.readline() for _ in range(BATCH)]
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.stdout.read(), process.stderr.read()
    assert process.wait(timeout=60) == 130, err
    assert time.monotonic() - began < 10
    rows = list(csv.DictReader(io.StringIO("".join(head) + out)))
    assert {(row["input"], row["prediction"]) for row in rows} == {("a.png", rows[0]["prediction"])}
    told = [f"error: stopped after {count:,} inputs; their rows are printed" for count in (len(rows) - 1, len(rows))]
    assert any(each in err for each in told)  # it may have come while the last row was printed
