"""Going on with a run: when it is finished, and which differences to its recipe are none."""

import pytest

from headstart.errors import RecipeError, UsageError
from headstart.events import RunFinished, to_line
from headstart.recipes.build import build_recipe
from headstart.recipes.file import write_recipe
from headstart.runs.resuming import is_finished, taken_up
from headstart_cli.main import run_arguments


@pytest.fixture
def begun(tmp_path):
    """The folder of a run of pictures, with its recipe alone."""
    flags = {"data": "/data/a/photos", "backbone": "efficientnet_lite/lite0", "epochs": 3, "out": str(tmp_path)}
    write_recipe(build_recipe(flags=flags), tmp_path / "recipe.toml")
    return tmp_path


def stated(folder, **flags):
    return build_recipe(flags={"out": str(folder), **flags})


def test_a_run_is_finished_once_its_history_says_so(begun):
    """A run killed between its result and its last event has drawn no report."""
    assert not is_finished(stated(begun))
    (begun / "result.json").write_text("{}")
    (begun / "events.jsonl").write_text("")
    assert not is_finished(stated(begun))
    (begun / "events.jsonl").write_text(to_line(RunFinished(time=1.0, result={})) + "\n")
    assert not is_finished(stated(begun))
    (begun / "artefact").mkdir()
    assert is_finished(stated(begun))
    (begun / "result.json").write_text("{")
    assert not is_finished(stated(begun))
    (begun / "result.json").write_text("{}")
    (begun / "events.jsonl").write_bytes(b"\0\0\n")
    assert not is_finished(stated(begun))


def test_a_run_goes_on_with_its_own_recipe(begun, small_registry):
    assert taken_up(stated(begun), small_registry).epochs == 3
    assert taken_up(stated(begun, epochs=3, backbone="lite0"), small_registry).backbone == "efficientnet_lite/lite0"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"epochs": 5}, "says 5, the run has 3"),
        ({"data": "photos"}, "the run has /data/a/photos"),
        ({"backbone": "lite1"}, "says lite1, the run has efficientnet_lite/lite0"),
    ],
    ids=["value", "another folder of that name", "backbone"],
)
def test_a_flag_that_differs_is_refused_with_both_values(begun, flags, told, small_registry):
    with pytest.raises(RecipeError) as caught:
        taken_up(stated(begun, **flags), small_registry)
    assert told in str(caught.value)


@pytest.fixture
def left_to_its_strategy(tmp_path, small_registry, bound):
    """The folder of a run whose strategy said how long and at which rates, with its recipe alone."""
    flags = {"data": "digits", "task": "classification", "backbone": "small/net", "weights": "none", "backend": "torch"}
    resolved = bound(build_recipe(flags={**flags, "strategy": "lp_ft"}), small_registry)
    write_recipe(resolved.recipe, tmp_path / "recipe.toml")
    return tmp_path, resolved


def test_a_flag_that_says_what_the_strategy_had_said_is_no_difference(left_to_its_strategy, small_registry):
    folder, resolved = left_to_its_strategy
    tuned = resolved.phases[-1]
    rate = tuned.rates["top"]
    assert taken_up(stated(folder, epochs=tuned.epochs, learning_rate=rate), small_registry) == taken_up(
        stated(folder), small_registry
    )


@pytest.mark.parametrize(
    ("key", "value"), [("epochs", 3), ("learning_rate", 7e-3), ("train", ("head",)), ("limit", 40)]
)
def test_a_flag_that_differs_from_what_nobody_had_set_is_refused(left_to_its_strategy, small_registry, key, value):
    folder, _ = left_to_its_strategy
    with pytest.raises(RecipeError) as caught:
        taken_up(stated(folder, **{key: value}), small_registry)
    told = "the run has none" if key == "limit" else "the run leaves it to its strategy"
    assert told in str(caught.value)
    assert "None" not in str(caught.value)


@pytest.mark.parametrize(
    ("mine", "goes_on"),
    [
        ("image_folder:{here}/a/photos", True),
        ("files/image_folder:{here}/a/photos", True),
        ("image_folder:a/photos", True),
        ("image_folder:b/photos", False),
        ("folder:{here}/a/photos", False),
        ("a/photos", True),
        ("{here}/a/photos", True),
        ("b/photos", False),
        ("image_folder:photos", False),
        ("photos", False),
    ],
)
def test_a_reference_may_be_spelt_shorter(tmp_path, monkeypatch, mine, goes_on, small_registry):
    yours = f"files/image_folder:{tmp_path}/a/photos"
    write_recipe(build_recipe(flags={"data": yours}), tmp_path / "recipe.toml")
    monkeypatch.chdir(tmp_path)
    asked = stated(tmp_path, data=mine.format(here=tmp_path))
    if goes_on:
        assert taken_up(asked, small_registry).data == yours
    else:
        with pytest.raises(RecipeError, match="the run has files/image_folder"):
            taken_up(asked, small_registry)


def test_without_a_folder_there_is_nothing_to_go_on_with(small_registry):
    with pytest.raises(UsageError, match="--resume"):
        taken_up(build_recipe(flags={}), small_registry)


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_folder_without_a_run_is_told_where_no_data_is_named_either(tmp_path, small_registry, name):
    with pytest.raises(UsageError, match=r"there is no run in .* to go on with") as caught:
        taken_up(stated(tmp_path / name), small_registry)
    assert "check the folder" in caught.value.hint
    assert taken_up(stated(tmp_path / name, data="digits"), small_registry).data == "digits"


def test_a_folder_of_something_else_is_refused(tmp_path, small_registry):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="holds no run"):
        taken_up(stated(tmp_path), small_registry)


def test_a_finished_run_that_is_to_go_on_is_told_to_be_finished(begun, capsys):
    (begun / "result.json").write_text("{}")
    (begun / "events.jsonl").write_text(to_line(RunFinished(time=1.0, result={})) + "\n")
    (begun / "artefact").mkdir()
    assert run_arguments(["fit", "--resume", "--out", str(begun)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{begun}\n"
    assert f"{begun} is finished, so nothing was done; --continue {begun}" in told.err.replace("\n", " ")
