import dataclasses
import json

import pytest

from headstart.errors import DataError, RecipeError, UsageError
from headstart.registry import load_registry
from headstart.transfer.comparison import planning
from headstart.transfer.comparison.cells import Cell, Design
from headstart.transfer.comparison.planning import Asked, make_design, twin_of

REGISTRY = load_registry()
FLAGS = {"limit": 200, "image_size": 16, "backend": "torch"}
BACKBONE = ("efficientnet_lite/lite0",)


def planned(**asked):
    return make_design(Asked(data="digits", backbones=BACKBONE, flags=FLAGS, **asked), REGISTRY)


@pytest.fixture(scope="module")
def design():
    return planned(strategies=("probe", "lp_ft", "gradual"), seeds=(1, 0))


def test_scratch_is_there_unasked_and_all_that_learn_by_gradient_have_one_budget(design):
    assert [arm.name for arm in design.arms] == ["scratch", "probe", "lp_ft", "gradual"]
    scratch, probe, lp_ft, gradual = design.arms
    assert scratch.control
    assert probe.frozen
    assert (scratch.epochs, probe.epochs, lp_ft.epochs) == (30, 0, 30)
    assert gradual.epochs == 28  # four phases of seven
    assert "epochs" not in probe.flags
    assert all("split.refit=false" in arm.sets for arm in design.arms)


def test_a_head_that_is_trained_first_is_part_of_the_budget():
    asked = Asked(data="digits", backbones=BACKBONE, flags={**FLAGS, "head": "mlp:16"}, strategies=("lp_ft",))
    own = make_design(asked, REGISTRY)
    assert [arm.epochs for arm in own.arms] == [own.arms[0].epochs] * 2
    given = make_design(dataclasses.replace(asked, epochs=25), REGISTRY)
    assert [arm.epochs for arm in given.arms] == [25, 25]
    assert given.arms[1].flags["epochs"] < 25


def test_shares_that_are_too_small_are_left_out_unless_they_were_asked_for(design):
    assert design.fractions == (0.1, 0.3, 1.0)
    assert [note.partition(" ")[0] for note in design.notes] == ["1", "3"]
    assert design.samples == {"train 10 %": 13, "train 30 %": 38, "train 100 %": 128, "val": 32, "test": 40}
    with pytest.raises(DataError, match=r"--fractions 0.05: 5 % of train is 6 samples of 128, too few") as error:
        planned(fractions=(0.05, 1.0))
    assert error.value.hint.startswith("--fractions 0.0")


def test_arms_that_all_begin_with_random_weights_are_told_to_transfer_nothing(design):
    asked = Asked(data="digits", backbones=BACKBONE, flags={**FLAGS, "weights": "none"}, strategies=("full",))
    told = "efficientnet_lite/lite0: every arm begins with random weights, as scratch does: nothing is transferred"
    assert [told in note for note in make_design(asked, REGISTRY).notes].count(True) == 1
    assert not any("nothing is transferred" in note for note in design.notes)


def test_a_design_is_the_same_after_it_was_written(design):
    twins = tuple(map(twin_of, design.arms[1:2]))
    whole = dataclasses.replace(design, twins=twins)
    written = json.dumps(whole.document())
    assert json.dumps(Design.of(json.loads(written)).document()) == written
    with pytest.raises(DataError, match="damaged"):
        Design.of({"arms": [{}]})


def test_cells_are_all_there_once_and_the_frozen_arm_leads(design):
    cells = [*design.cells()]
    assert len(cells) == len({cell.name for cell in cells}) == 4 * 3 * 2
    assert {cell.seed for cell in cells[:12]} == {0}
    assert design.leaders() == {"efficientnet_lite/lite0": Cell("probe", 1.0, 0)}


def test_one_seed_has_no_interval_and_that_is_said():
    found = planned(strategies=("probe",), seeds=(3,), fractions=(1.0,))
    assert any("no interval" in note for note in found.notes)


def test_an_option_goes_to_the_arms_that_have_it_and_one_that_none_has_is_refused():
    found = planned(strategies=("lora",), fractions=(1.0,), sets=("strategy.rank=4", "batch_size=16"), epochs=2)
    scratch, lora = found.arms
    assert "strategy.rank=4" in lora.sets
    assert "strategy.rank=4" not in scratch.sets
    assert "batch_size=16" in scratch.sets
    with pytest.raises(UsageError, match="none of the strategies scratch, probe has that option"):
        planned(strategies=("probe",), sets=("strategy.rank=4",))


