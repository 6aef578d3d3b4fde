"""`--head pretrained`: the head that comes with the weights, or a clear word on why it cannot be taken."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from headstart.errors import DataError, RecipeError, WrongWeightsError
from headstart.registry import Registry
from headstart.specs import LocalFile, PretrainedHead, WeightsSpec
from headstart.weights.files import read_safetensors
from headstart.weights.source import locate_assets

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

PUBLISHED = "published_by_a_test"


class WithWeights(Registry):
    """The small plugin's backbone with one set of weights."""

    def specs(self, kind):
        found = super().specs(kind)
        if kind != "backbones":
            return found
        return tuple(replace(spec, weights=(self.weights,)) if spec.name == "small/net" else spec for spec in found)


@pytest.fixture(scope="module")
def published(finished, small_registry, tmp_path_factory):
    """A trained network as one file, and the labels of its head."""
    from headstart.runs.fitting import fit

    folder = tmp_path_factory.mktemp("published")
    run = fit(
        f"image_folder:{finished.pictures}",
        backbone="small/net",
        weights="none",
        strategy="probe",
        engine="native",
        reporters=("json",),
        out=str(folder / "run"),
        registry=small_registry,
    )
    (folder / "tokenizer.json").write_text("{}")
    return run.folder.artefact / "weights.safetensors", dict(run.artefact.blueprint.labels), folder


@pytest.fixture
def weights(published, monkeypatch):
    module = ModuleType(PUBLISHED)
    module.load = lambda file, backbone: _part(file, lambda name: not name.startswith("head/"))
    module.load_head = lambda file, head: _part(file, lambda name: name.startswith(f"{head.name}/"))
    monkeypatch.setitem(sys.modules, PUBLISHED, module)
    file, labels, folder = published
    return WeightsSpec(
        name="whole",
        origin=LocalFile(str(file)),
        licence="Apache-2.0",
        source="a test",
        size=None,
        algorithm="sha256",
        digest="unknown",
        load=f"{PUBLISHED}:load",
        preprocess={},
        assets={"tokenizer.json": LocalFile(str(folder / "tokenizer.json"))},
        head=PretrainedHead("classification/classification", "linear", f"{PUBLISHED}:load_head", labels),
    )


def _part(file, wanted):
    return {name: array for name, array in read_safetensors(file).items() if wanted(name)}


@pytest.fixture
def make(small_registry, finished, tmp_path):
    """A plan, its weights loaded, for these published weights."""

    def planned(weights, **settings):
        from headstart.recipes.build import build_recipe
        from headstart.recipes.resolve import make_ready
        from headstart.runs.execution import load_weights
        from headstart.runs.planning import make_plan

        registry = WithWeights(small_registry.plugins, small_registry.loaded)
        (spec,) = (each for each in small_registry.specs("backbones") if each.name == "small/net")
        registry.weights = replace(weights, preprocess=spec.preprocess)
        flags = {
            "data": f"image_folder:{finished.pictures}",
            "backbone": "small/net",
            "strategy": "lp_ft",
            "head": "pretrained",
            **settings,
        }
        plan = make_plan(make_ready(build_recipe(flags=flags), registry), tmp_path)
        load_weights(plan)
        return plan

    return planned


def test_the_head_and_its_labels_come_with_the_weights(make, weights, published):
    from headstart.engine.network.stages import read_arrays

    plan = make(weights)
    head = read_arrays(plan.network.stages[-1:])

    assert set(head) == {"head/0/kernel", "head/0/bias"}
    assert all(np.array_equal(array, read_safetensors(published[0])[name]) for name, array in head.items())
    assert plan.task.labels()["classes"] == published[1]["classes"]
    assert plan.blueprint().head == "linear"
    assert plan.resolved.recipe.head == "pretrained"
    assert [phase.name for phase in plan.phases] == ["fine_tune"]


class Undecided(WithWeights):
    """The head's task is no default one; the dataset, where `medium` is None, says only once opened what it holds."""

    medium = "image"

    def specs(self, kind):
        found = super().specs(kind)
        if kind == "tasks":
            return tuple(replace(spec, default=spec.default and spec.short_name != "classification") for spec in found)
        if kind == "datasets":
            return tuple(replace(spec, medium=self.medium) for spec in found)
        if kind == "backbones":
            return tuple(replace(each, default_for="image" if each.name == "small/net" else None) for each in found)
        return found


