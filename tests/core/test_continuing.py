"""`--continue RUN`: a new run goes on with a finished one, and says all of it in plain settings."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest

from headstart.errors import DataError, RecipeError, UsageError
from headstart.recipes.build import build_recipe, recipe_of_run
from headstart.recipes.resolve import resolve_recipe
from headstart.runs.continuing import continued
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def again(finished, small_registry, tmp_path_factory):
    """Two more epochs of the finished run, in a new folder."""
    out = tmp_path_factory.mktemp("again") / "run"
    return fit(continue_from=finished.run.path, epochs=2, out=str(out), registry=small_registry)


@pytest.fixture(scope="module")
def solved(finished, small_registry, tmp_path_factory):
    """A probe in closed form, on the finished run's backbone."""
    return fit(
        f"image_folder:{finished.pictures}",
        backbone=str(finished.run.path),
        strategy="probe",
        reporters=("json",),
        out=str(tmp_path_factory.mktemp("solved") / "run"),
        registry=small_registry,
    )


def weights_of(run):
    from headstart.weights.files import read_safetensors

    return read_safetensors(run.folder.artefact / "weights.safetensors")


def recipe_from(run, registry, *, sets=(), **flags):
    return continued(build_recipe(flags=flags, sets=sets), run, registry)


def test_what_is_not_given_is_as_the_run_had_it(finished, small_registry):
    own = finished.run.recipe
    recipe = recipe_from(finished.run.path, small_registry, epochs=2, seed=7)

    assert (recipe.epochs, recipe.seed, recipe.origin("epochs")) == (2, 7, "flag --epochs")
    for name in ("data", "task", "strategy", "batch_size", "split_seed", "learning_rate", "reporters"):
        assert getattr(recipe, name) == getattr(own, name), name
        assert recipe.origin(name) == f"run {finished.run.path}"
    for table in ("dataset", "input", "strategy", "task"):
        assert recipe.table(table) == own.table(table)
    assert (recipe.backbone, recipe.head) == (str(finished.run.path), "pretrained")
    assert (recipe.weights, recipe.out, recipe.threads, recipe.engine) == (None, None, None, "auto")


def test_no_phase_fits_the_head_that_is_there(again):
    assert [phase["phase"] for phase in again.result["phases"]] == ["fine_tune"]


