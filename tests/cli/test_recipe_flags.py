"""Flags of input kinds work as if they were a verb's own, and only those that an installed kind declares."""

import pytest

from headstart.options import Text
from headstart.testing import write_distribution
from headstart_cli.main import run_arguments
from headstart_cli.recipe_flags import flags_of

WORDS = """
from dataclasses import dataclass
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import InputSpec

@dataclass(frozen=True)
class Options:
    most: int = option(8, "Words at most.", low=1)

@hookimpl
def register_inputs():
    return [InputSpec(name="words/words", summary="Words.", build="words:build", reads=("text",), produces="tokens",
                      flags={"max-words": "most"}, options=Options)]
"""


@pytest.fixture
def words(tmp_path, monkeypatch):
    write_distribution(tmp_path, "words", WORDS)
    monkeypatch.syspath_prepend(tmp_path)


def test_parameters_that_are_settings_are_passed_on_and_no_others():
    arguments = {"data": "digits", "epochs": 3, "as_json": True, "image_size": "96", "input_flags": ["max-words=4"]}
    assert flags_of(arguments) == {"data": "digits", "epochs": 3, "image_size": Text("96"), "max_words": Text("4")}


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("spelt", [("--max-words", "4"), ("--max-words=4",)])
def test_a_flag_of_another_kind_is_known_and_refused_by_the_kind_of_the_run(capsys, spelt):
    assert run_arguments(["fit", *spelt, "digits", "--backend", "jax", "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert "max_words (flag --max-words): image/image has no --max-words; that is for words/words" in told


def test_a_flag_that_no_kind_declares_is_none_of_the_verb(capsys):
    assert run_arguments(["fit", "digits", "--max-words", "4"]) == 2
    assert "No such option: --max-words" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--optimizer", "--set strategy.optimizer=VALUE"),
        ("--label-smoothing", "--set task.label_smoothing=VALUE"),
        ("--lr", "--learning-rate"),
        ("--epoch", "--epochs"),
        ("--image-sise", "--image-size"),
    ],
)
def test_what_people_type_for_a_flag_is_answered_with_the_flag_or_setting_that_is_meant(capsys, typed, meant):
    assert run_arguments(["fit", "digits", typed, "4"]) == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"No such option: {typed} (Possible options: {meant})" in told


def test_a_flag_that_is_like_none_is_answered_with_none(capsys):
    assert run_arguments(["fit", "digits", "--wrap"]) == 2
    told = capsys.readouterr().err
    assert "No such option: --wrap" in told
    assert "Possible" not in told


def test_an_option_that_is_set_without_its_table_is_answered_with_how_it_is_written(capsys):
    assert run_arguments(["fit", "digits", "--set", "dropout=0.5", "--backend", "jax"]) == 2
    assert "dropout (--set): no such setting (options have a table, as in strategy.NAME" in capsys.readouterr().err


def test_a_value_that_the_option_does_not_take_is_told_by_its_flag(capsys):
    assert run_arguments(["fit", "digits", "--image-size", "wide", "--backend", "jax"]) == 2
    assert "input.size (flag --image-size): must be int" in capsys.readouterr().err


@pytest.mark.usefixtures("words")
def test_help_shows_the_flags_of_every_installed_kind(capsys):
    assert run_arguments(["fit", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--image-size (image/image: size)" in told
    assert "--max-words (words/words: most)" in told
