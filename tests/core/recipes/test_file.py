"""TOML in and out: what is written reads back as the same recipe, and shows where each value came from."""

import dataclasses
import errno
import os
import re
import tomllib

import pytest

from headstart.errors import HeadstartError, PluginError
from headstart.manifest import RUN
from headstart.recipes.build import build_recipe, recipe_of_run
from headstart.recipes.file import render_recipe, starter_recipe, write_recipe
from headstart.recipes.resolve import resolve_recipe
from headstart.registry import load_registry


@pytest.fixture(scope="module")
def registry():
    return load_registry()


def test_a_recipe_that_cannot_be_written_leaves_none_and_is_named(resolved, tmp_path, monkeypatch):
    """A run goes on by its recipe: half of one, or an empty file after a loss of power, would be its end."""

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HeadstartError, match=r"recipe\.toml.*No space left"):
        write_recipe(resolved.recipe, tmp_path / "recipe.toml")
    assert list(tmp_path.iterdir()) == []


def without_origins(recipe):
    return dataclasses.replace(recipe, origins={})


@pytest.fixture
def resolved(registry, bound):
    flags = {"data": "digits", "augment": ["classic"], "image_size": 96, "epochs": 3, "backend": "jax"}
    return bound(build_recipe(flags=flags, sets=["strategy.backbone_rate=1e-4"]), registry)


def test_a_resolved_recipe_round_trips_and_resolves_to_the_same(resolved, registry, tmp_path, bound):
    path = tmp_path / "recipe.toml"
    write_recipe(resolved.recipe, path)
    again = build_recipe(flags={}, file=path)
    assert without_origins(again) == without_origins(resolved.recipe)
    second = bound(again, registry)
    assert second.options == resolved.options
    assert without_origins(second.recipe) == without_origins(resolved.recipe)


def test_each_line_shows_where_its_value_came_from(resolved):
    text = render_recipe(resolved.recipe)
    assert 'data = "digits/digits" # argument DATA' in text
    assert "epochs = 3 # flag --epochs" in text
    assert "backbone_rate = 0.0001 # --set" in text
    assert "size = 96 # flag --image-size" in text
    assert "batch_size = 32 # default" in text
    assert "[augmentation.classic]" in text


def test_names_and_values_that_toml_must_quote_survive(tmp_path):
    path = tmp_path / "recipe.toml"
    odd = 'a "b"\\ é\n#'
    recipe = build_recipe(flags={"data": odd, "out": odd}, sets=["augmentation.x/y z.zoom=3", f"dataset.label={odd}"])
    write_recipe(recipe, path)
    again = build_recipe(flags={}, file=path)
    assert (again.data, again.out, again.options) == (odd, odd, recipe.options)


def test_the_starter_recipe_runs_as_it_is(registry, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(starter_recipe(registry), encoding="utf-8")
    recipe = build_recipe(flags={}, file=path)
    assert recipe.problems == ()
    assert resolve_recipe(recipe, registry).dataset.name == "digits/digits"


def test_the_starter_recipe_holds_every_setting_and_option_with_its_sentence(registry):
    text = starter_recipe(registry)
    for name in ("backbone", "epochs", "learning_rate", "split_seed"):
        assert re.search(rf"^# .+\n# {name} = ", text, re.MULTILINE)
    for spec in registry.specs("strategies"):
        for option in dataclasses.fields(spec.options):
            assert f"# {option.name} = " in text
            assert option.metadata["option"].help.split(". ")[0][:40] in text


def test_a_line_of_the_starter_recipe_can_be_uncommented(registry, tmp_path):
    path = tmp_path / "recipe.toml"
    text = starter_recipe(registry).replace("# batch_size = 32", "batch_size = 16")
    path.write_text(text.replace("# backbone_rate = ", "backbone_rate = ", 1), encoding="utf-8")
    resolved = resolve_recipe(build_recipe(flags={}, file=path), registry)
    assert resolved.recipe.batch_size == 16


def test_a_run_of_an_earlier_form_is_refused_by_name(resolved, tmp_path):
    path = tmp_path / "recipe.toml"
    write_recipe(resolved.recipe, path)
    assert recipe_of_run(path).data == "digits/digits"
    text = path.read_text()
    for earlier in (text.replace(f'schema = "{RUN}"\n', ""), text.replace(RUN, "run/1")):
        path.write_text(earlier)
        with pytest.raises(PluginError, match="this version reads 'run/2'") as caught:
            recipe_of_run(path)
        assert "headstart 0.1 reads it" in caught.value.hint


def test_a_users_recipe_need_not_say_its_form(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[fit]\ndata = "digits"\n')
    assert build_recipe(flags={}, file=path).data == "digits"


def test_the_shares_of_the_split_are_a_table_of_every_recipe(registry, tmp_path, bound):
    path = tmp_path / "mine.toml"
    path.write_text("[split]\ntest = 0.1\nval = 0.5\n")
    flags = {"data": "digits", "backend": "torch"}
    recipe = bound(build_recipe(flags=flags, file=path, sets=("split.test=0",)), registry).recipe
    assert recipe.table("split") == {"test": 0.0, "val": 0.5, "train": 1.0, "refit": True}
    assert [recipe.origin(f"split.{name}") for name in ("test", "val")] == ["--set", "file mine.toml"]
    assert tomllib.loads(render_recipe(recipe))["split"] == {"test": 0.0, "val": 0.5, "train": 1.0, "refit": True}
    default = bound(build_recipe(flags=flags), registry).recipe
    assert default.table("split") == {"test": 0.2, "val": 0.2, "train": 1.0, "refit": True}
    assert "[split]\n# Share of all" in starter_recipe(registry)
    assert "\n# test = 0.2\n" in starter_recipe(registry)
