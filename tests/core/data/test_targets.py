"""Targets as text: what they hold, and which task they ask for."""

import pytest

from headstart.data.checks import check_records, check_targets
from headstart.data.targets import labels_of, number_of, read_target, tell_form
from headstart.errors import DataError
from headstart.specs import Record, Records


def records(targets, form=None):
    items = tuple(Record(f"r{index}", b"", target) for index, target in enumerate(targets))
    return Records("image", items, targets=form)


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3.0), ("-3.5", -3.5), (" 1e3 ", 1000.0), (".5", 0.5), ("+2.", 2.0), ("0", 0.0)]
)
def test_numbers_are_read_as_people_write_them(text, value):
    assert number_of(text) == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_000", "1,5", "3 kg", "0x10", "1e999", "٣"])
def test_everything_else_is_no_number(text):
    assert number_of(text) is None


def test_labels_are_what_stands_between_the_separators():
    assert labels_of("red|round ") == ("red", "round")
    assert labels_of("red") == ("red",)
    assert labels_of("") == labels_of("|") == ()


def test_a_target_is_read_in_its_form_and_what_is_no_number_is_named():
    assert read_target("class", "red|round", "r1") == "red|round"
    assert read_target("labels", "red|round", "r1") == ("red", "round")
    assert read_target("number", "-3.5", "r1") == -3.5
    with pytest.raises(DataError, match="r2: the target 'tall'"):
        read_target("number", "tall", "r2")


@pytest.mark.parametrize(
    ("targets", "form"),
    [
        (["cat", "dog", "cat"], "class"),
        (["red", "round", "red|round"], "labels"),
        (["red|round", "red", "", "round"], "labels"),
        (["A|1", "B|2", "A|1"], "class"),  # a separator, but each label comes with the same others only
        ([f"{n / 7:.3f}" for n in range(30)], "number"),
        (["0.5", "1.0"] * 10, "class"),  # grades
        ([str(n % 10) for n in range(100)], "class"),
        ([str(n) for n in range(100)], "number"),
        ([str(n % 100) for n in range(5000)], "class"),  # as many as a hundred classes have
        ([*(str(n) for n in range(100)), "unknown"], "class"),
        (["1.0", "2.0", "3.0"] * 9, "class"),
    ],
)
def test_the_targets_tell_their_form(targets, form):
    assert tell_form(records(targets)).form == form


def test_what_the_dataset_says_comes_first():
    assert tell_form(records(["1.5", "2.5", "9.1", "7.3", "8.2"], "class")).form == "class"
    assert tell_form(records(["cat", "dog"], "labels")).form == "labels"


def test_the_reason_holds_the_counts_and_doubtful_ones_are_marked():
    told = tell_form(records([str(n) for n in range(100)]))
    assert told.could_differ
    assert "100 targets are whole numbers, 100 different" in told.reason
    assert not tell_form(records(["cat", "dog"])).could_differ


def test_odd_cells_in_a_column_of_numbers_are_told():
    told = tell_form(records([*(str(n) for n in range(100)), "unknown", "n/a"]))
    assert (told.form, told.could_differ) == ("class", True)
    assert told.reason == "100 of 102 targets are numbers, and 'unknown' is none"
    assert not tell_form(records([*(str(n) for n in range(30)), *["cat"] * 9])).could_differ  # a quarter is no odd cell
    assert not tell_form(records([*(str(n % 10) for n in range(100)), "none"])).could_differ  # digits and one more


@pytest.mark.parametrize(
    ("targets", "form", "words"),
    [
        (["1.5", "tall"], "number", "r1: the target 'tall' is no number"),
        (["1.5", "1.50"], "number", "nothing to learn"),
        (["", ""], "labels", "no sample has any label"),
        (["a|b", "b|a"], "labels", "the same labels"),
        (["a|b", "a|a"], "labels", "r1: a label is given twice"),
        (["a", "a"], "class", "at least two classes"),
        (["a", "b\udc80"], "labels", "not valid UTF-8"),
    ],
)
def test_targets_that_nothing_can_be_learned_from_are_refused(targets, form, words):
    with pytest.raises(DataError, match=words):
        check_targets(records(targets).items, form)


def test_a_record_may_be_without_labels_but_not_without_a_class():
    check_records(records(["a", ""]).items, "labels")
    for form in ("class", "number"):
        with pytest.raises(DataError, match="r1: no label"):
            check_records(records(["1", ""]).items, form)


def test_labels_that_look_alike_are_refused_and_numbers_never_are():
    with pytest.raises(DataError, match="'Cat' and 'cat'"):
        check_records(records(["Cat|dog", "cat"]).items, "labels")
    check_records(records(["1E3", "1e3"]).items, "number")