def test_batch_norm_that_learns_is_for_the_arms_that_train_the_backbone():
    flags = {**FLAGS, "batch_norm": "trainable"}
    asked = Asked(data="digits", backbones=BACKBONE, strategies=("probe", "full"), fractions=(1.0,), flags=flags)
    scratch, probe, full = make_design(asked, REGISTRY).arms
    assert "batch_norm" not in probe.flags
    assert full.flags["batch_norm"] == "trainable"
    assert "batch_norm" not in scratch.flags  # by its own default


def test_a_control_has_a_new_head_where_the_arms_have_that_of_the_weights():
    flags = {**FLAGS, "head": "pretrained", "weights": "none"}
    asked = Asked(data="digits", flags=flags)
    draft = planning._Draft(asked, REGISTRY, BACKBONE[0], REGISTRY.strategy_from_scratch())
    assert draft.is_control
    assert not {"head", "weights"} & {*draft.flags()}
    other = dataclasses.replace(draft, strategy=REGISTRY.get("strategies", "full"))
    assert other.flags()["head"] == "pretrained"
    kept = dataclasses.replace(draft, asked=Asked(data="digits", flags={**FLAGS, "head": "mlp"}))
    assert kept.flags()["head"] == "mlp"


def test_what_only_goes_on_from_a_trained_head_has_no_control(tmp_path):
    asked = Asked(data=str(tmp_path / "clips.csv"), backbones=("whisper/tiny_en",), flags={"task": "transcription"})
    with pytest.raises(UsageError, match="no control from scratch") as told:
        make_design(asked, REGISTRY)
    assert "headstart evaluate" in told.value.hint


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sets": ("split.train=0.5",)}, "what a comparison varies itself"),
        ({"sets": ("split.test=0",)}, "no test side"),
        ({"fractions": (0.0,)}, "no share of train"),
        ({"fractions": (1.5,)}, "no share of train"),
        ({"seeds": (-1,)}, "--seeds -1"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(asked, told):
    with pytest.raises(UsageError, match=told):
        planned(strategies=("probe",), **asked)


def test_weights_are_of_one_backbone_and_unknown_names_are_told():
    two = ("efficientnet_lite/lite0", "efficientnet_lite/lite1")
    with pytest.raises(UsageError, match="weights are those of one backbone"):
        make_design(Asked(data="digits", backbones=two, flags={**FLAGS, "weights": "imagenet"}), REGISTRY)
    with pytest.raises((UsageError, RecipeError), match="nosuch"):
        make_design(Asked(data="digits", backbones=("nosuch",), flags=FLAGS), REGISTRY)


def test_backbones_have_names_of_their_own_and_controls_of_their_own():
    two = ("efficientnet_lite/lite0", "efficientnet_lite/lite1")
    found = make_design(
        Asked(data="digits", backbones=two, strategies=("probe",), fractions=(1.0,), flags=FLAGS), REGISTRY
    )
    assert [arm.name for arm in found.arms] == ["lite0 scratch", "lite0 probe", "lite1 scratch", "lite1 probe"]
    assert found.control_of(found.arms[3]).name == "lite1 scratch"


def test_a_recipe_says_what_is_not_said_beside_it(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text(
        'fit = {data = "digits", backbone = "efficientnet_lite/lite0", strategy = "gradual", epochs = 4, limit = 200, '
        'seed = 7, image_size = 16, augment = ["light"]}\n[strategy]\nhead_factor = 2.0\n[split]\nval = 0.3\n'
    )
    found = make_design(Asked.from_recipe(file, flags={"backend": "torch", "limit": 300}, seeds=(0, 1)), REGISTRY)
    assert [arm.name for arm in found.arms] == ["scratch", "probe", "lp_ft", "full", "gradual"]
    assert {arm.backbone for arm in found.arms} == {"efficientnet_lite/lite0"}
    scratch, probe, lp_ft, *_ = found.arms
    assert scratch.epochs == lp_ft.epochs == 4
    assert (lp_ft.flags["augment"], lp_ft.flags["limit"]) == (["light"], 300)
    assert {"split.val=0.3", "strategy.head_factor=2.0"} <= {*lp_ft.sets}
    assert "strategy.head_factor=2.0" not in probe.sets
    assert "seed" not in lp_ft.flags
    assert found.notes[0] == "the recipe's seed left out: a comparison has its own"
    only = Asked.from_recipe(file, data="fashion_mnist", strategies=("probe",), epochs=9)
    assert (only.data, only.strategies, only.epochs) == ("fashion_mnist", ("probe",), 9)


def test_a_recipe_without_data_needs_it_beside_it(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text("[fit]\nepochs = 3\n")
    with pytest.raises(UsageError, match=r"recipe\.toml names no data to compare on"):
        Asked.from_recipe(file)
