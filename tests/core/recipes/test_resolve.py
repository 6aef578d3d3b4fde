"""The whole recipe is checked at once: one message holds every problem, each with its place and a hint."""

import json

import pytest

from headstart.errors import PluginError, RecipeError, UsageError
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import resolve_recipe
from headstart.registry import load_registry
from headstart.testing import write_distribution

PLUGIN = """
from dataclasses import dataclass

from headstart.errors import Problem
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import AugmentationSpec, BackboneSpec, DatasetSpec, FeatureSpec, InputSpec, TaskSpec

POOLED = (FeatureSpec("pooled", "top", "pooled", ("batch", "channel"), None),)

@dataclass(frozen=True)
class Options:
    config: str = option("", "What it is built from.")

@hookimpl
def register_inputs():
    return [InputSpec(name="odd/sound", summary="Sound.", build="odd:build", reads=("sound",), produces="sound")]

@hookimpl
def register_datasets():
    return [DatasetSpec(name="odd/talks", summary="Talks.", build="odd:build", medium="sound",
                        takes_path=False)]

@hookimpl
def register_augmentations():
    return [AugmentationSpec(name="odd/noise", summary="Noise.", build="odd:build", draws=frozenset({"pitch"}))]

@hookimpl
def register_backbones():
    return [BackboneSpec(name="odd/net", summary="A network.", build="odd:build", takes="image",
                         stages=("a", "b"), features=(), preprocess={}, licence="MIT",
                         refuses={"torch": "it needs a scan"}),
            BackboneSpec(name="odd/later", summary="A network.", build="odd:build", takes="image", stages=None,
                         features=POOLED, preprocess={}, licence="MIT", given={"config": "small"},
                         options=Options),
            BackboneSpec(name="odd/pooled", summary="A network.", build="odd:build", takes="image", stages=("top",),
                         features=POOLED, preprocess={}, licence="MIT")]

@hookimpl
def register_tasks():
    return [TaskSpec(name="odd/task", summary="A task.", build="odd:build", features=("pooled",),
                     targets="targets/class", heads=("linear",)),
            TaskSpec(name="odd/painted", summary="A task.", build="odd:build", features=("pooled",),
                     targets="mask", heads=("linear",))]

@hookimpl
def check_recipe(recipe, registry):
    if recipe.seed == 13:
        yield Problem("seed", "13 is unlucky", "take 14")
    if recipe.seed == 77:
        yield "just words"
    if recipe.seed == 99:
        raise RuntimeError("cannot count that far")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_distribution(folder, "odd", PLUGIN)
    write_distribution(folder, "failed", "raise SystemExit", version="0.9")
    return folder


@pytest.fixture
def registry(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    return load_registry()


def resolve(registry, sets=(), **flags):
    return resolve_recipe(build_recipe(flags={"data": "digits", **flags}, sets=sets), registry)


def refused(registry, sets=(), **flags):
    with pytest.raises(RecipeError) as caught:
        resolve(registry, sets, **flags)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_what_is_left_out_is_chosen_and_written_out(registry, bound):
    resolved = bound(build_recipe(flags={"data": "digits"}), registry)
    assert resolved.backbone.default_for == "image"
    assert resolved.strategy.default
    assert resolved.head == resolved.task.heads[0]
    assert resolved.augmentations == ()
    assert resolved.weights is resolved.backbone.weights[0]
    assert {spec.name for spec in resolved.reporters} >= {"reporters/console"}
    assert resolved.recipe.data == "digits/digits"
    assert resolved.recipe.backbone == resolved.backbone.name
    assert resolved.recipe.strategy == "strategies/lp_ft"
    assert resolved.recipe.weights == "imagenet"
    assert resolved.recipe.options["input"]["kind"] == "image/image"
    assert isinstance(resolved.options["strategy"], resolved.strategy.options)
    assert resolved.recipe.options["strategy"]["head_factor"] == resolved.options["strategy"].head_factor


def test_every_problem_is_in_one_message(registry):
    problems = refused(
        registry,
        ["epochs=0", "strategy.backbone_rat=1", "input.size=-4", "nonsense=1"],
        backbone="lite9",
        head="mpl:512",
        augment=["clasic"],
        reporters=["htlm"],
        weights="none",
    )
    text = "\n".join(problems)
    for part in ("epochs (--set): must be at least 1", "backbone_rate", "nonsense"):
        assert part in text
    for part in ("did you mean efficientnet_lite/lite", "did you mean mlp?", "image_augmentations/classic"):
        assert part in text
    assert "reporters/html" in text
    assert len(problems) == 7  # input.size waits for a backbone that is known


def test_values_keep_their_origin_in_problems(registry):
    (problem,) = refused(registry, ["input.size=-4"])
    assert problem.startswith("input.size (--set): must be at least")


def test_no_data_says_how_to_name_some(registry):
    assert any("headstart fit digits" in problem for problem in refused(registry, data=None))


def test_a_backbone_that_refuses_the_backend_says_why_and_which_works(registry):
    problems = refused(registry, backbone="odd/net", backend="torch")
    assert any("it needs a scan" in each and "--backend jax" in each for each in problems)


def test_a_task_needs_a_feature_that_the_backbone_offers(registry):
    problems = refused(registry, backbone="odd/net")
    assert any("needs the feature 'pooled'; odd/net offers none" in each for each in problems)


def test_input_kinds_must_agree(registry):
    problems = refused(registry, data="talks", backbone="lite0", augment=["odd/noise"])
    (problem,) = problems
    assert "no installed input kind reads sound data and makes the tensors 'image' of a backbone" in problem
    assert "image/image (image to image), odd/sound (sound to sound)" in problem
    (problem,) = refused(registry, augment=["odd/noise"])
    assert "odd/noise draws pitch, which the input kind image/image does not apply" in problem


BAD_HEADS = ["mlp:0", "mlp:x", "mlp:65537", "mlp:", "linearr", "mlp:\u0661", "mlp:512,", "flatten:0", "flatten:8,a"]


@pytest.mark.parametrize("head", BAD_HEADS)
def test_a_head_that_the_task_does_not_have_is_refused(registry, head):
    assert any(problem.startswith("head (flag --head)") for problem in refused(registry, head=head))


@pytest.mark.parametrize("head", ["mlp:512", "mlp:512,256", "flatten", "flatten:512"])
def test_a_head_is_kept_with_its_numbers(registry, bound, head):
    assert bound(build_recipe(flags={"data": "digits", "head": head}), registry).head == head


def test_a_head_in_closed_form_takes_no_number(registry):
    (problem,) = refused(registry, head="linear:3")
    assert problem.startswith("head (flag --head): the head 'linear' of classification/classification")
    assert "received 'linear:3'" in problem
    assert "write --head linear; others are mlp, flatten" in problem


def test_a_head_whose_feature_the_backbone_lacks_is_named(registry):
    (problem,) = refused(registry, head="flatten:8", backbone="odd/pooled")
    assert problem.startswith("head (flag --head): the head 'flatten:8' of classification/classification needs the")
    assert "feature 'map@32'; odd/pooled offers pooled (choose another backbone or head)" in problem
    assert resolve(registry, backbone="odd/pooled", head="mlp:8").backbone.name == "odd/pooled"


def test_a_task_without_that_head_refuses_it(registry):
    (problem,) = refused(registry, task="odd/task", head="flatten")
    assert "odd/task has no head 'flatten'" in problem


def test_stages_must_be_the_backbones(registry):
    (problem,) = refused(registry, train="no_such_stage")
    assert "has the stages" in problem
    stage = resolve(registry).backbone.stages[-1]
    assert resolve(registry, train=stage).recipe.train == (stage,)


def test_a_strategy_that_trains_only_the_head_takes_no_stages(registry):
    stage = resolve(registry).backbone.stages[-1]
    (problem,) = refused(registry, train=stage, strategy="probe")
    assert "trains the head only" in problem


def test_weights_are_a_published_name_none_or_a_file(registry, tmp_path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"")
    assert resolve(registry, weights="none").weights is None
    assert resolve(registry, weights=str(file)).weights == file
    assert "did you mean imagenet?" in refused(registry, weights="imagenett")[0]
    assert "no such file" in refused(registry, weights="./absent.h5")[0]


def test_none_and_another_augmentation_contradict_each_other(registry):
    assert "contradict" in refused(registry, augment=["none", "classic"])[0]


def test_options_of_something_unused_are_refused_with_the_flag_that_would_use_it(registry):
    (problem,) = refused(registry, ["augmentation.classic.zoom=0.1"])
    assert "add --augment classic" in problem


@pytest.mark.parametrize("table", ["augmentation", "reporter"])
def test_an_option_that_does_not_say_whose_it_is_is_refused(registry, table):
    (problem,) = refused(registry, [f"{table}.alpha=7"], augment=["cutmix"])
    assert problem == f"{table}.alpha (--set): does not say which {table} it is for (write {table}.NAME.alpha)"


def test_options_can_be_written_under_the_full_name(registry):
    resolved = resolve(registry, ["augmentation.image_augmentations/classic.zoom=0.1"], augment=["classic"])
    assert resolved.options["augmentation.classic"].zoom == 0.1
    assert resolved.recipe.origin("augmentation.classic.zoom") == "--set"


def test_plugins_can_add_their_own_checks(registry):
    assert refused(registry, seed=13) == ["seed (flag --seed): 13 is unlucky (take 14)"]


@pytest.mark.parametrize(("seed", "message"), [(99, "cannot count that far"), (77, "check_recipe must give Problems")])
def test_a_check_that_fails_stops_those_who_use_its_plugin_and_is_told_to_others(registry, seed, message):
    """Plugin `odd` may be installed for something else: `digits` need nothing of it."""
    resolved = resolve(registry, data="digits", seed=seed)
    with pytest.raises(PluginError, match=rf"plugin 'odd' \(headstart-odd 1\.0\): its check .*{message}"):
        resolve(registry, data="digits", backbone="odd/later", seed=seed)

    (told,) = resolved.warnings
    assert "plugin 'odd' (headstart-odd 1.0)" in told
    assert message in told


def test_something_needed_from_a_failed_plugin_is_exit_5(registry):
    with pytest.raises(PluginError, match=r"headstart-failed 0\.9"):
        resolve(registry, backbone="failed/net", head="nonsense")


def test_paths_become_absolute_so_that_a_run_can_be_used_from_anywhere(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").write_bytes(b"")
    resolved = resolve(registry, data="./photos")
    assert resolved.recipe.data == f"files/image_folder:{tmp_path / 'photos'}"


def test_what_a_strategy_refuses_stands_beside_every_other_problem(registry):
    with pytest.raises(RecipeError) as caught:
        resolve(registry, strategy="probe", epochs=3, augment=("clasic",))
    text = str(caught.value)
    assert "2 problems" in text
    assert "--epochs 3 has nothing to act on" in text
    assert "did you mean image_augmentations/classic" in text


@pytest.mark.parametrize(
    ("data", "task", "message", "ways"),
    [
        (
            "voc:pictures",
            "classification",
            "the data has boxes with classes a sample (the dataset says so); this task learns one class of each",
            ("such as --task detection", "data with one class a sample is opened as image_folder:PATH"),
        ),
        (
            "digits",
            "detection",
            "the data has one class a sample (the dataset says so); this task learns boxes with classes of each",
            ("such as --task classification", "box_folder:PATH, coco:PATH, table:PATH, voc:PATH, yolo:PATH"),
        ),
        ("movie_sentences", "detection", "the data has one class or a number a sample", ("--task classification",)),
    ],
)
def test_a_task_for_other_targets_than_the_dataset_has_is_refused_before_data_is_read(
    registry, data, task, message, ways
):
    (told,) = [each for each in refused(registry, data=data, task=task) if each.startswith("task ")]
    assert message in told
    assert all(way in told for way in ways)


def test_a_task_decides_what_is_read_of_annotations_that_could_be_two_things(registry, tmp_path):
    """So does that of a finished run, which names no task."""
    polygons = {"category_id": 1, "bbox": [0, 0, 1, 1], "segmentation": [[0, 0, 1, 0, 1, 1]]}
    document = {"images": [], "annotations": [polygons], "categories": []}
    (tmp_path / "a.json").write_text(json.dumps(document), "utf-8")
    data = str(tmp_path)

    def opened(**more):
        recipe = build_recipe(flags={"data": data, **more}, file=None, sets=())
        learns = "odd/painted" if not more else None
        return resolve_recipe(recipe, registry, trains=False, learns=learns).dataset.name

    assert resolve_recipe(build_recipe(flags={"data": data}), registry).dataset.name == "box_files/box_folder"
    assert opened(task="detection") == "box_files/box_folder"
    assert opened(task="painted") == opened() == "mask_files/coco_masks"
    (told,) = [each for each in refused(registry, data=f"coco:{data}", task="painted") if each.startswith("task ")]
    assert "opened as coco_masks:PATH, masks:PATH, voc_masks:PATH" in told


@pytest.mark.parametrize(("data", "task"), [("digits", "regression"), ("movie_sentences", "regression")])
def test_targets_that_can_be_read_as_those_of_the_task_pass(registry, data, task):
    assert resolve(registry, data=data, task=task).recipe.task == task


@pytest.mark.parametrize("data", ["digits", "movie_sentences"])
def test_what_no_task_of_the_datas_targets_takes_is_refused_before_data_is_read(registry, data):
    (told,) = refused(registry, data=data, strategy="probe", epochs=3)
    assert "--epochs 3 has nothing to act on" in told


@pytest.mark.parametrize("data", ["coco:pictures", "manifest:table.csv"])  # no closed form; known only once it is read
def test_what_a_task_of_the_data_takes_may_be_said(registry, data):
    assert resolve(registry, data=data, backbone="lite0", strategy="probe", epochs=3).dataset.takes_path


def test_the_phases_of_the_strategy_come_with_the_recipe(registry, bound):
    flags = {"data": "digits", "strategy": "lp_ft", "train": ("block7", "top"), "learning_rate": 1e-4}
    phases = bound(build_recipe(flags=flags), registry).phases
    assert [phase.name for phase in phases] == ["probe", "fine_tune"]
    assert phases[1].train == ("block7", "top", "head")
    assert phases[1].rates == {"block7": 1e-4, "top": 1e-4, "head": 1e-4}


TWO_JSON = """
import dataclasses
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import ReporterSpec

