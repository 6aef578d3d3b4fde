"""`--head-from RUN`: a new head keeps what another run's head knows of the classes that stay."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from headstart.errors import DataError, RecipeError, UsageError

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def other(tmp_path_factory, pictures_of):
    """Pictures of classes of which the finished run knows two: it knows 0, 1 and 2."""
    return pictures_of(tmp_path_factory.mktemp("other") / "pictures", ("3", "1", "2"))


@pytest.fixture(scope="module")
def features(finished, tmp_path_factory):
    """The weights of the finished run's backbone, as a file by itself."""
    from headstart.weights.files import read_safetensors, write_safetensors

    arrays = read_safetensors(finished.run.folder.artefact / "weights.safetensors")
    file = tmp_path_factory.mktemp("features") / "features.safetensors"
    write_safetensors(file, {name: array for name, array in arrays.items() if not name.startswith("head/")})
    return file


@pytest.fixture
def make(small_registry, finished, features, tmp_path):
    """A plan, its weights loaded, for a head that goes on from the finished run."""

    def planned(pictures, **settings):
        from headstart.recipes.build import build_recipe
        from headstart.recipes.resolve import make_ready
        from headstart.runs.execution import load_weights
        from headstart.runs.planning import make_plan

        flags = {
            "data": f"image_folder:{pictures}",
            "backbone": "small/net",
            "weights": str(features),
            "head_from": str(finished.run.path),
            **settings,
        }
        plan = make_plan(make_ready(build_recipe(flags=flags), small_registry), tmp_path)
        load_weights(plan)
        return plan

    return planned


def head_of(plan):
    from headstart.engine.network.stages import read_arrays

    return read_arrays(plan.network.stages[-1:])


def test_the_columns_of_classes_that_stay_are_kept_to_the_bit(make, finished, other):
    from headstart.weights.files import read_safetensors

    plan, fresh = make(other), make(other, head_from=None)
    old = read_safetensors(finished.run.folder.artefact / "weights.safetensors")
    assert finished.run.artefact.task.classes == ("0", "1", "2")
    assert plan.task.classes == ("1", "2", "3")
    for name, array in head_of(plan).items():
        assert np.array_equal(array[..., :2], old[name][..., 1:])
        assert np.array_equal(array[..., 2], head_of(fresh)[name][..., 2]), "as it is drawn for a new head"


def test_before_any_update_kept_classes_are_answered_as_the_old_run_does(make, finished, other):
    from headstart.engine.batch import take
    from headstart.engine.device import forward

    plan, old = make(other), finished.run.artefact.network
    batch = take(plan.data.tensors, slice(16))
    now, then = (forward(net, 0, len(net.stages))(batch)["logits"] for net in (plan.network, old))

    assert then.std() > 0.01
    assert np.abs(now[:, :2] - then[:, 1:]).max() <= 1e-6 * max(1, then.std())


def test_it_is_told_what_is_kept_added_and_left_out(make, finished, other):
    (note,) = (each.message for each in make(other).findings if "the head goes on" in each.message)
    assert note == (f"the head goes on from {finished.run.path}: it keeps 2 (1, 2), adds 1 (3), leaves out 1 (0)")


def test_what_was_learned_is_not_solved_over(make, other):
    plan = make(other)
    assert [phase.solver for phase in plan.phases] == ["gradient", "gradient"]
    assert plan.phases[0].train == ("head",), "columns that are new are fitted before the backbone moves"
    assert [phase.solver for phase in make(other, strategy="probe", epochs=2).phases] == ["gradient"]


def test_the_task_and_the_form_of_the_head_are_those_of_the_run(make, other):
    recipe = make(other).resolved.recipe
    assert (recipe.task, recipe.head) == ("classification/classification", "linear")
    assert recipe.origin("task") == recipe.origin("head") == "head_from"


def test_without_a_backbone_the_network_is_that_of_the_run_too(make, finished, other):
    from headstart.engine.network.stages import read_arrays
    from headstart.weights.files import read_safetensors

    plan = make(other, backbone=None, weights=None)
    theirs = read_safetensors(finished.run.folder.artefact / "weights.safetensors")

    assert plan.resolved.recipe.backbone == str(finished.run.path)
    assert plan.resolved.recipe.origin("backbone") == "head_from"
    assert all(np.array_equal(array, theirs[name]) for name, array in read_arrays(plan.network.backbone).items())


