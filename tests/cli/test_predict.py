"""Inputs on stdin, and answers as a table: each place of a list has its own columns, a list of one too."""

from __future__ import annotations

import csv
import io
import sys

import numpy as np
import pytest

from headstart.asking import read_settings, verify_files_have_a_place
from headstart.errors import HeadstartError, UsageError
from headstart.registry import load_registry
from headstart_cli.answers import flatten, print_as_csv, tabulate, unranked_told
from headstart_cli.runs import _lines


def test_each_place_of_a_list_has_its_own_columns():
    top = [{"label": "cat", "probability": 0.75}, {"label": "dog", "probability": 0.25}]
    columns, rows = tabulate([flatten(each) for each in [{"input": "a", "prediction": "cat", "top_k": top}]])
    assert columns == ["input", "prediction", "label_1", "probability_1", "label_2", "probability_2"]
    assert rows == [["a", "cat", "cat", 0.75, "dog", 0.25]]


def test_an_answer_of_exactly_one_box_shows_it_beside_answers_of_two_or_none():
    one, two = {"label": "cat", "x": 1.0}, {"label": "dog", "x": 2.0}
    columns, rows = tabulate([flatten(each) for each in [{"boxes": [one]}, {"boxes": []}, {"boxes": [one, two]}]])
    assert columns == ["label_1", "x_1", "label_2", "x_2"]
    assert rows == [["cat", 1.0, "", ""], ["", "", "", ""], ["cat", 1.0, "dog", 2.0]]


def test_the_best_alone_is_not_said_twice():
    best = [{"label": "cat", "probability": 0.75}]
    columns, rows = tabulate([flatten(each) for each in [{"prediction": "cat", "confidence": 0.75, "top_k": best}]])
    assert (columns, rows) == (["prediction", "confidence"], [["cat", 0.75]])


def test_a_list_of_plain_values_is_one_column():
    columns, rows = tabulate(
        [flatten(each) for each in [{"input": "a", "tokens": ["x", "y"]}, {"input": "b", "tokens": ["z"]}]]
    )
    assert (columns, rows) == (["input", "tokens"], [["a", ["x", "y"]], ["b", ["z"]]])


def test_subtitles_are_refused_where_no_folder_is_named_for_them(tmp_path):
    task = load_registry().get("tasks", "transcription")
    for asked in ("predict.srt=true", "task.srt=true"):
        with pytest.raises(UsageError, match=r"--set predict\.srt: no folder is named") as told:
            verify_files_have_a_place([asked], task, None)
        assert told.value.hint == "add --out DIR"
        verify_files_have_a_place([asked], task, tmp_path)
    verify_files_have_a_place(["predict.srt=false", "predict.beams=2"], task, None)


def csv_of(answers, top_k=1):
    """What is printed before the first answer is asked for, and after each."""
    printed = []

    def watched():
        for answer in answers:
            printed.append(sys.stdout.getvalue())
            yield answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.StringIO())
        print_as_csv(watched(), top_k)
        return [*printed, sys.stdout.getvalue()]


def test_more_answers_than_a_task_ranks_are_told_to_be_no_more():
    ranked, boxes, refused = {"prediction": "a", "top_k": []}, {"boxes": []}, {"error": "no picture"}
    for answers, top_k, is_told in (
        ([boxes, boxes], 3, True),
        ([refused, boxes], 3, True),
        ([boxes], 1, False),
        ([ranked], 3, False),
        ([refused], 3, False),
    ):
        told = []
        assert list(unranked_told(answers, top_k, told.append)) == answers
        assert (told == ["note: --top-k 3 changes nothing: this run's task does not rank its answers"]) is is_told


def test_csv_has_each_answer_as_soon_as_it_is_there_below_columns_of_the_first():
    bad = {"input": "b", "error": "b: no picture"}
    cat, dog = {"input": "a", "prediction": "cat"}, {"input": "c", "prediction": "dog", "notes": "turned"}
    assert csv_of([bad, cat, bad, dog])[1:] == [
        "",
        head := "input,prediction,notes,error\nb,,,b: no picture\na,cat,,\n",
        head + "b,,,b: no picture\n",
        head + "b,,,b: no picture\nc,dog,turned,\n",
    ]


@pytest.mark.parametrize("key", ["boxes", "top_k"])
def test_csv_of_lists_of_any_length_has_the_columns_of_the_longest(key):
    one, two = {"label": "cat"}, {"label": "dog"}
    answers = [{"input": "a", key: [one]}, {"input": "b", "error": "?"}, {"input": "c", key: [one, two]}]
    *before, whole = csv_of(answers, top_k=3)
    assert set(before) == {""}
    assert {row["input"]: row["label_2"] for row in csv.DictReader(io.StringIO(whole))} == {
        "a": "",
        "b": "",
        "c": "dog",
    }


def test_an_answer_of_another_form_than_those_that_are_printed_is_named():
    with pytest.raises(HeadstartError, match=r"^b: its answer has columns that no answer before it has: mask"):
        csv_of([{"input": "a", "prediction": "cat"}, {"input": "b", "prediction": "cat", "mask": "1 x 1"}])


def test_a_file_name_on_stdin_may_be_no_utf_8(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9.png\n"), encoding="utf-8"))
    assert _lines() == ["caf\udce9.png"]


def test_of_an_array_the_shape_is_shown():
    columns, rows = tabulate([flatten(each) for each in [{"input": "a", "mask": np.zeros((3, 5), np.uint8)}]])
    assert (columns, rows) == (["input", "mask"], [["a", "3 x 5"]])


def test_a_newline_alone_ends_an_input_on_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("it rains\u2028and pours\n\n  \na\x0cb.png\n"))
    assert _lines() == ["it rains\u2028and pours", "a\x0cb.png"]


@pytest.mark.parametrize(
    ("first", "is_table"),
    [
        ("text,label", True),
        ('\ufeff"id";"text"', True),
        ("path\tlabel", True),
        ('{"text": "it rains"}', True),
        ("Hello, world", False),
        ("a.png,b.png", False),
        ("text", False),
        ("{it} rains", False),
    ],
)
def test_a_table_on_stdin_is_told_to_be_read_by_lines(first, is_table, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{first}\nit rains,wet\n"))
    assert _lines() == [first.removeprefix("\ufeff"), "it rains,wet"]
    assert ("stdin looks like a table" in capsys.readouterr().err) == is_table


def test_lines_that_all_end_as_on_windows_end_there(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("it rains\r\n\r\na.png\r\n", newline=""))
    assert _lines() == ["it rains", "a.png"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("it rains\r\na.png", newline=""))
    assert _lines() == ["it rains", "a.png"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("it rains\r\na.png\n", newline=""))
    assert _lines() == ["it rains\r", "a.png"]


def test_a_setting_that_predict_does_not_know_is_answered_with_all_that_it_knows_of_the_task():
    task = load_registry().get("tasks", "translation")
    with pytest.raises(UsageError, match=r"predict\.beems=3: a finished run takes .*predict\.lines, task\.beams"):
        read_settings(["predict.beems=3"], task)
    assert read_settings(["predict.beams=3"], task).task == {"beams": "3"}