@dataclasses.dataclass(frozen=True)
class Options:
    depth: int = option(1, "How deep.", low=1)

@hookimpl
def register_reporters():
    return [ReporterSpec(name="second/json", summary="Another.", build="second:build", options=Options)]
"""


def test_two_that_share_a_bare_name_keep_their_own_options(registry, tmp_path, monkeypatch):
    write_distribution(tmp_path, "second", TWO_JSON)
    monkeypatch.syspath_prepend(tmp_path)
    both = load_registry()
    names = ("reporters/json", "second/json")
    resolved = resolve(both, reporters=names, sets=("reporter.second/json.depth=3",))

    first, second = (both.get("reporters", name) for name in names)
    assert resolved.options_of("reporter", second).depth == 3
    assert type(resolved.options_of("reporter", first)) is first.options
    assert resolve(both, reporters=names[:1]).options_of("reporter", second).depth == 1


def test_phases_of_a_backbone_with_unknown_stages_are_planned_when_they_are_known(registry, bound):
    flags = {"data": "digits", "backbone": "odd/later", "train": ("b",)}
    resolved = bound(build_recipe(flags=flags), registry)

    assert resolved.phases is None
    assert [phase.train for phase in resolved.planner.plan(("a", "b"))] == [("head",), ("b", "head")]
    with pytest.raises(UsageError, match="names the stage 'b', which this backbone does not have"):
        resolved.planner.plan(("x", "y"))


def test_what_a_reference_fixes_is_explicit_and_can_be_repeated_but_not_changed(registry):
    resolved = resolve(registry, data="digits", backbone="odd/later")
    assert resolved.options["backbone"].config == "small"
    assert resolved.recipe.options["backbone"] == {"config": "small"}
    assert resolve(registry, ("backbone.config=small",), data="digits", backbone="odd/later").options["backbone"]
    with pytest.raises(RecipeError, match=r"backbone\.config .*differs from what odd/later fixes"):
        resolve(registry, ("backbone.config=large",), data="digits", backbone="odd/later")