def test_labels_of_several_a_sample_are_kept_by_name_too(finished, small_registry, make, tmp_path):
    import csv
    import shutil

    from headstart.runs.fitting import fit
    from headstart.weights.files import read_safetensors

    pictures = shutil.copytree(finished.pictures, tmp_path / "pictures")
    keys = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.png"))
    for name, labels in (
        ("old", {"0": "even|round", "1": "odd", "2": "even"}),
        ("new", {"0": "round|zero", "1": "odd", "2": ""}),
    ):
        with (pictures / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", "labels"), *((key, labels[key[0]]) for key in keys)])
    old = fit(
        pictures / "old.csv",
        backbone=str(finished.run.path),
        strategy="probe",
        reporters=("json",),
        out=str(tmp_path / "old"),
        registry=small_registry,
    )
    plan = make(pictures, data=str(pictures / "new.csv"), head_from=str(old.path))
    learned = read_safetensors(old.folder.artefact / "weights.safetensors")

    assert (old.artefact.task.classes, plan.task.classes) == (("even", "odd", "round"), ("odd", "round", "zero"))
    for name, array in head_of(plan).items():
        assert np.array_equal(array[..., :2], learned[name][..., 1:])


def test_a_run_goes_on_after_a_stop_to_the_same_bits_while_the_other_one_is_there(
    finished, other, features, small_registry, tmp_path
):
    """A run that lost its artefact goes on from its last checkpoint."""
    import shutil

    from headstart.runs.fitting import fit

    source, out = finished.copied(tmp_path / "source"), tmp_path / "run"
    network = {"backbone": "small/net", "weights": str(features)}
    given = {**network, "head_from": str(source.path), "strategy": "probe", "epochs": 2, "reporters": ("json",)}
    fit(f"image_folder:{other}", out=str(out), registry=small_registry, **given)
    weights = (out / "artefact" / "weights.safetensors").read_bytes()
    shutil.rmtree(out / "artefact")
    again = fit(out=str(out), resume=True, registry=small_registry)

    assert (out / "artefact" / "weights.safetensors").read_bytes() == weights
    assert sum("the head goes on from" in note for note in again.result["notes"]) == 1
    shutil.rmtree(out / "artefact")
    shutil.rmtree(source.path)
    with pytest.raises(UsageError, match=f"began from {source.path}, which is not there any more"):
        fit(out=str(out), resume=True, registry=small_registry)


def test_a_run_goes_to_its_end_and_answers_without_the_other_one(finished, other, features, small_registry, tmp_path):
    import shutil

    from headstart.run import Run
    from headstart.runs.fitting import fit

    source = finished.copied(tmp_path / "source")
    run = fit(
        f"image_folder:{other}",
        head_from=str(source.path),
        backbone="small/net",
        weights=str(features),
        strategy="probe",
        epochs=2,
        reporters=("json",),
        out=str(tmp_path / "run"),
        registry=small_registry,
    )
    shutil.rmtree(source.path)
    again = Run.load(run.path, registry=small_registry)

    assert any("keeps 2 (1, 2), adds 1 (3), leaves out 1 (0)" in note for note in run.result["notes"])
    assert not any("other weights" in warning for warning in run.result["warnings"])
    assert again.recipe.head_from == str(source.path)
    assert (
        again.evaluate(split="val").document["metrics"]["val"]["accuracy"] == run.result["metrics"]["val"]["accuracy"]
    )


def test_features_that_the_head_does_not_know_are_warned_of(finished, other, small_registry, tmp_path):
    from headstart.runs.fitting import fit

    run = fit(
        f"image_folder:{other}",
        head_from=str(finished.run.path),
        backbone="small/net",
        weights="none",
        seed=5,
        strategy="probe",
        epochs=1,
        reporters=("json",),
        out=str(tmp_path / "run"),
        registry=small_registry,
    )
    (told,) = (each for each in run.result["warnings"] if "was learned on other weights of the backbone" in each)
    assert "low/0/kernel" in told


def test_test_samples_that_the_head_was_learned_on_are_counted(make, finished):
    plan = make(finished.pictures, split_seed=1)
    assert any(
        f"test samples are among those that the run {finished.run.path}" in each.message for each in plan.findings
    )
    assert not any("test samples are among" in each.message for each in make(finished.pictures).findings)


@pytest.fixture(scope="module")
def other_head(finished, other, tmp_path_factory, small_registry):
    """A run whose head goes on from the finished one, on random weights."""
    from headstart.runs.fitting import fit

    return fit(
        f"image_folder:{other}",
        head_from=str(finished.run.path),
        backbone="small/net",
        weights="none",
        seed=5,
        strategy="full",
        epochs=1,
        reporters=("json",),
        out=str(tmp_path_factory.mktemp("other_head") / "run"),
        registry=small_registry,
    )


def test_the_lineage_has_the_head_s_run_though_the_backbone_is_another(other_head, finished):
    from headstart.lineage import in_words, read_lineage
    from headstart.manifest import sha256

    began, head, own = read_lineage(other_head.result["lineage"], "here")
    assert (began.weights, head.run, head.stages, own.run) == ("none", finished.run.path.name, ("head",), "run")
    assert head.digest == f"sha256:{sha256(finished.run.folder.artefact / 'weights.safetensors')}"
    assert in_words((began, head)) == "pictures (the head alone), from random weights"


def test_a_head_from_the_run_that_the_backbone_is_from_adds_nothing_to_the_lineage(make, finished, other):
    from headstart.lineage import lineage_left_in

    plan = make(other, backbone=str(finished.run.path), weights=None)
    assert plan.lineage == lineage_left_in(finished.run.artefact)


def test_samples_are_counted_along_the_line_of_heads_each_run_once(make, finished, other_head):
    given = {"split_seed": 1, "backbone": str(other_head.path), "weights": None}
    told = [[each for each in make(finished.pictures, head_from=head, **given).findings if "flatter" in each.message]
            for head in (None, str(other_head.path), str(finished.run.path))]  # fmt: skip
    names = [[path for path in (other_head.path, finished.run.path) for each in found if f"{path} was" in each.message]
             for found in told]  # fmt: skip
    assert names == [[other_head.path, finished.run.path]] * 3


def test_no_class_in_common_ends_before_training(make, pictures_of, tmp_path):
    with pytest.raises(DataError, match="knows 0, 1, 2, and none of 7, 8"):
        make(pictures_of(tmp_path / "pictures", ("7", "8")))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"head": "mlp"}, "is linear, and --head says mlp"),
        ({"head": "mlp:4"}, "is linear, and --head says mlp:4"),
        ({"head": "pretrained"}, "come without a head|leave out one"),
        ({"task": "multilabel"}, "is for classification/classification, and the task is multilabel/multilabel"),
        ({"backbone": "efficientnet_lite/lite0", "weights": "none"}, "was learned on small/net, and the backbone is"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_what_does_not_fit_the_head_is_told_before_data_is_read(make, finished, settings, told):
    with pytest.raises(RecipeError, match=told):
        make(finished.pictures, **settings)


@dataclass(frozen=True)
class Shape:
    width: int = 2
    dropout: float = 0.1


def test_a_backbone_with_other_options_is_refused_but_for_those_of_training(make, finished, small_registry):
    from headstart.recipes.head_source import check_head_source, open_head_source

    resolved = make(finished.pictures).resolved
    source = open_head_source(str(finished.run.path), small_registry)
    spec = replace(source.blueprint.backbone, gradient_options=("dropout",))
    other = replace(source, blueprint=replace(source.blueprint, backbone=spec, backbone_options=Shape()))
    given = {"task": resolved.task, "head": resolved.head}

    check_head_source(source, resolved, resolved.options, **given)
    check_head_source(other, resolved, {"backbone": Shape(dropout=0.3)}, **given)
    with pytest.raises(UsageError, match=r"was learned on small/net with Shape\(width=2, .*and here it has .*width=3"):
        check_head_source(other, resolved, {"backbone": Shape(width=3)}, **given)


def test_a_folder_without_a_finished_run_is_told_with_the_way_on(make, other, tmp_path):
    with pytest.raises(RecipeError, match=r"no such run: .*/nowhere"):
        make(other, head_from=str(tmp_path / "nowhere"))
    begun = tmp_path / "begun"
    begun.mkdir()
    with pytest.raises(RecipeError, match=r"is not a finished run.*name a folder"):
        make(other, head_from=str(begun))
    (begun / "recipe.toml").write_text("")
    with pytest.raises(RecipeError, match=r"is not a finished run.*fit --resume --out"):
        make(other, head_from=str(begun))


def test_a_comparison_begins_all_but_the_controls_with_it(finished, other, small_registry):
    from headstart.transfer.comparison.planning import Asked, make_design, twin_of

    run = str(finished.run.path)
    flags = {"head_from": run, "task": None}
    strategies = ("probe", "lp_ft")
    design = make_design(Asked(data=f"image_folder:{other}", strategies=strategies, flags=flags), small_registry)
    control, *arms = design.arms

    assert {arm.backbone for arm in design.arms} == {run}
    assert {arm.network for arm in arms} == {control.network}
    assert [arm.flags.get("head_from") for arm in design.arms] == [None, run, run]
    assert len({(arm.flags["task"], arm.flags["head"]) for arm in design.arms}) == 1
    assert "head_from" not in twin_of(arms[1]).flags
    assert design.settings["head_from"] == run
    assert design.settings["backbones"] == []
