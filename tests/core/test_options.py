"""Typed plugin options: a recipe's table becomes a frozen record, or problems that say what to do."""

from dataclasses import dataclass
from typing import Literal

import pytest

from headstart.options import NoOptions, Text, describe_options, option, parse_options


@dataclass(frozen=True)
class Sample:
    nested: bool = option(False, "Treat nested folders as classes.")
    minimum: int = option(2, "Smallest class.", low=1, high=10)
    zoom: float = option(0.2, "How far.", low=0.0, high=1.0)
    name: str = option("a", "A name.")
    way: str = option("crop", "How it fits.", choices=("crop", "pad"))
    mode: Literal["fast", "slow"] = option("fast", "How.")
    size: int | None = option(None, "Side in pixels.", low=8)
    scales: tuple[float, ...] = option((1.0,), "Scales.", high=4.0)
    columns: bool | tuple[str, ...] | None = option(None, "All columns, or these.")


def parse(**values):
    return parse_options(Sample, values, "input")


def test_nothing_chosen_gives_the_defaults():
    assert parse() == (Sample(), ())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("nested", True, True),
        ("minimum", 3, 3),
        ("zoom", 1, 1.0),
        ("zoom", Text("1e-1"), 0.1),
        ("minimum", Text("7"), 7),
        ("nested", Text("true"), True),
        ("name", Text("5"), "5"),
        ("name", Text("true"), "true"),
        ("name", Text("'; '"), "; "),
        ("name", Text('"; "'), "; "),
        ("name", Text('" "'), " "),
        ("name", Text(r'"\t"'), "\t"),
        ("name", Text(r"'\t'"), r"\t"),
        ("name", Text("''"), ""),
        ("name", Text("'"), "'"),
        ("name", Text("'a' and \"b\""), "'a' and \"b\""),
        ("name", "';'", "';'"),  # a recipe's file has taken the quotes off already
        ("way", Text("'pad'"), "pad"),
        ("way", Text("pad"), "pad"),
        ("mode", Text("slow"), "slow"),
        ("size", 32, 32),
        ("size", "none", None),
        ("size", Text("none"), None),
        ("scales", [1, 2.5], (1.0, 2.5)),
        ("scales", Text("[1, 2.5]"), (1.0, 2.5)),
        ("columns", Text("true"), True),
        ("columns", Text('["a", "b"]'), ("a", "b")),
        ("columns", Text("none"), None),
    ],
)
def test_values_become_the_type_that_the_option_declares(name, value, expected):
    parsed, problems = parse(**{name: value})
    assert problems == ()
    assert getattr(parsed, name) == expected
    assert type(getattr(parsed, name)) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("minimum", 0, "must be at least 1, not 0"),
        ("minimum", 11, "must be at most 10, not 11"),
        ("minimum", True, "must be int, not True"),
        ("minimum", 2.5, "must be int, not 2.5"),
        ("minimum", "3", "must be int, not '3'"),
        ("minimum", Text("many"), "must be int, not 'many'"),
        ("name", Text(r'"C:\data"'), "must be a string of TOML where it begins and ends with quotes"),
        ("name", Text("'it's'"), "must be a string of TOML"),
        ("zoom", float("nan"), "must be a finite number"),
        ("zoom", float("inf"), "must be a finite number"),
        ("nested", 1, "must be bool, not 1"),
        ("way", "squash", "must be one of crop, pad, not 'squash'"),
        ("mode", "quick", "must be one of 'fast', 'slow', not 'quick'"),
        ("size", 4, "must be at least 8"),
        ("name", 5, "must be str, not 5"),
        ("scales", [1.0, 9.0], "must be at most 4, not 9.0"),
        ("scales", 1.0, "must be a list of float, not 1.0"),
        ("columns", Text("a"), "must be bool or list of str or none, not 'a'"),
    ],
)
def test_values_that_do_not_fit_say_what_was_expected_and_received(name, value, message):
    parsed, (problem,) = parse(**{name: value})
    assert parsed is None
    assert problem.where == f"input.{name}"
    assert message in problem.message


def test_an_unknown_option_suggests_the_near_miss():
    _, (problem,) = parse(minimun=3)
    assert problem.where == "input.minimun"
    assert "minimum" in problem.hint


def test_an_unknown_option_names_whose_it_is_not():
    """The data may have chosen another task than the one whose option it is."""
    _, (problem,) = parse_options(NoOptions, {"balance": "sampling"}, "task", "multilabel/multilabel")
    assert problem.message == "multilabel/multilabel has no such option"


def test_every_problem_is_told_at_once():
    _, problems = parse(minimum=0, zoom=2, other=1)
    assert [problem.where for problem in problems] == ["input.minimum", "input.zoom", "input.other"]


def test_options_that_check_their_fields_together_can_refuse():
    @dataclass(frozen=True)
    class Range:
        low: int = option(1, "Low.")
        high: int = option(2, "High.")

        def __post_init__(self):
            if self.low > self.high:
                raise ValueError("low must not be above high")

    assert parse_options(Range, {"low": 5}, "task")[1][0].message == "low must not be above high"


def test_specs_without_options_refuse_any():
    _, (problem,) = parse_options(NoOptions, {"x": 1}, "dataset")
    assert problem.hint == "it has no options"


def test_a_listing_shows_type_default_bounds_and_sentence():
    described = {info.name: info for info in describe_options(Sample)}
    assert (described["size"].type, described["size"].default, described["size"].low) == (
        "int or none",
        None,
        8,
    )
    assert described["mode"].choices == ("fast", "slow")
    assert described["scales"].type == "list of float"
    assert described["zoom"].help == "How far."
