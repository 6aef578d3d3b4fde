"""Training from random weights, as whole runs: what it is worth, and that it goes on under either verb."""

import pytest

import headstart
from headstart.recipes.build import build_recipe, pretraining_recipe
from headstart.runs.fitting import run_recipe

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, pictures_of, small_registry):
    """A run of the small network, BatchNorm in it, on 60 pictures of digits."""
    folder = tmp_path_factory.mktemp("pretrained")
    return headstart.pretrain(
        pictures_of(folder / "pictures"),
        backbone="small/net",
        epochs=12,
        learning_rate=1e-2,
        batch_size=16,
        reporters=("json", "html"),
        out=str(folder / "run"),
        registry=small_registry,
    )


def test_it_learns_from_random_weights_with_statistics_that_follow(pretrained):
    result = pretrained.result
    assert (result["weights"], result["strategy"]) == ("none", "scratch")
    assert result["metrics"]["val"]["accuracy"] > 2 * result["baseline"]["majority_accuracy"]
    assert (pretrained.recipe.batch_norm, pretrained.recipe.augment) == ("trainable", ("image_augmentations/light",))
    page = (pretrained.path / "report" / "report.html").read_text(encoding="utf-8")
    assert "weights none, it began at random" in page


@pytest.mark.parametrize("verb", ["fit", "pretrain"])
def test_a_finished_run_is_left_as_it_is_by_either_verb(pretrained, small_registry, verb):
    before = (pretrained.path / "events.jsonl").read_bytes()
    again = getattr(headstart, verb)(resume=True, out=str(pretrained.path), registry=small_registry)
    assert again.result == pretrained.result
    assert (pretrained.path / "events.jsonl").read_bytes() == before


def test_defaults_that_were_overridden_are_no_difference_when_it_goes_on(pictures_of, tmp_path, small_registry):
    flags = {"data": str(pictures_of(tmp_path / "pictures")), "backbone": "small/net", "out": str(tmp_path / "run")}
    own = {"strategy": "full", "augment": "none", "batch_norm": "frozen", "epochs": 1, "reporters": ("json",)}
    run_recipe(build_recipe(flags={**flags, **own, "weights": "none"}), small_registry)
    stated = pretraining_recipe("strategies/scratch", flags={"out": flags["out"]})
    assert run_recipe(stated, small_registry, resume=True).result["strategy"] == "full"
