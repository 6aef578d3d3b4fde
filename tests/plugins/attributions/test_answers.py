"""Which answers are chosen from predictions.csv, and how tokens are shown."""

import pytest

from headstart.errors import UsageError
from headstart_plugins._readable import readable
from headstart_plugins.attributions._answers import chosen, read_answers
from headstart_plugins.attributions._page import shown_tokens

CLASSES = """key,split,target,prediction,confidence,p:a,p:b
r1,test,a,b,0.6,0.4,0.6
r2,test,a,b,0.9,0.1,0.9
r3,test,a,a,0.7,0.7,0.3
r4,test,b,b,0.99,0.01,0.99
r5,val,a,b,0.95,0.05,0.95
r0,test,a,b,0.6,0.4,0.6
"""
NUMBERS = """key,split,target,prediction
r1,test,1.0,1.5
r2,test,2.0,2.0
r3,test,3.0,9.0
r4,test,4.0,3.9
"""


def answers(path, text, **limits):
    path.write_text(text)
    return [each.key for each in chosen(list(read_answers(path, "test")), **limits)]


def test_the_most_confident_mistakes_come_first_then_the_most_confident_right_answers(tmp_path):
    path = tmp_path / "predictions.csv"
    assert answers(path, CLASSES, mistakes=5, right=5) == ["r2", "r0", "r1", "r4", "r3"]
    assert answers(path, CLASSES, mistakes=1, right=1) == ["r2", "r4"]
    assert answers(path, CLASSES, mistakes=0, right=0) == []


def test_of_numbers_those_that_miss_most_come_first_and_none_comes_twice(tmp_path):
    path = tmp_path / "predictions.csv"
    assert answers(path, NUMBERS, mistakes=1, right=2) == ["r3", "r2", "r4"]
    assert answers(path, NUMBERS, mistakes=9, right=9) == ["r3", "r1", "r4", "r2"]


def test_labels_in_another_order_are_the_same(tmp_path):
    path = tmp_path / "predictions.csv"
    rows = ("r1,test,b | a,a|b,0.8,0.9", "r2,test,,,0.2,0.1", "r3,test,a,a|b,0.9,0.6")
    path.write_text("key,split,target,prediction,p:a,p:b\n" + "\n".join(rows) + "\n")
    assert [each.miss for each in read_answers(path, "test")] == [0.0, 0.0, 1.0]
    assert answers(path, CLASSES.replace(",a,b,", ",a|b,b|a,"), mistakes=9, right=0) == ["r2", "r0", "r1"]


def test_the_explained_unit_is_the_most_probable_class(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text(CLASSES)
    first, *_ = read_answers(path, "test")
    assert (first.unit, first.name, first.confidence) == (1, "b", 0.6)


@pytest.mark.parametrize("columns", ["key,split,target,boxes", "key,split,target,prediction,extra"])
def test_answers_that_are_no_labels_and_no_number_are_refused_by_their_columns(tmp_path, columns):
    path = tmp_path / "predictions.csv"
    path.write_text(columns + "\n")
    with pytest.raises(UsageError, match="labels or a number"):
        list(read_answers(path, "test"))


def test_a_missing_file_of_answers_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"predictions\.csv is not there"):
        list(read_answers(tmp_path / "predictions.csv", "test"))


def test_colours_tell_sign_and_size():
    large, small, against, neither = shown_tokens(["w", "x", "y", "z"], [2.0, 1.0, -2.0, 0.0])
    assert (large.sign, against.sign, neither.sign) == ("for", "against", "neither")
    assert large.background == "rgba(0,114,178,0.60)"
    assert small.background == "rgba(0,114,178,0.30)"
    assert against.background == "rgba(213,94,0,0.60)"
    assert neither.background.endswith(",0.00)")
    assert [each.background for each in shown_tokens(["a"], [0.0])] == [neither.background]
    assert shown_tokens([], []) == []


def test_joiners_of_letters_are_kept_and_overrides_of_direction_are_written_out():
    assert (
        readable("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\u3000x")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\u3000x"
    )
    assert readable("a\u202eb\x1b") == "a\\u202eb\\x1b"
