"""A recipe without a task gets the one that its data asks for, once the data was seen."""

import pytest

from headstart.errors import RecipeError
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import bind, resolve_recipe
from headstart.registry import DISABLE_VARIABLE, load_registry
from headstart.runs.planning import open_records
from headstart.specs import Record, Records
from headstart.testing import write_distribution

REGISTRY = load_registry()


def records(*targets, form=None):
    return Records("image", tuple(Record(str(i), b"", each) for i, each in enumerate(targets)), targets=form)


CLASSES = records("cat", "dog")
LABELS = records("red|round", "red", "round", "")
NUMBERS = records(*(f"{n / 7:.2f}" for n in range(20)))


def settled(found, sets=(), **flags):
    recipe = build_recipe(flags={"data": "digits", **flags}, sets=sets)
    return bind(resolve_recipe(recipe, REGISTRY), REGISTRY, found)


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


def test_weights_that_a_plan_for_random_ones_begins_with_are_a_warning():
    backbone = "keras_applications/mobilenetv2"
    (warning,) = settled(CLASSES, backbone=backbone, strategy="scratch").warnings
    assert "scratch is meant for random weights" in warning
    assert "'imagenet': --weights none makes them random" in warning
    assert not settled(CLASSES, backbone=backbone, strategy="scratch", weights="none").warnings
    assert not settled(CLASSES, backbone=backbone, strategy="full").warnings


def test_options_of_the_task_are_taken_before_the_data_was_seen():
    resolved = settled(LABELS, sets=("task.label_smoothing=0.1",))
    assert resolved.options["task"].label_smoothing == 0.1


def test_options_that_the_datas_task_lacks_are_refused_then():
    with pytest.raises(RecipeError, match=r"task\.balance"):
        settled(NUMBERS, sets=("task.balance=sampling",))


def test_options_that_no_task_has_are_refused_at_once():
    with pytest.raises(RecipeError, match=r"task\.colour"):
        resolve_recipe(build_recipe(flags={"data": "digits"}, sets=("task.colour=red",)), REGISTRY)


KINDS = """
from headstart.hookspecs import hookimpl
from headstart.specs import InputSpec

@hookimpl
def register_inputs():
    return [InputSpec(name="read/words", summary="Words.", build="read:build", reads=("text",), produces="image",
                      flags={"max-words": "most"}, options=Options),
            InputSpec(name="read/scans", summary="Scans.", build="read:build", reads=("image",), produces="image")]
"""
OPTIONS = """
from dataclasses import dataclass
from headstart.options import option

@dataclass(frozen=True)
class Options:
    most: int = option(8, "Words at most.", low=1)
"""


@pytest.fixture
def with_kinds(tmp_path, monkeypatch):
    write_distribution(tmp_path, "read", OPTIONS + KINDS)
    monkeypatch.setenv(DISABLE_VARIABLE, "small")  # other tests may have put it on the path, and it reads texts too
    monkeypatch.syspath_prepend(tmp_path)
    return load_registry()


@pytest.fixture
def table(tmp_path):
    def written(text):
        file = tmp_path / "table.csv"
        file.write_text(text)
        return str(file)

    return written


PATHS, TEXTS = "path,label\na.png,cat\nb.png,dog\n", "text,label\nso good,good\nso bad,bad\n"


def opened(registry, **flags):
    resolved = resolve_recipe(build_recipe(flags={"backend": "jax", **flags}), registry)
    return bind(resolved, registry, open_records(resolved, registry))


def test_a_table_of_pictures_gets_its_backbone_once_it_is_opened(table):
    resolved = resolve_recipe(build_recipe(flags={"data": table(PATHS)}), REGISTRY)
    assert (resolved.backbone, resolved.input) == (None, None)
    bound = opened(REGISTRY, data=table(PATHS), image_size=96)
    assert (bound.backbone.default_for, bound.input.name) == ("image", "image/image")
    assert bound.options["input"].size == 96
    assert bound.recipe.origin("input.size") == "flag --image-size"
    again = resolve_recipe(bound.recipe, REGISTRY)
    assert (again.backbone, again.input) == (bound.backbone, bound.input)


def test_a_table_of_texts_gets_no_backbone_for_pictures(table):
    assert opened(REGISTRY, data=table(TEXTS), weights="none").backbone.takes == "tokens"
    with pytest.raises(RecipeError, match="no installed input kind reads text data and makes the tensors 'image'"):
        opened(REGISTRY, data=table(TEXTS), backbone="lite0", weights="none")


def test_texts_are_read_by_a_kind_that_feeds_the_backbone(table, with_kinds):
    bound = opened(with_kinds, data=table(TEXTS), backbone="lite0", weights="none", max_words=3)
    assert (bound.input.name, bound.options["input"].most) == ("read/words", 3)


def test_the_user_names_one_of_several_input_kinds(with_kinds):
    recipe = build_recipe(flags={"data": "digits", "backend": "jax"}, sets=["input.kind=scans"])
    assert resolve_recipe(recipe, with_kinds).input.name == "read/scans"
    assert resolve_recipe(build_recipe(flags={"data": "digits", "backend": "jax"}), with_kinds).input.native
    with pytest.raises(RecipeError, match=r"input.kind .--set.: read/words reads text; the data is image"):
        resolve_recipe(build_recipe(flags={"data": "digits"}, sets=["input.kind=words"]), with_kinds)


def test_a_flag_of_another_input_kind_is_refused_naming_both(with_kinds):
    with pytest.raises(RecipeError, match=r"max_words .*image/image has no --max-words; that is for read/words"):
        resolve_recipe(build_recipe(flags={"data": "digits", "max_words": 4}), with_kinds)
    with pytest.raises(RecipeError, match=r"image_sice .*did you mean image_size"):
        resolve_recipe(build_recipe(flags={"data": "digits", "image_sice": 96}), with_kinds)


def test_a_flag_and_set_may_say_the_same_and_not_two_things():
    flags = {"data": "digits", "image_size": 96}
    assert resolve_recipe(build_recipe(flags=flags, sets=["input.size=96"]), REGISTRY).options["input"].size == 96
    with pytest.raises(RecipeError, match="flag --image-size says 96, --set says 64"):
        resolve_recipe(build_recipe(flags=flags, sets=["input.size=64"]), REGISTRY)
