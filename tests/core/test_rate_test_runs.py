"""`headstart lr` as a library call: a whole plan, the phases before the tested one, and no trace but the answer."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from headstart.errors import UsageError
from headstart.recipe import build_recipe
from headstart.runs.rate_plot import draw_png
from headstart.runs.rate_test import RateRange, rate_test

pytestmark = pytest.mark.backend

SMALL = {"data": "digits", "backbone": "small/net", "weights": "none", "limit": 200}
RANGE = RateRange(1e-4, 10.0, 200)


def measured(registry, sweep=RANGE, **flags):
    return rate_test(build_recipe(flags={**SMALL, **flags}), registry, sweep)


@pytest.fixture(scope="module")
def full(small_registry):
    return measured(small_registry, strategy="full")


def test_a_plan_that_starts_from_a_random_head_falls_then_rises(full):
    curve = full.curve
    assert (full.phase, full.stage, full.strategy) == ("full", "top", "full")
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


def test_nothing_is_left_behind(small_registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    measured(small_registry, strategy="full", sweep=RateRange(1e-5, 1e-4, 10))
    assert os.listdir(tmp_path) == []


def test_a_plan_without_a_gradient_has_no_rate_to_choose(small_registry):
    with pytest.raises(UsageError, match="probe solves for its head in closed form"):
        measured(small_registry, strategy="probe")


def test_the_plot_is_a_picture_with_the_suggestion_drawn_in_its_colour(full):
    with Image.open(io.BytesIO(draw_png(full))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (540, 960, 3)
    assert (pixels == (0xD1, 0x49, 0x5B)).all(axis=2).sum() > 200