def test_no_head_is_called_safer_than_the_same_one_that_goes_on(finished, small_registry, tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.runs.planning.PARAMETERS_PER_SAMPLE", 0)  # so that every head is wide
    told = {}
    for head in ("pretrained", "mlp:4"):
        given = {"backbone": str(finished.run.path), "head": head, "epochs": 1, "reporters": ("json",)}
        data = f"image_folder:{finished.pictures}"
        run = fit(data, registry=small_registry, out=str(tmp_path / head[:3]), **given)
        told[head] = [each for each in run.result["warnings"] if "is safer" in str(each)]
    assert told["pretrained"] == []
    assert len(told["mlp:4"]) == 1


def test_before_its_first_epoch_val_is_answered_as_at_the_end_of_the_run(finished, small_registry, tmp_path):
    """At a rate that moves nothing the start stays the best, and is what the phase came to."""
    still = fit(
        continue_from=finished.run.path,
        epochs=1,
        learning_rate=1e-12,
        out=str(tmp_path / "run"),
        registry=small_registry,
    )
    then = finished.run.result["metrics"]["val"]
    (phase,) = still.result["phases"]

    assert still.result["split_hash"] == finished.run.result["split_hash"]
    assert (phase["best_epoch"], phase["best"]["accuracy"]) == (0, then["accuracy"])
    assert phase["best"]["loss"] == pytest.approx(then["loss"], rel=1e-5)
    assert all(np.array_equal(array, weights_of(finished.run)[name]) for name, array in weights_of(still).items())
    assert not any("samples are not as" in each for each in still.result["warnings"])


def test_the_recipe_that_is_written_gives_the_same_bits_again(again, small_registry, tmp_path):
    written = recipe_of_run(again.folder.recipe)
    repeated = fit(recipe=again.folder.recipe, out=str(tmp_path / "run"), registry=small_registry)

    assert written.head == "pretrained"
    assert "continue" not in again.folder.recipe.read_text().replace("# flag --continue", "")
    assert {name: array.tobytes() for name, array in weights_of(repeated).items()} == {
        name: array.tobytes() for name, array in weights_of(again).items()
    }


def test_two_epochs_and_two_more_go_on_from_each_other(finished, small_registry, tmp_path):
    first = fit(
        f"image_folder:{finished.pictures}",
        backbone="small/net",
        weights="none",
        strategy="full",
        epochs=2,
        learning_rate=5e-3,
        batch_size=8,
        reporters=("json",),
        out=str(tmp_path / "first"),
        registry=small_registry,
    )
    second = fit(continue_from=first.path, out=str(tmp_path / "second"), registry=small_registry)
    (one,), (two,) = first.result["phases"], second.result["phases"]

    assert one["best_epoch"] > 0, "something was learned"
    assert (second.recipe.epochs, two["steps"]) == (2, one["steps"])
    assert two["best"]["accuracy"] >= one["best"]["accuracy"], "val chooses, and the start is among its choices"
    assert [each.get("run") for each in second.result["lineage"]] == [None, "first", "second"]


def test_other_data_of_the_same_classes_is_learned_from(finished, small_registry, pictures_of, tmp_path):
    other = pictures_of(tmp_path / "other", ("0", "2"), each=30)
    run = fit(
        f"image_folder:{other}",
        continue_from=finished.run.path,
        epochs=1,
        out=str(tmp_path / "run"),
        registry=small_registry,
    )
    assert run.artefact.task.classes == ("0", "1", "2")
    assert sum(run.result["samples"].values()) == 60


def test_other_classes_are_refused_with_the_way_that_adds_them(finished, small_registry, pictures_of, tmp_path):
    other = pictures_of(tmp_path / "other", ("0", "3"))
    with pytest.raises(DataError, match=r"does not know these targets.*'3'") as caught:
        fit(
            f"image_folder:{other}", continue_from=finished.run.path, out=str(tmp_path / "run"), registry=small_registry
        )
    assert "--head-from RUN" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_samples_that_changed_since_are_counted(finished, small_registry, tmp_path):
    pictures = shutil.copytree(finished.pictures, tmp_path / "pictures")
    first = fit(
        f"image_folder:{pictures}",
        backbone=str(finished.run.path),
        strategy="probe",
        reporters=("json",),
        out=str(tmp_path / "first"),
        registry=small_registry,
    )
    gone, changed = sorted((pictures / "0").iterdir())[:2]
    gone.rename(pictures / "0" / "new.png")
    shutil.copy(sorted((pictures / "1").iterdir())[0], changed)
    sorted((pictures / "1").iterdir())[0].unlink()
    run = fit(continue_from=first.path, strategy="lp_ft", epochs=1, out=str(tmp_path / "run"), registry=small_registry)

    (told,) = (each for each in run.result["warnings"] if "the samples are not as" in each)
    assert f"as {first.path} had them: 2 gone, 1 new, 1 changed" in told


def test_a_split_that_cannot_be_read_any_more_is_told_and_stops_nothing(finished, small_registry, tmp_path):
    source = finished.copied(tmp_path / "source")
    source.folder.split.write_text("damaged")
    run = fit(continue_from=source.path, epochs=1, out=str(tmp_path / "run"), registry=small_registry)
    assert any(f"as {source.path} had them is not known" in each for each in run.result["warnings"])


def test_a_head_in_closed_form_has_nothing_to_go_on_with(solved, small_registry):
    with pytest.raises(UsageError, match="solved for its head in closed form") as caught:
        recipe_from(solved.path, small_registry)
    assert "--strategy lp_ft" in caught.value.hint


def test_another_strategy_goes_on_from_a_probe_with_options_of_its_own(solved, small_registry, tmp_path):
    recipe = recipe_from(solved.path, small_registry, strategy="lp_ft", epochs=1)
    assert recipe.table("strategy") == {}
    run = fit(continue_from=solved.path, strategy="lp_ft", epochs=1, out=str(tmp_path / "run"), registry=small_registry)
    assert [phase["phase"] for phase in run.result["phases"]] == ["fine_tune"]
    assert any("fitted its head on train and val together" in each for each in run.result["warnings"])


def test_options_that_only_a_head_without_training_needs_are_left_out(finished, small_registry, tmp_path):
    copy = finished.copied(tmp_path / "copy")
    text = copy.folder.recipe.read_text()
    assert "strengths = 5" in text
    copy.folder.recipe.write_text(text.replace("strengths = 5", "strengths = 3").replace("clip = 1.0", "clip = 2.0"))
    recipe = recipe_from(copy.path, small_registry)

    assert "strengths" not in recipe.table("strategy")
    assert recipe.table("strategy")["clip"] == 2.0
    with pytest.raises(RecipeError, match=r"strategy.strengths \(--set\): 3 has nothing to act on"):
        fit(
            continue_from=copy.path,
            sets=("strategy.strengths=3",),
            out=str(tmp_path / "run"),
            registry=small_registry,
        )


def test_pretraining_goes_on_from_no_run(finished, small_registry):
    from headstart.recipes.build import pretraining_recipe

    with pytest.raises(UsageError, match="pretraining begins with random weights") as caught:
        continued(pretraining_recipe("strategies/scratch", flags={}), finished.run.path, small_registry)
    assert f"headstart fit --continue {finished.run.path}" in caught.value.hint


@pytest.fixture
def pretrained_by(finished, tmp_path):
    """The finished run as one that says how BatchNorm's statistics learn."""
    run = finished.copied(tmp_path / "pretrained")
    text = run.folder.recipe.read_text()
    assert 'batch_norm = "frozen"' in text
    run.folder.recipe.write_text(text.replace('batch_norm = "frozen"', 'batch_norm = "trainable"'))
    return run.path


@pytest.mark.parametrize("strategy", ["probe", "norm_only"])
def test_another_strategy_leaves_statistics_that_learn_behind(pretrained_by, small_registry, strategy):
    assert recipe_from(pretrained_by, small_registry).batch_norm == "trainable"
    recipe = recipe_from(pretrained_by, small_registry, strategy=strategy)
    assert recipe.batch_norm == "frozen"
    resolve_recipe(recipe, small_registry)


def test_another_task_is_refused_for_the_head_alone(finished, small_registry):
    recipe = recipe_from(finished.run.path, small_registry, task="multilabel")
    with pytest.raises(RecipeError) as caught:
        resolve_recipe(recipe, small_registry)
    assert [each.where.partition(" ")[0] for each in caught.value.problems] == ["head"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"backbone": "small/net"}, "flag --backbone says small/net, and --continue"),
        ({"weights": "none"}, "flag --weights says none, and --continue"),
        ({"head": "mlp"}, "flag --head says mlp, and --continue"),
        ({"head_from": "runs/x"}, "flag --head-from says runs/x, and --continue"),
        ({"sets": ("backbone=small/net",)}, "--set says small/net, and --continue"),
        ({"resume": True}, "--continue .* and --resume are both given"),
    ],
    ids=["backbone", "weights", "head", "head_from", "set", "resume"],
)
def test_what_contradicts_it_is_refused_naming_both(finished, small_registry, given, told):
    with pytest.raises(RecipeError, match=told):
        fit(continue_from=finished.run.path, registry=small_registry, **given)


