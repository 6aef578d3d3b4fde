"""The other examples: what their recipes say is what would run."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import resolve_recipe
from headstart.registry import load_registry

ROOT = Path(__file__).resolve().parents[2]
STAMPS = Path("/usr/share/tuxpaint/stamps")
RECIPES = sorted(path for path in (ROOT / "examples").rglob("*.toml") if path.name != "pyproject.toml")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recipe_of_the_examples_resolves(recipe, tmp_path):
    """Its data apart where that is a folder, which only some machines have; weights apart, which nothing here may
    download."""
    fit = tomllib.loads(recipe.read_text("utf-8"))["fit"]
    data = fit.get("data", "/")
    if data.endswith(".csv"):
        (tmp_path / data).write_text("path,transcript\na.flac,one\nb.flac,two\n")
        flags = {"data": str(tmp_path / data)}
    else:
        flags = {"weights": "none"} | ({"data": str(tmp_path)} if "/" in data else {})
    stated = build_recipe(flags=flags, file=recipe)
    assert resolve_recipe(stated, load_registry()).recipe.problems == ()


@pytest.mark.skipif(not STAMPS.is_dir(), reason="Debian's tuxpaint-stamps-default is not installed")
@pytest.mark.slow
def test_the_stamps_are_415_pictures_in_14_classes():
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KERAS")}
    recipe = ROOT / "examples" / "stamps" / "recipe.toml"
    done = subprocess.run(
        [Path(sys.executable).with_name("headstart"), "fit", "--recipe", recipe, "--dry-run", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    plan = json.loads(done.stdout)
    assert sum(plan["samples"].values()) == 415
    assert len(plan["classes"]) == 14


@pytest.mark.skipif(STAMPS.is_dir(), reason="Debian's tuxpaint-stamps-default is installed")
def test_without_the_stamps_the_message_names_the_folder():
    recipe = ROOT / "examples" / "stamps" / "recipe.toml"
    command = [Path(sys.executable).with_name("headstart"), "fit", "--recipe", recipe]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert str(STAMPS) in done.stderr
