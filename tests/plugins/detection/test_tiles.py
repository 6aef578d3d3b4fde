"""A picture in tiles: boxes that seams cut, or that two tiles see, are one box of the whole picture."""

import numpy as np
import pytest

from headstart.asking import PredictOptions, read_settings
from headstart.errors import UsageError
from headstart.specs import InputRequest, Sample
from headstart_plugins._boxes import Detections
from headstart_plugins.detection import register_tasks
from headstart_plugins.detection._decode import one_a_thing
from headstart_plugins.detection._tiles import CLASSES, CORNERS, SCORES, Pieces, TileMerger, merge
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_images
from headstart_plugins.image._geometry import starts

SIZE, TILE, OVERLAP = (400, 300), 128, 32
"""Width and height of the whole picture, and its tiles."""


def images(size=TILE, resize="pad"):
    preprocess = {"size": [size, size], "interpolation": "bilinear", "resize": resize}
    return build_images(InputRequest(preprocess, ImageOptions()))


def tile_facts():
    pixels = np.zeros((*SIZE[::-1], 3), np.uint8)
    return [row.facts for row in images().tiles(Sample(pixels), TILE, OVERLAP)]


def seen(things, fact, score=lambda tile, thing: 0.9, noise=0.0, random=None):
    """What a perfect detector, or one that is off by `noise` pixels, finds in a tile: each thing as far as it lies in
    it."""
    left, top, right, bottom = fact["tile"]
    found, scores, classes = [], [], []
    for number, (kind, *box) in enumerate(things):
        part = np.clip(np.array(box, float), [left, top] * 2, [right, bottom] * 2)
        if (part[2:] > part[:2]).all():
            moved = part + (random.uniform(-noise, noise, 4) if noise else 0)
            if (part[2:] - part[:2] >= 8).all() or not noise:  # no detector finds a sliver
                found.append(moved)
                scores.append(score(fact["tile"], number))
                classes.append(kind)
    order = np.argsort(-np.array(scores), kind="stable")
    corners = np.array(found, float).reshape(-1, 4)[order]
    return Detections(corners, np.array(scores, float)[order], np.array(classes, np.int64)[order])


def merged(things, calls=1, **how):
    """Boxes, scores and classes of the whole, of tiles that come in so many calls."""
    merger = TileMerger(lambda outputs, facts: [seen(things, fact, **how) for fact in facts], 0.6)
    facts = tile_facts()
    for part in np.array_split(np.arange(len(facts)), calls):
        merger.add({}, [facts[place] for place in part])
    found = merger.merged()
    return found[CORNERS][0], found[SCORES][0], found[CLASSES][0]


def rows(corners, classes):
    return sorted([int(kind), *np.round(box, 6).tolist()] for box, kind in zip(corners, classes, strict=True))


THINGS = {
    "whole in one tile": [(0, 10, 10, 40, 40)],
    "whole in the overlap of two, and of four": [(0, 100, 10, 124, 40), (1, 100, 100, 124, 124)],
    "cut in one and whole in the other": [(0, 80, 10, 118, 40), (0, 110, 60, 150, 80)],
    "cut in both": [(0, 60, 10, 170, 70)],
    "across four": [(0, 60, 60, 170, 170)],
    "across all of them": [(2, 5, 3, 397, 296)],
    "a bar through all columns": [(0, 2, 100, 398, 120)],
    "neighbours at a seam stay two": [(0, 70, 10, 110, 40), (0, 111, 10, 150, 40)],
    "two classes in one place": [(0, 60, 10, 170, 70), (1, 60, 10, 170, 70)],
    "a row of them": [(0, 10 + 38 * place, 140, 40 + 38 * place, 170) for place in range(10)],
    "at the picture's border": [(0, 0, 0, 20, 300), (1, 380, 280, 400, 300)],
    "nothing": [],
}


@pytest.mark.parametrize("calls", [1, 4])
@pytest.mark.parametrize("name", THINGS)
def test_each_thing_is_one_box_of_the_whole_picture(name, calls):
    things = THINGS[name]
    corners, scores, classes = merged(things, calls)
    assert rows(corners, classes) == sorted([kind, *map(float, box)] for kind, *box in things)
    assert scores.tolist() == [0.9] * len(things)


