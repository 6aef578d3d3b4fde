"""A recipe without a task gets the one that its data asks for, once the data was seen."""

import pytest

from headstart.errors import RecipeError
from headstart.recipe import build_recipe
from headstart.recipes.resolve import resolve_recipe
from headstart.registry import load_registry
from headstart.runs.settling import settle_task
from headstart.specs import Record, Records

REGISTRY = load_registry()


def records(*targets, form=None):
    return Records("image/image", tuple(Record(str(i), b"", each) for i, each in enumerate(targets)), targets=form)


CLASSES = records("cat", "dog")
LABELS = records("red|round", "red", "round", "")
NUMBERS = records(*(f"{n / 7:.2f}" for n in range(20)))


def settled(found, sets=(), **flags):
    recipe = build_recipe(flags={"data": "digits", **flags}, sets=sets)
    return settle_task(resolve_recipe(recipe, REGISTRY), REGISTRY, found)


@pytest.mark.parametrize(
    ("found", "name"), [(CLASSES, "classification"), (LABELS, "multilabel"), (NUMBERS, "regression")]
)
def test_the_form_of_the_targets_chooses_the_task(found, name):
    resolved = settled(found)
    assert resolved.task.name == resolved.recipe.task == f"{name}/{name}"
    assert resolved.recipe.origin("task").startswith("the data: ")
    assert type(resolved.options["task"]) is resolved.task.options


def test_a_task_that_was_named_stays():
    resolved = settled(NUMBERS, task="classification")
    assert resolved.task.short_name == "classification"
    assert resolved.recipe.origin("task") == "flag --task"
    assert not resolved.warnings


def test_what_could_be_meant_otherwise_is_a_warning_that_names_the_flag():
    (warning,) = settled(NUMBERS).warnings
    assert "regression" in warning
    assert "--task" in warning
    assert not settled(CLASSES).warnings
    assert not settled(records("red", "blue", form="labels")).warnings


def test_options_of_the_task_are_taken_before_the_data_was_seen():
    resolved = settled(LABELS, sets=("task.label_smoothing=0.1",))
    assert resolved.options["task"].label_smoothing == 0.1


def test_options_that_the_datas_task_lacks_are_refused_then():
    with pytest.raises(RecipeError, match=r"task\.balance"):
        settled(NUMBERS, sets=("task.balance=sampling",))


def test_options_that_no_task_has_are_refused_at_once():
    with pytest.raises(RecipeError, match=r"task\.colour"):
        resolve_recipe(build_recipe(flags={"data": "digits"}, sets=("task.colour=red",)), REGISTRY)
