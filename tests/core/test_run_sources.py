"""Any run is a source: what comes along from it, what is told of it, and what a run no longer needs of it."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from headstart.errors import DataError, RecipeError, UsageError
from headstart.eventlog import read_events
from headstart.events import RunStarted
from headstart.manifest import sha256
from headstart.recipes.build import build_recipe
from headstart.run import Run
from headstart.runs.fitting import fit
from headstart.runs.rate_test import RateRange, rate_test
from headstart.testing import BackboneAgrees, BackboneBuilt, BackboneDeclared

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

QUICK = {"epochs": 2, "learning_rate": 3e-3, "engine": "native", "reporters": ("json",), "batch_size": 16}


@pytest.fixture(scope="module")
def place(tmp_path_factory, small_plugin):
    """Where the runs lie: each test is in it, so that `runs/source` is how a user writes it."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def source(place, small_registry):
    """A run on digits at 24 pixels, whose backbone learned."""
    return fit(
        "digits",
        backbone="small/net",
        weights="none",
        image_size=24,
        limit=80,
        out=str(place / "runs" / "source"),
        registry=small_registry,
        **QUICK,
    )


@pytest.fixture(scope="module")
def pictures(place, pictures_of):
    """Other data, of other classes."""
    return pictures_of(place / "pictures", classes=("1", "2"), each=15, names={"1": "one", "2": "two"})


@pytest.fixture(scope="module")
def second(source, pictures, place, small_registry):
    """A run on the other data that starts from the first."""
    out = str(place / "runs" / "second")
    return fit(f"image_folder:{pictures}", backbone=str(source.path), out=out, registry=small_registry, **QUICK)


@pytest.fixture(autouse=True)
def beside_the_runs(place, source, monkeypatch):
    monkeypatch.chdir(place)


@pytest.fixture
def plan_of(small_registry, tmp_path):
    """A plan, its weights loaded."""

    def planned(sets=(), **flags):
        from headstart.recipes.build import build_recipe
        from headstart.recipes.resolve import make_ready
        from headstart.runs.execution import load_weights
        from headstart.runs.planning import make_plan

        recipe = build_recipe(flags={"strategy": "probe", **flags}, sets=sets)
        plan = make_plan(make_ready(recipe, small_registry), tmp_path)
        load_weights(plan)
        return plan

    return planned


def features(network, tensors):
    from headstart.engine.device import forward

    last = len(network.stages) - 1
    (found,) = forward(network, 0, last)(tensors).values()
    return np.asarray(found)


def test_the_first_features_are_the_source_s_to_the_bit_at_its_size(plan_of, source, pictures):
    plan = plan_of(data=f"image_folder:{pictures}", backbone="runs/source")
    tensors = {name: np.asarray(array[:8]) for name, array in plan.data.tensors.items()}
    expected = features(source.artefact.network, tensors)

    assert expected.std() > 0.01
    assert np.array_equal(features(plan.network, tensors), expected)
    assert plan.kind.tensors["image"].shape == (24, 24, 3)
    recipe = plan.resolved.recipe
    assert (recipe.table("input")["size"], recipe.origin("input.size")) == (24, "from runs/source")
    assert recipe.backbone == str(source.path)
    assert list(plan.task.labels()["classes"]) == ["one", "two"]


def test_a_size_of_one_s_own_wins_over_the_source_s(plan_of, pictures):
    plan = plan_of(data=f"image_folder:{pictures}", backbone="runs/source", image_size=32)
    assert plan.kind.tensors["image"].shape == (32, 32, 3)
    assert plan.resolved.recipe.origin("input.size") == "flag --image-size"


def test_the_pretrained_head_answers_as_the_source_does(plan_of, source):
    from headstart.engine.device import forward

    plan = plan_of(data="digits", limit=40, backbone="runs/source", head="pretrained", strategy="full")
    tensors = {name: np.asarray(array[:8]) for name, array in plan.data.tensors.items()}
    payloads = {record.key: record.payload for record in plan.records.items}
    answered = source.artefact.predictor.outputs([payloads[key] for key in plan.data.keys[:8]])
    found = forward(plan.network, 0, len(plan.network.stages))(tensors)

    assert answered["logits"].std() > 0.01
    assert np.abs(np.asarray(found["logits"]) - answered["logits"]).max() <= 1e-5 * answered["logits"].std()
    assert plan.task.labels() == source.artefact.blueprint.labels