@pytest.mark.parametrize("name", THINGS)
def test_boxes_that_are_off_by_some_pixels_are_merged_too(name):
    """Off by 2 pixels on each side, another 2 in each tile; what is whole in no tile is the smallest box around all."""
    random = np.random.default_rng(3)
    for _ in range(20):
        corners, _, classes = merged(THINGS[name], noise=2.0, random=random)
        expected = sorted([kind, *map(float, box)] for kind, *box in THINGS[name])
        found = rows(corners, classes)
        assert [row[0] for row in found] == [row[0] for row in expected]
        assert np.abs(np.array(found) - np.array(expected)).max(initial=0) <= 2


def test_a_box_that_no_seam_cuts_is_kept_before_a_surer_part_of_it_and_has_its_score():
    thing = (0, 80, 10, 118, 40)  # whole in the first tile; the second begins at 96
    corners, scores, _ = merged([thing], score=lambda tile, _: 0.5 if tile[0] == 0 else 0.8)
    assert corners.tolist() == [[80, 10, 118, 40]]
    assert scores.tolist() == [0.8]


def test_a_piece_that_two_whole_things_cover_makes_them_no_one_thing():
    first, second = [0, 0, 128, 128], [96, 0, 224, 128]
    corners = np.array([[40, 10, 100, 50], [60, 10, 120, 50], [96, 10, 100, 50]], float)
    cut = np.zeros((3, 4), bool)
    cut[2, 0] = True
    tiles = np.array([first, first, second], float)
    found = merge(Pieces(corners, np.array([0.9, 0.8, 0.5]), np.zeros(3, np.int64), tiles, cut), 0.6)
    assert found.corners.tolist() == corners[:2].tolist()


def test_a_setting_given_twice_says_the_same_whatever_the_spaces():
    (task,) = register_tasks()
    assert read_settings(["predict.tile=64", "predict.tile = 64"], task).options.tile == 64
    with pytest.raises(UsageError, match="given twice: 64 and 65"):
        read_settings(["predict.tile=64", "predict.tile=65"], task)


def test_a_picture_of_one_tile_is_answered_as_one_without():
    """Also where its boxes overlap more than duplicates of two tiles may."""
    pixels = np.random.default_rng(0).integers(0, 256, (100, 90, 3), np.uint8)
    kind = images(64)
    (row,) = kind.tiles(Sample(pixels), 100, 20)
    alone = kind.prepare(Sample(pixels))
    assert {name: row.facts[name] for name in alone.facts} == alone.facts
    assert row.facts["tile"] == [0, 0, 90, 100]
    assert (row.tensors["image"] == alone.tensors["image"]).all()
    found = Detections(np.array([[0.0, 0, 50, 50], [0, 0, 50, 40]]), np.array([0.9, 0.8]), np.array([0, 0]))
    merger = TileMerger(lambda outputs, facts: [found], 0.6)
    merger.add({}, [row.facts])
    assert merger.merged()[CORNERS][0].tolist() == found.corners.tolist()


@pytest.mark.parametrize(
    ("length", "expected"),
    [(100, [0]), (128, [0]), (129, [0, 1]), (224, [0, 96]), (225, [0, 96, 97]), (400, [0, 96, 192, 272])],
)
def test_tiles_cover_a_side_overlap_and_end_with_it(length, expected):
    assert starts(length, TILE, OVERLAP) == expected


