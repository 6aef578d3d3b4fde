"""`headstart lr` as a library call: a whole plan, the phases before the tested one, and no trace but the answer."""

import io
import os

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from headstart.engine.train import lr_test as rate_test_engine
from headstart.errors import UsageError
from headstart.recipes.build import build_recipe
from headstart.registry import load_registry
from headstart.runs.rate_test import RateRange, draw_png, rate_test
from headstart.testing import write_distribution

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SMALL = {"data": "digits", "backbone": "small/net", "weights": "none", "limit": 200}
RANGE = RateRange(1e-4, 10.0, 200)
FIXED = """
from headstart.hookspecs import hookimpl
from headstart.specs import Phase, StrategySpec

@hookimpl
def register_strategies():
    return [StrategySpec(name="fixed/rates", summary="At rates of its own.", build="fixed:build")]

def build(request):
    rates = {"top": request.learning_rate or 1e-3, "head": 1e-2}
    return [Phase(name="tune", train=("top", "head"), solver="gradient", rates=rates)]
"""


def measured(registry, sweep=RANGE, **flags):
    return rate_test(build_recipe(flags={**SMALL, **flags}), registry, sweep)


@pytest.fixture(scope="module")
def full(small_registry):
    return measured(small_registry, strategy="full")


def test_a_plan_that_starts_from_a_random_head_falls_then_rises(full):
    curve = full.curve
    assert (full.phase, full.setting, full.strategy) == ("full", "--learning-rate", "full")
    assert curve.smoothed[curve.least] < curve.smoothed[0]
    assert curve.losses[-1] > curve.losses.min()
    assert RANGE.low <= curve.steepest <= RANGE.high
    assert RANGE.low <= curve.tenth <= RANGE.high


def test_a_solved_head_is_solved_before_the_rates_are_tried(full, small_registry):
    """The loss begins far below that of a random head."""
    after = measured(small_registry, strategy="lp_ft")
    assert after.phase == "fine_tune"
    assert after.curve.smoothed[0] < 0.7 * full.curve.smoothed[0]


def test_the_phase_that_is_tested_is_the_one_that_the_learning_rate_is_of(small_registry):
    """A head without a closed form learns by gradient before it, at a rate of its own."""
    short = RateRange(1e-5, 1e-4, 10)
    sets = ("strategy.probe_epochs=1",)
    stated = build_recipe(flags={**SMALL, "strategy": "lp_ft", "head": "mlp:8", "learning_rate": 2e-3}, sets=sets)
    found = rate_test(stated, small_registry, short)
    assert found.phase == "fine_tune"
    assert found.planned == pytest.approx(2e-3)


@pytest.fixture
def swept(monkeypatch):
    """The optimizers that rates are tried with, as they are made."""
    made = []

    real = rate_test_engine.sweeping

    def kept(*given):
        made.append(real(*given))
        return made[-1]

    monkeypatch.setattr(rate_test_engine, "sweeping", kept)
    return made


def tried(optimizer, step):
    """The rate of each stage in a step."""
    rates = optimizer.rates(step)
    return {name.partition("/")[0]: rates[group] for name, group in zip(optimizer.names, optimizer.groups, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "sets", "setting", "place"),
    [
        ({"strategy": "discriminative", "train": ("low",)}, ("probe_epochs=1",), "--learning-rate", 1),
        ({"strategy": "full", "train": ("low", "top")}, ("layer_decay=0.3",), "--learning-rate", 0),
        ({"strategy": "probe"}, (), "--learning-rate", 0),
        ({"strategy": "lp_ft", "train": ("head",)}, (), "strategy.head_rate", 0),
    ],
    ids=["a lower stage", "two stages", "a head alone", "a head before all else"],
)
def test_a_plan_with_the_suggestion_has_the_rates_that_were_tried(
    small_registry, bound, swept, flags, sets, setting, place
):
    flags, sets = {**SMALL, "head": "mlp:8", **flags}, tuple(f"strategy.{each}" for each in sets)
    document = rate_test(build_recipe(flags=flags, sets=sets), small_registry, RANGE).document()
    assert document["setting"] == setting

    suggested = document["suggestion"]
    if setting == "--learning-rate":
        flags["learning_rate"] = suggested
    else:
        sets = (*sets, f"{setting}={suggested!r}")
    planned = bound(build_recipe(flags=flags, sets=sets), small_registry).phases[place]
    (optimizer,) = swept
    step = [point["rate"] for point in document["points"]].index(suggested)
    assert tried(optimizer, step) == pytest.approx(planned.rates, rel=1e-12)
    assert planned.name == document["phase"]


def test_rates_that_follow_no_setting_are_not_tried(small_plugin, tmp_path, monkeypatch):
    write_distribution(tmp_path, "fixed", FIXED)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="follow neither --learning-rate nor an option of the strategy rates"):
        measured(load_registry(), strategy="fixed/rates")


def test_the_recipes_own_rate_stands_beside(full, small_registry):
    named = measured(small_registry, strategy="full", learning_rate=2e-3, sweep=RateRange(1e-5, 1e-4, 10))
    assert named.planned == pytest.approx(2e-3)
    assert full.document()["planned"] == full.planned > 0


def test_the_document_has_every_point_and_no_number_that_json_refuses(full):
    import json

    document = json.loads(json.dumps(full.document(), allow_nan=False))
    assert [point["loss"] for point in document["points"]] == full.curve.losses.tolist()
    assert [point["rate"] for point in document["points"]] == full.curve.rates.tolist()
    assert (document["suggestion"], document["tenth_of_minimum"]) == (full.curve.steepest, full.curve.tenth)
    assert document["setting"] == "--learning-rate"


def test_nothing_is_left_behind(small_registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    measured(small_registry, strategy="full", sweep=RateRange(1e-5, 1e-4, 10))
    assert os.listdir(tmp_path) == []


def test_a_plan_without_a_gradient_has_no_rate_to_choose(small_registry):
    with pytest.raises(UsageError, match="probe solves for its head in closed form"):
        measured(small_registry, strategy="probe")


def test_the_plot_is_a_picture_with_the_suggestion_drawn_in_its_colour(full, monkeypatch):
    labels, label = [], Axes.set_xlabel
    monkeypatch.setattr(Axes, "set_xlabel", lambda axes, text: label(axes, labels.append(text) or text))
    with Image.open(io.BytesIO(draw_png(full))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (540, 960, 3)
    assert labels == ["--learning-rate (peak rate)"]
    assert (pixels == (0xD1, 0x49, 0x5B)).all(axis=2).sum() > 200