def test_as_is_a_run_has_the_scores_of_its_source_and_trains_nothing(place, source, small_registry, capsys):
    """So does a published network with its own head; what is trained from there is set against it."""
    flags = {"backbone": str(source.path), "head": "pretrained", "limit": 80}
    settings = {**flags, "registry": small_registry}
    reporters = ("console", "html", "curves", "json")
    out = str(place / "runs" / "as_is")
    same = fit("digits", out=out, strategy="as_is", engine="native", reporters=reporters, **settings)
    result, weights = same.result, (same.folder.artefact / "weights.safetensors").read_bytes()

    assert weights == (source.folder.artefact / "weights.safetensors").read_bytes()
    assert result["metrics"]["test"] == pytest.approx(source.result["metrics"]["test"], rel=1e-5)
    assert (result["phases"], result["parameters"]["trainable"], result["refit"]) == ([], 0, False)
    assert [step.get("run") for step in result["lineage"]] == [None, "source"], "nothing was learned since"
    assert "nothing is trained" in capsys.readouterr().err
    assert "<h2>Training</h2>" not in (same.path / "report" / "report.html").read_text("utf-8")

    tuned = fit("digits", out=str(place / "runs" / "tuned"), strategy="lp_ft", **settings, **QUICK)
    told = tuned.beside(same).document["differences"]["accuracy"]
    assert told["first"] == tuned.result["metrics"]["test"]["accuracy"]
    assert told["second"] == result["metrics"]["test"]["accuracy"]
    bare = fit("digits", out=str(place / "runs" / "bare"), strategy="as_is", sets=("split.test=0",), **settings)
    assert "nothing was trained" in bare.result["no_test"]
    with pytest.raises(UsageError, match="as_is trains nothing: there is no rate to choose"):
        rate_test(
            build_recipe(flags={**flags, "data": "digits", "strategy": "as_is"}),
            small_registry,
            RateRange(1e-5, 1e-2, 10),
        )
    with pytest.raises(RecipeError, match="a new head knows nothing"):
        fit("digits", out=str(place / "runs" / "new"), strategy="as_is", **{**settings, "head": None})


def test_a_chain_keeps_its_lineage_and_needs_none_of_its_folders(place, source, second, pictures_of, small_registry):
    data = pictures_of(place / "more", classes=("3", "4"), each=10)
    moved = place / "moved"
    for run in (source, second):
        shutil.copytree(run.path, moved / run.path.name)
    third = fit(
        f"image_folder:{data}",
        backbone=str(moved / "second"),
        out=str(place / "third"),
        registry=small_registry,
        **QUICK,
    )
    shutil.rmtree(moved)

    manifest = json.loads((third.folder.artefact / "manifest.json").read_text())
    began, *runs = manifest["lineage"]
    assert third.result["lineage"] == manifest["lineage"]
    assert (began["backbone"], began["weights"], began["licence"]) == ("small/net", "none", "Apache-2.0")
    assert [(each["run"], each["data"], each["classes"]) for each in runs] == [
        ("source", "digits", 10),
        ("second", "pictures", 2),
        ("third", "more", 2),
    ]
    assert [each["samples"] for each in runs] == [run.result["samples"]["train"] for run in (source, second, third)]
    weights = [run.folder.artefact / "weights.safetensors" for run in (source, second)]
    assert [each["digest"] for each in runs] == [*(f"sha256:{sha256(file)}" for file in weights), "unknown"]
    (started,) = (event for event in read_events(third.folder.events) if isinstance(event, RunStarted))
    assert started.lineage == "pictures, from digits, from random weights"
    again = Run.load(third.path, registry=small_registry)
    assert [answer["prediction"] for answer in again.predict([data / "3", data / "4"])]
    assert again.evaluate().document["metrics"]["test"] == third.result["metrics"]["test"]


