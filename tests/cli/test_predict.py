"""Inputs on stdin, and answers as a table: each place of a list has its own columns, a list of one too."""

from __future__ import annotations

import io
import sys

import numpy as np

from headstart_cli.answers import flatten, tabulate
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


def test_of_an_array_the_shape_is_shown():
    columns, rows = tabulate([flatten(each) for each in [{"input": "a", "mask": np.zeros((3, 5), np.uint8)}]])
    assert (columns, rows) == (["input", "mask"], [["a", "3 x 5"]])


def test_a_newline_alone_ends_an_input_on_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("it rains\u2028and pours\n\n  \na\x0cb.png\n"))
    assert _lines() == ["it rains\u2028and pours", "a\x0cb.png"]