@pytest.mark.parametrize("medium", ["image", None])
def test_a_head_brings_its_task_which_need_be_no_default_one(medium, weights, finished, small_registry):
    from headstart.recipes.build import build_recipe
    from headstart.recipes.resolve import bind, resolve_recipe
    from headstart.runs.planning import open_records

    registry = Undecided(small_registry.plugins, small_registry.loaded)
    registry.weights, registry.medium = weights, medium
    flags = {"data": f"image_folder:{finished.pictures}", "strategy": "lp_ft", "head": "pretrained"}
    resolved = resolve_recipe(build_recipe(flags=flags), registry)
    bound = bind(resolved, registry, open_records(resolved, registry))

    assert bound.task.name == "classification/classification"
    assert bound.head == "pretrained"


def test_a_finished_run_is_resolved_without_the_weights_that_its_head_came_with(published, small_registry):
    from headstart.run import Run

    run = Run.load(published[2] / "run", registry=small_registry)
    vars(run)["recipe"] = replace(run.recipe, head="pretrained", epochs=5)  # a head that is solved for takes no epochs

    assert run.data.resolved.dataset.short_name == "image_folder"
    assert len(run.data.open_records().items) > 0


def test_another_head_leaves_it_out(make, weights, published):
    from headstart.engine.network.stages import read_arrays

    kernel = read_arrays(make(weights, head="linear").network.stages[-1:])["head/0/kernel"]

    assert not np.array_equal(kernel, read_safetensors(published[0])["head/0/kernel"])


def test_a_new_head_begins_as_one_that_says_so_for_what_both_know(make, weights, published):
    from headstart.engine.network.stages import read_arrays

    labels = {**weights.head.labels, "classes": ["2", "other", "0"]}
    begins = replace(weights, head=replace(weights.head, labels=labels, begins=True))
    drawn, plan = make(weights, head="linear"), make(begins, head=None)
    found, first = (read_arrays(each.network.stages[-1:]) for each in (plan, drawn))
    learned = read_safetensors(published[0])

    assert plan.task.labels()["classes"] == ["0", "1", "2"]
    for role in ("kernel", "bias"):
        name = f"head/0/{role}"
        expected = (learned[name][..., 2], first[name][..., 1], learned[name][..., 0])
        assert np.array_equal(found[name], np.stack(expected, axis=-1)), name
    told = [finding.message for finding in plan.findings]
    assert "the head begins as the one that comes with the weights 'whole'" in told


def test_weights_without_a_head_and_heads_of_another_task_are_told_before_data_is_read(make, weights):
    with pytest.raises(RecipeError, match="come without a head"):
        make(replace(weights, head=None))
    with pytest.raises(RecipeError, match=r"is for classification/classification, and the task is multilabel"):
        make(weights, task="multilabel")


def test_targets_that_the_head_does_not_know_are_told(make, weights):
    labels = {**weights.head.labels, "classes": ["one", "other"]}
    with pytest.raises(DataError, match="the pretrained head does not know these targets") as caught:
        make(replace(weights, head=replace(weights.head, labels=labels)))
    assert "--head pretrained" in caught.value.hint


def test_a_head_for_other_features_says_what_it_fits(make, weights, monkeypatch):
    """As one on a flattened map does where pictures are read at another size."""
    load = sys.modules[PUBLISHED].load_head
    halved = {"head/0/kernel": slice(None, None, 2), "head/0/bias": slice(None)}
    monkeypatch.setattr(
        sys.modules[PUBLISHED],
        "load_head",
        lambda file, head: {name: array[halved[name]] for name, array in load(file, head).items()},
    )
    with pytest.raises(WrongWeightsError, match=r"head/0/kernel has shape \(6, 3\), expected \(12, 3\)") as caught:
        make(weights)
    assert "a head fits the features that it was trained on" in caught.value.hint


def test_files_beside_the_weights_are_found_by_name(small_registry, weights, published):
    spec = small_registry.get("backbones", "small/net")

    assert locate_assets(spec, weights, small_registry) == {"tokenizer.json": published[2] / "tokenizer.json"}


def test_the_heads_task_gets_the_files_beside_its_weights(make, weights, published, monkeypatch):
    """Such as the vocabulary of what it answers in."""
    asked, load = [], Registry.load_target

    def noted(self, spec, target):
        build = load(self, spec, target)
        if spec.name != weights.head.task:
            return build
        return lambda request: asked.append(request.assets) or build(request)

    monkeypatch.setattr(Registry, "load_target", noted)
    make(weights)
    assert asked == [{"tokenizer.json": published[2] / "tokenizer.json"}]