def rows_of(run, *sides):
    with (run.path / "split.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] in sides]


def test_test_samples_that_any_run_of_the_line_met_are_counted(plan_of, source, second):
    plan = plan_of(data="digits", limit=60, split_seed=3, backbone="runs/second")
    known = {row["content hash"] for row in rows_of(source, "train", "val")}
    test = plan.data.split.only("test").rows
    count = sum(row.content_hash in known for row in test)

    assert 0 < count < len(test)
    told = [each.message for each in plan.findings if "flatter" in each.message]
    assert told == [
        f"{count} of {len(test)} test samples are among those that the run {source.path} was trained or chosen on: "
        "test figures flatter"
    ]


def test_without_a_test_side_the_val_samples_that_a_run_was_trained_on_are_counted(plan_of, source):
    given = {"data": "digits", "backbone": "runs/source"}
    as_source = plan_of(("split.test=0",), limit=80, **given)
    plan = plan_of(("split.test=0",), limit=800, split_seed=3, **given)
    trained = {row["content hash"] for row in rows_of(source, "train")}
    val = plan.data.split.only("val").rows
    count = sum(row.content_hash in trained for row in val)

    assert not any("are among those" in each.message for each in as_source.findings)
    assert 0 < count < len(val)
    told = [each.message for each in plan.findings if "are among those" in each.message]
    assert told == [
        f"{count} of {len(val)} val samples are among those that the run {source.path} was trained on: val figures "
        "flatter"
    ]


def test_random_weights_of_a_run_s_network_have_met_nothing(plan_of, second):
    plan = plan_of(data="digits", limit=60, split_seed=3, backbone="runs/second", weights="none")
    assert not any("flatter" in each.message for each in plan.findings)
    assert plan.kind.tensors["image"].shape == (24, 24, 3)


@pytest.mark.slow
def test_an_evaluation_counts_what_the_run_and_its_source_met(place, source, small_registry):
    run = fit(
        "digits", limit=60, split_seed=3, backbone=str(source.path), strategy="probe", out=str(place / "again"),
        engine="native", reporters=("json",), registry=small_registry,
    )  # fmt: skip
    own, its = run.evaluate("digits").document["warnings"]
    met = [len(rows_of(each, "train", "val")) for each in (run, source)]
    assert own.startswith(f"{met[0]} of 1797 samples are among those that the run was trained")
    assert its.startswith(
        f"{met[1]} of 1797 samples are among those that {source.path}, which the run started from, was"
    )


def test_a_run_goes_on_only_from_the_weights_that_it_began_with(place, source, second, pictures, small_registry):
    began, begun = place / "began", place / "begun"
    shutil.copytree(source.path, began)
    data = f"image_folder:{pictures}"
    fit(data, backbone=str(began), out=str(begun), registry=small_registry, **QUICK)
    result = (begun / "result.json").read_text()
    shutil.rmtree(began)
    assert fit(out=str(begun), resume=True, registry=small_registry).result == json.loads(result)  # it is finished

    (begun / "result.json").unlink()
    with pytest.raises(UsageError, match=f"began from {began}, which is not there any more"):
        fit(out=str(begun), resume=True, registry=small_registry)

    shutil.copytree(second.path, began)  # another run, of the same network
    with pytest.raises(DataError, match=f"the weights trained of {began} are not those that {begun} began with"):
        fit(out=str(begun), resume=True, registry=small_registry)

    shutil.rmtree(began)
    shutil.copytree(source.path, began)
    assert fit(out=str(begun), resume=True, registry=small_registry).result["resumed"]


@pytest.mark.parametrize("part", ["", "artefact", "artefact/weights.safetensors"])
def test_a_run_that_is_named_as_weights_is_told_how_it_is_used(part, source, small_registry):
    from headstart.recipes.build import build_recipe
    from headstart.recipes.resolve import resolve_recipe

    flags = {"data": "digits", "backbone": "small/net", "weights": str(source.path / part)}
    with pytest.raises(RecipeError, match=f"is what a run learned.*--backbone {source.path}\\)"):
        resolve_recipe(build_recipe(flags=flags), small_registry)


def test_a_file_of_one_s_own_does_not_get_the_backbone_s_licence(place, source, small_registry):
    from headstart.weights.files import read_safetensors, write_safetensors

    arrays = read_safetensors(source.folder.artefact / "weights.safetensors")
    file = place / "mine.safetensors"
    write_safetensors(file, {name: array for name, array in arrays.items() if not name.startswith("head/")})
    run = fit(
        "digits", limit=60, backbone="small/net", weights=str(file), strategy="probe", out=str(place / "own"),
        engine="native", reporters=("json",), registry=small_registry,
    )  # fmt: skip

    manifest = json.loads((run.folder.artefact / "manifest.json").read_text())
    assert manifest["source"] == {"weights": "file", "licence": "unknown"}
    assert manifest["lineage"][0]["digest"] == f"sha256:{sha256(file)}"


def test_a_run_is_resolved_without_numpy_and_without_a_framework(source):
    code = (
        "import sys; from headstart.registry import load_registry; "
        f"spec = load_registry().resolve_backbone({str(source.path)!r}); "
        "print(spec.name, [name for name in ('numpy', 'keras', 'jax', 'torch') if name in sys.modules])"
    )
    path = {"PYTHONPATH": next(each for each in sys.path if each.endswith("small_plugin"))}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "runs/source []", done.stderr


def test_its_details_and_a_dry_run_tell_how_it_reads_and_what_it_was_trained_on(second, pictures, backend, capsys):
    from headstart_cli.main import run_arguments

    assert run_arguments(["backbones", "runs/second", "--backend", backend]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "trained: Apache-2.0,",
        "began as: random weights then: the run source: classification of digits by lp_ft (low, middle, top, head), 51",
        "then: the run second: classification of pictures by lp_ft (low, middle, top, head), 19",
        "head: linear of classification/classification, taken with --head pretrained",
        "samples are read by image/image with size=24, where you say nothing else",
    ):
        assert part in text

    assert run_arguments(["fit", "pictures", "--backbone", "runs/second", "--backend", backend, "--dry-run"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "input.size 24 from runs/second" in text
    assert "- the run second: classification of pictures" in text


def test_the_artefact_folder_by_itself_is_a_source_too(source, small_registry, tmp_path):
    own = small_registry.resolve_backbone(str(source.path))
    assert small_registry.resolve_backbone(str(source.folder.artefact)) == own
    shutil.copytree(source.folder.artefact, tmp_path / "away")
    away = small_registry.resolve_backbone(str(tmp_path / "away"))
    assert (away.name, away.weights[0].digest) == ("runs/away", own.weights[0].digest)


class OfTheRun:
    """What the levels of the contract are asked of."""

    name = "runs/source"


class TestARunIsDeclared(OfTheRun, BackboneDeclared):
    """Its spec is sound."""


class TestARunIsBuilt(OfTheRun, BackboneBuilt):
    """It is built and trained."""


@pytest.mark.slow
class TestARunAgrees(OfTheRun, BackboneAgrees):
    """It computes the same on both backends."""