def test_a_recipe_beside_it_is_refused(finished, small_registry, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[fit]\nepochs = 3\n")
    with pytest.raises(RecipeError, match=r"takes that run's recipe, and --recipe names .*mine.toml"):
        fit(continue_from=finished.run.path, recipe=file, registry=small_registry)


def test_folders_that_hold_no_finished_run_are_told_with_the_way_on(finished, small_registry, tmp_path):
    with pytest.raises(UsageError, match=r"no such run: .*nowhere"):
        recipe_from(tmp_path / "nowhere", small_registry)
    with pytest.raises(UsageError, match="is not a finished run"):
        recipe_from(finished.pictures, small_registry)
    unfinished = finished.copied(tmp_path / "unfinished")
    unfinished.folder.result.unlink()
    with pytest.raises(UsageError, match="is not a finished run") as caught:
        recipe_from(unfinished.path, small_registry)
    assert f"headstart fit --resume --out {unfinished.path}" in caught.value.hint


@pytest.fixture(scope="module")
def numbers(finished, tmp_path_factory, small_registry):
    """A regression, and a table of the same pictures with numbers of another scale."""
    folder = shutil.copytree(finished.pictures, tmp_path_factory.mktemp("numbers") / "pictures")
    keys = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    random = np.random.default_rng(0)
    for name, factor in (("small", 1.0), ("large", 50.0)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            rows = ((key, f"{factor * (100 + 5 * int(key[0]) + random.normal()):.3f}") for key in keys)
            csv.writer(file).writerows([("path", "label"), *rows])
    run = fit(
        folder / "small.csv",
        task="regression",
        backbone="small/net",
        weights="none",
        epochs=3,
        reporters=("json",),
        out=str(folder.parent / "run"),
        registry=small_registry,
    )
    return run, folder


def test_a_regression_goes_on_in_the_unit_that_its_head_answers_in(numbers, small_registry, tmp_path):
    run, folder = numbers
    still = fit(
        continue_from=run.path, epochs=1, learning_rate=1e-12, out=str(tmp_path / "same"), registry=small_registry
    )
    (phase,) = still.result["phases"]
    assert phase["best"]["rmse"] == pytest.approx(run.result["metrics"]["val"]["rmse"], rel=1e-4)
    other = fit(
        folder / "large.csv",
        continue_from=run.path,
        epochs=1,
        learning_rate=1e-12,
        out=str(tmp_path / "other"),
        registry=small_registry,
    )
    assert other.artefact.task.labels() == run.artefact.task.labels()
    answered = [[row["prediction"] for row in each.predict([folder / "0" / "0000.png"])] for each in (run, other)]
    assert answered[0] == pytest.approx(answered[1], rel=1e-4)


def test_the_head_of_a_regression_goes_on_in_the_unit_of_other_data(numbers, small_registry, tmp_path):
    """Its answers are what they were, though the new task counts in another scale."""
    run, folder = numbers
    other = fit(
        folder / "large.csv",
        task="regression",
        head_from=run.path,
        strategy="probe",
        epochs=1,
        learning_rate=1e-8,
        reporters=("json",),
        out=str(tmp_path / "run"),
        registry=small_registry,
    )
    assert other.artefact.task.deviation > 10 * run.artefact.task.deviation
    then, now = (each.predict([folder / "1"]) for each in (run, other))
    assert [row["prediction"] for row in now] == pytest.approx([row["prediction"] for row in then], rel=1e-3)


def test_a_python_caller_may_name_the_run_by_a_path_or_a_string(finished, small_registry):
    by_path, by_name = (recipe_from(each, small_registry) for each in (finished.run.path, str(finished.run.path)))
    assert replace(by_path, origins={}) == replace(by_name, origins={})
