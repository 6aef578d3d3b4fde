"""Tiles of a picture become one mask without seams, in memory that does not grow with its height."""

import tracemalloc

import drawn_masks as examples
import numpy as np
import pytest

from headstart.errors import PluginError
from headstart.specs import InputRequest, Sample
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_image

KIND = build_image(InputRequest({"size": [64, 64]}, ImageOptions()))
CELLS = 8


def tiles_of(height, width, side, overlap):
    return [each.facts for each in KIND.tiles(Sample(np.zeros((height, width, 3), np.uint8)), side, overlap)]


def saying(facts, field):
    """Logits of each tile, as a network gives them that knows `field` (class) of x and y in pixels of the picture."""
    found = []
    for fact in facts:
        x, y = (
            ((np.arange(CELLS) + 0.5) * fact["input_width"] / CELLS - fact[f"offset_{axis}"]) / fact[f"scale_{axis}"]
            for axis in "xy"
        )
        grid = np.meshgrid(x, y)
        found.append(np.stack([each(*grid) for each in field], axis=-1).astype(np.float32))
    return np.stack(found)


def merged(task, facts, logits, at_once=3):
    merger = task.merger()
    for start in range(0, len(facts), at_once):
        merger.add({"logits": logits[start : start + at_once]}, facts[start : start + at_once])
    return merger.merged()


PLANES = (
    lambda x, y: 0.1 * x + 0.013 * y - 9,
    lambda x, y: -0.07 * x + 0.05 * y,
    lambda x, y: 0 * x + 1.5,
    lambda x, y: 0.002 * x * 0 - 3 + 0.0 * y,
)


@pytest.mark.parametrize(("side", "overlap"), [(64, 16), (64, 0), (50, 25), (200, 40)])
def test_of_a_network_that_answers_linearly_no_seam_is_seen(side, overlap):
    """Beyond the outermost centres of a tile's cells its logits stand still: with an overlap other tiles know better.
    What is left moves a boundary by a pixel at most."""
    task, facts = examples.task(), tiles_of(150, 190, side, overlap)
    (answer,) = task.decode(merged(task, facts, saying(facts, PLANES)), facts[:1], 1)
    x, y = np.meshgrid(np.arange(190) + 0.5, np.arange(150) + 0.5)
    values = np.stack([each(x, y) for each in PLANES])
    expected = values.argmax(axis=0)
    assert len(np.unique(expected)) == 3
    best = np.sort(values, axis=0)[::-1]
    half = 0.5 * side / CELLS
    inner = (slice(round(half) + 1, -round(half) - 1),) * 2  # beyond, a picture of one tile is no better
    wrong = (answer["mask"] != expected)[inner]
    assert wrong.mean() < (0.002 if overlap else 0.02)
    assert (best[0] - best[1])[inner][wrong].max(initial=0) < 0.17 * (1.0 if overlap else half + 0.5)


def test_of_a_network_that_always_says_the_same_tiles_change_nothing():
    task, facts = examples.task(calibrate=True).calibrated({"temperature": 1.5}), tiles_of(150, 190, 64, 20)
    values = np.array([0.3, 1.7, -2.0, 1.0], np.float32)
    found = merged(task, facts, np.broadcast_to(values, (len(facts), CELLS, CELLS, 4)))
    (answer,) = task.decode(found, facts[:1], 1)
    assert np.unique(answer["mask"]).tolist() == [1]
    assert answer["mask"].shape == (150, 190)
    assert np.unique(answer["sure"]).tolist() == [round(255 * examples.probabilities(values / 1.5).max())]


def test_pixels_take_the_mean_of_their_tiles_weighed_by_how_far_inside_they_lie():
    """Two tiles, 64 wide, that share 24 columns and say different things: by hand for each column."""
    task, facts = examples.task(), tiles_of(64, 104, 64, 24)
    assert [each["tile"] for each in facts] == [[0, 0, 64, 64], [40, 0, 104, 64]]
    logits = np.zeros((2, CELLS, CELLS, 4), np.float32)
    logits[0, ..., 1], logits[1, ..., 2] = 1.0, 0.6
    found = merged(task, facts, logits)["merged_mask"][0]
    for column in range(104):
        left = 0.0 if column >= 64 else 1.0 if column < 32 else np.sin(np.pi * (column + 0.5) / 64) ** 2
        right = 0.0 if column < 40 else 1.0 if column >= 72 else np.sin(np.pi * (column - 40 + 0.5) / 64) ** 2
        assert (found[:, column] == (1 if left * 1.0 > right * 0.6 else 2)).all(), column


def test_one_tile_is_answered_as_a_picture_of_its_own():
    task, facts = examples.task(), tiles_of(40, 60, 64, 16)
    logits = examples.logits(np.random.default_rng(0), 1, (CELLS, CELLS))
    whole = task.decode({"logits": logits}, facts, 1)[0]["mask"]
    assert np.array_equal(task.decode(merged(task, facts, logits), facts, 1)[0]["mask"], whole)


def test_a_merged_picture_is_scored_against_its_truth():
    task, facts = examples.task(), tiles_of(150, 190, 64, 16)
    found = merged(task, facts, saying(facts, PLANES))
    evaluator = task.evaluator()
    truth = {"truth_mask": found["merged_mask"], "mask": np.zeros((1, *examples.SIZE), np.uint8)}
    evaluator.update(truth, found, facts[:1], np.full(1, np.nan, np.float32))
    assert evaluator.metrics()["miou"] == 1.0


def test_tiles_that_come_in_another_order_or_leave_something_out_are_named():
    task, facts = examples.task(), tiles_of(150, 60, 64, 16)
    logits = np.zeros((len(facts), CELLS, CELLS, 4), np.float32)
    for chosen in ([1, 0, 2], [0, 2], [0, 1]):
        with pytest.raises(PluginError, match="do not come row by row, or leave pixels out"):
            merged(task, [facts[each] for each in chosen], logits[: len(chosen)])
    bare = [{name: value for name, value in facts[0].items() if name != "tile"}]
    with pytest.raises(PluginError, match="where a tile lies"):
        merged(task, bare, logits[:1])


@pytest.mark.parametrize("height", [400, 2000])
def test_sums_are_kept_of_the_rows_alone_that_a_later_tile_may_see(height):
    """Of a picture five times as high, only the mask takes more."""
    task, facts = examples.task(), tiles_of(height, 300, 64, 16)
    logits = np.zeros((1, CELLS, CELLS, 4), np.float32)
    merger = task.merger()
    tracemalloc.start()
    for fact in facts:
        merger.add({"logits": logits}, [fact])
    merger.merged()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    band = 4 * 64 * 300 * 4
    assert peak - height * 300 < 5 * band