def test_a_pixel_of_the_input_leads_to_its_pixel_of_the_whole_picture():
    """Each pixel says its own place; tiles are shrunk to half."""
    y, x = np.mgrid[:300, :400]
    pixels = np.stack([x % 256, y % 256, x // 256], axis=2).astype(np.uint8)
    rows = list(images(64).tiles(Sample(pixels), 128, 0))
    assert len(rows) == 4 * 3
    for row in rows:
        fact = row.facts
        assert (fact["width"], fact["height"], fact["input_width"]) == (400, 300, 64)
        place = np.array([20.5, 30.5])  # the middle of a pixel of the input
        whole = (place - [fact["offset_x"], fact["offset_y"]]) / [fact["scale_x"], fact["scale_y"]]
        seen = row.tensors["image"][30, 20].astype(float)
        if not 250 < whole[0] % 256 + 3 < 256 and whole[0] % 256 > 3:
            assert np.abs(whole % 256 - 0.5 - seen[:2]).max() <= 1
        left, top, right, bottom = fact["tile"]
        assert left <= whole[0] <= right
        assert top <= whole[1] <= bottom


@pytest.mark.parametrize("resize", ["pad", "stretch", "crop"])
def test_all_of_a_tile_is_in_the_input_where_the_picture_is_flatter_than_a_tile(resize):
    rows = list(images(64, resize).tiles(Sample(np.zeros((60, 400, 3), np.uint8)), TILE, OVERLAP))
    assert len(rows) == 4
    for fact in (row.facts for row in rows):
        corners = np.array(fact["tile"]).reshape(2, 2)
        placed = corners * [fact["scale_x"], fact["scale_y"]] + [fact["offset_x"], fact["offset_y"]]
        assert -1e-9 <= placed.min() <= placed.max() <= 64 + 1e-9


@pytest.mark.slow
def test_many_boxes_of_many_tiles_are_merged_in_a_moment():
    """A grid of 40 x 40 things, each seen by one to four of 169 tiles."""
    import time

    things = [(0, 25.0 * x, 25.0 * y, 25.0 * x + 20, 25.0 * y + 20) for x in range(40) for y in range(40)]
    pixels = np.zeros((1000, 1000, 3), np.uint8)
    facts = [row.facts for row in images(32).tiles(Sample(pixels), 100, 25)]
    merger = TileMerger(lambda outputs, facts: [seen(things, fact) for fact in facts], 0.6)
    merger.add({}, facts)
    began = time.perf_counter()
    found = merger.merged()
    assert time.perf_counter() - began < 10
    assert rows(found[CORNERS][0], found[CLASSES][0]) == sorted([kind, *box] for kind, *box in things)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"tile": 64, "overlap": 64.0}, "overlap is 64, not less than the tile, which is 64"),
        ({"tile": 64, "overlap": 0.999}, "not less than the tile"),
        ({"tile": 640, "overlap": 0.95}, "of a tile of 640 at most 576 pixels are shared"),
        ({"tile": 64, "overlap": 1.5}, "a share below 1 or whole pixels"),
    ],
)
def test_overlaps_that_leave_nothing_of_a_tile_are_refused(values, told):
    with pytest.raises(ValueError, match=told):
        PredictOptions(**values)


def test_an_overlap_is_a_share_or_pixels():
    assert PredictOptions(tile=640).tiling.overlap == 128
    assert PredictOptions(tile=640, overlap=64.0).tiling.overlap == 64
    assert PredictOptions(tile=640, overlap=0.0).tiling.overlap == 0
    assert PredictOptions().tiling is None


def test_one_thing_of_two_classes_is_answered_as_the_surer_one():
    """But both stay at exactly the limit, and of one class; what has gone removes nothing."""
    corners = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 8], [20, 0, 30, 10], [0, 0, 10, 10]])
    found = Detections(corners, np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0, 1, 2, 1, 0]))
    assert one_a_thing(found, 0.8).scores.tolist() == [0.9, 0.7, 0.6, 0.5]
    assert one_a_thing(found, 1.0).scores.tolist() == found.scores.tolist()


def test_boxes_that_are_hardly_sure_say_nothing_of_where_a_thing_lies():
    """Two tiles, 0 to 100 and 80 to 180, with a thing at the seam of the first, and one behind it; around them boxes of
    low scores, one of which no seam cuts and one of which would join the two things."""
    first, second = [0, 0, 100, 100], [80, 0, 180, 100]
    found = [
        ([60, 20, 99, 60], 0.8, first, [False, False, True, False]),
        ([81, 22, 105, 61], 0.7, second, [True, False, False, False]),
        ([130, 20, 160, 60], 0.75, second, [False] * 4),
        ([84, 10, 102, 90], 0.1, second, [False] * 4),
        ([81, 0, 170, 99], 0.2, second, [True, False, False, True]),
    ]
    columns = [np.array(column) for column in zip(*found, strict=True)]
    corners, scores, tiles, cut = columns
    pieces = Pieces(corners.astype(float), scores, np.zeros(5, np.int64), tiles.astype(float), cut)
    things = merge(pieces, 0.6)
    assert things.corners[:2].tolist() == [[60, 20, 105, 61], [130, 20, 160, 60]]
    assert things.scores[:2].tolist() == [0.8, 0.75]
    assert (things.scores[2:] <= 0.2).all()
