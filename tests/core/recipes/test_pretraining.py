"""`headstart pretrain` is `fit` with other defaults: they give way to all that is said."""

import sys

import pytest

from headstart.errors import RecipeError
from headstart.recipes.build import build_recipe, pretraining_recipe
from headstart.recipes.file import render_recipe
from headstart.recipes.resolve import bind, resolve_recipe
from headstart.registry import load_registry
from headstart.specs import Record, Records
from headstart.testing import write_distribution

REGISTRY = load_registry()
SCRATCH = REGISTRY.strategy_from_scratch().name
LIGHT = ("image_augmentations/light",)


def pretraining(sets=(), file=None, **flags):
    return pretraining_recipe(SCRATCH, flags={"data": "digits", **flags}, sets=sets, file=file)


def resolved(sets=(), file=None, **flags):
    return resolve_recipe(pretraining(sets, file, **flags), REGISTRY).recipe


def test_everything_that_it_sets_says_so_and_is_written_out():
    recipe = resolved()
    assert (recipe.weights, recipe.strategy, recipe.batch_norm) == ("none", "strategies/scratch", "trainable")
    assert recipe.augment == LIGHT
    assert {recipe.origin(key) for key in ("weights", "strategy", "batch_norm", "augment")} == {"pretrain"}
    assert 'augment = ["image_augmentations/light"] # pretrain' in render_recipe(recipe)


def test_a_flag_a_set_and_a_file_win_over_it(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[fit]\nbatch_norm = "frozen"\n')
    recipe = resolved(("augment=mixup",), file, strategy="full")
    assert (recipe.strategy, recipe.augment) == ("strategies/full", ("image_augmentations/mixup",))
    assert recipe.batch_norm == "frozen"
    origins = [recipe.origin(key) for key in ("strategy", "augment", "batch_norm", "weights")]
    assert origins == ["flag --strategy", "--set", "file mine.toml", "pretrain"]


@pytest.mark.parametrize(
    ("sets", "flags", "where"),
    [((), {"weights": "imagenet"}, "flag --weights"), (("weights=imagenet",), {}, "--set")],
)
def test_published_weights_are_refused_together_with_the_rest(sets, flags, where):
    with pytest.raises(RecipeError) as caught:
        resolved(sets, epochs=0, **flags)
    (weights,) = (each for each in caught.value.problems if each.where == f"weights ({where})")
    assert "begins with random weights, received imagenet" in weights.message
    assert "headstart fit" in weights.hint
    assert any("epochs" in each.where for each in caught.value.problems)


def test_a_head_that_was_learned_on_other_weights_is_refused():
    with pytest.raises(RecipeError, match=r"head_from \(flag --head-from\): pretraining begins with random weights"):
        resolved(head_from="runs/x")


def test_a_strategy_that_trains_the_head_alone_names_the_policy_that_pretraining_sets():
    with pytest.raises(RecipeError, match=r"batch_norm \(pretrain\): --batch-norm trainable has nothing.*frozen or"):
        resolved(strategy="probe")


def test_a_strategy_that_keeps_statistics_clashes():
    with pytest.raises(RecipeError, match="BatchNorm statistics that stay"):
        resolved(strategy="norm_only")


def test_auto_stands_beside_others_and_is_taken_once():
    recipe = build_recipe(flags={"data": "digits", "augment": ["mixup", "auto"]})
    assert resolve_recipe(recipe, REGISTRY).recipe.augment == (*LIGHT, "image_augmentations/mixup")
    assert resolved(augment=["auto", "light"]).augment == LIGHT
    with pytest.raises(RecipeError, match="contradict"):
        resolved(augment=["auto", "none"])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("path,label\na.png,x\n")
    return f"manifest:{path}"


PICTURES = Records("image", tuple(Record(str(number), b"", "ab"[number % 2]) for number in range(4)))


def test_data_whose_medium_is_known_late_gets_its_augmentation_then(table):
    stated = pretraining(("augmentation.light.shift=0.2",), data=table, backbone="lite0")
    early = resolve_recipe(stated, REGISTRY)
    assert early.augmentations == ()
    bound = bind(early, REGISTRY, PICTURES)
    assert bound.recipe.augment == LIGHT
    assert bound.options["augmentation.light"].shift == 0.2


def test_options_of_what_auto_does_not_mean_are_refused_as_soon_as_that_is_known(table):
    early = resolve_recipe(pretraining(("augmentation.colour.hue=0.2",), data=table, backbone="lite0"), REGISTRY)
    with pytest.raises(RecipeError, match="'colour', which this recipe does not use"):
        bind(early, REGISTRY, PICTURES)


SECOND = """
from headstart.hookspecs import hookimpl
from headstart.specs import AugmentationSpec

@hookimpl
def register_augmentations():
    return [AugmentationSpec(name="other_draws/it", summary="Nothing.", build="other_draws:build", default_for="image",
                             draws=frozenset(DRAWS))]
"""


@pytest.fixture
def with_second(tmp_path, monkeypatch):
    """A registry with another augmentation that wants to be the default for pictures, and draws what is given."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def loaded(*draws):
        monkeypatch.delitem(sys.modules, "other_draws", raising=False)  # of another test
        write_distribution(tmp_path, "other_draws", f"DRAWS = {draws!r}\n{SECOND}")
        return load_registry()

    return loaded


def test_two_that_want_to_be_the_default_are_named(with_second):
    registry = with_second()
    with pytest.raises(RecipeError, match="image_augmentations/light and other_draws/it both want to be the default"):
        resolve_recipe(pretraining(), registry)
    assert resolve_recipe(pretraining(augment="light"), registry).recipe.augment == LIGHT


def test_one_that_the_input_kind_does_not_apply_is_no_default(with_second):
    assert resolve_recipe(pretraining(), with_second("smell")).recipe.augment == LIGHT


def test_where_no_augmentation_is_marked_samples_do_not_vary():
    registry = load_registry(disable=["image_augmentations"])
    assert resolve_recipe(pretraining(), registry).recipe.augment == ("none",)


def test_the_explicit_recipe_means_the_same_to_fit(tmp_path):
    recipe = resolved()
    file = tmp_path / "recipe.toml"
    file.write_text(render_recipe(recipe))
    again = resolve_recipe(build_recipe(flags={}, file=file), REGISTRY).recipe
    assert (again.weights, again.strategy, again.augment) == (recipe.weights, recipe.strategy, recipe.augment)
    assert (again.batch_norm, again.options) == (recipe.batch_norm, recipe.options)
