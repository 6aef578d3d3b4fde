"""The classic tutorial runs as its recipe is written: flags alone make it small enough for a test."""

import subprocess
import sys
import tomllib

import pytest
from PIL import Image

SMALL = ("--set", "dataset.horizontal_flip=false", "--views", "1", "--backend", "torch")


@pytest.fixture(scope="module")
def written(examples, tmp_path_factory):
    """What the script beside the recipe writes."""
    folder = tmp_path_factory.mktemp("tutorial") / "pictures"
    write(examples, folder)
    return folder


@pytest.fixture
def pictures(written, tmp_path):
    """The pictures where the recipe looks for them."""
    (tmp_path / "pictures").symlink_to(written)
    return tmp_path / "pictures"


def write(examples, folder):
    script = examples / "tutorial" / "make_pictures.py"
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)


def test_the_recipe_is_a_dozen_lines(examples):
    written = (examples / "tutorial" / "recipe.toml").read_text(encoding="utf-8")
    recipe = tomllib.loads(written)["fit"]
    assert len(written.splitlines()) <= 16
    assert (recipe["backbone"], recipe["strategy"]) == ("keras_applications/vgg16", "probe")
    assert recipe["augment"] == ["classic"]
    assert recipe["head"].startswith("mlp")


@pytest.mark.slow
def test_the_script_writes_the_same_two_classes_every_time(examples, pictures, tmp_path):
    write(examples, tmp_path / "again")
    files = sorted(path.relative_to(pictures) for path in pictures.rglob("*.png"))
    assert len(files) == 183 + 174  # threes and eights, as scikit-learn's description of the set counts them
    assert {path.parts[0] for path in files} == {"three", "eight"}
    assert all((pictures / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in files)
    assert Image.open(pictures / files[0]).size == (128, 128)


@pytest.mark.slow
def test_the_tutorial_runs_without_its_weights_and_draws_its_curves(examples, pictures, fit, tmp_path):
    recipe = examples / "tutorial" / "recipe.toml"
    result = fit(
        "--recipe",
        recipe,
        "--weights",
        "none",
        "--image-size",
        32,
        "--limit",
        20,
        "--out",
        "runs/vgg16",
        *SMALL,
    )
    assert result["backbone"] == "keras_applications/vgg16"
    assert result["classes"] == ["eight", "three"]
    assert result["parameters"]["trainable"] == (512 * 256 + 256) + (256 * 2 + 2)  # the two Dense layers alone
    assert Image.open(tmp_path / "runs" / "vgg16" / "report" / "curves.png").size > (300, 200)
    assert (tmp_path / "runs" / "vgg16" / "report" / "report.html").is_file()


@pytest.mark.slow
def test_a_pretrained_backbone_reaches_an_accuracy_on_the_tutorials_pictures(examples, pictures, fit):
    recipe = examples / "tutorial" / "recipe.toml"
    lite0 = ("--backbone", "efficientnet_lite/lite0", "--image-size", 64, "--limit", 120)
    result = fit("--recipe", recipe, *SMALL, *lite0, "--reporter", "json", "--out", "runs/lite0")
    assert result["metrics"]["test"]["accuracy"] >= 0.8  # of 24 pictures; chance is 0.5
