"""Boxes are read, spread and moved; where a box goes is held against the pixels that the image kind moves."""

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.specs import Change, Record, Records, TargetRequest
from headstart_plugins._affine import after
from headstart_plugins._boxes import LEAST_LEFT
from headstart_plugins.boxes._build import build, moved
from headstart_plugins.image._geometry import warped

KIND = build(TargetRequest(None))
TWO = {"corners": [[1, 2, 5, 8], [0, 0, 2.5, 2]], "classes": ["dog", "cat"]}
EMPTY = {"corners": [], "classes": []}
MIRROR = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def shifted(x, y=0.0, zoom=1.0):
    return (zoom, 0.0, x), (0.0, zoom, y), (0.0, 0.0, 1.0)


def turned(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0)


def row(*boxes):
    valid = np.array([True] * len(boxes) + [False])
    return {"boxes": np.array([*boxes, (0, 0, 0, 0)], np.float32), "valid": valid, "classes": np.arange(len(valid))}


def test_boxes_are_read_from_mappings_and_from_json_and_areas_and_flags_are_filled_in():
    for target in (TWO, '{"corners": [[1, 2, 5, 8], [0, 0, 2.5, 2]], "classes": ["dog", "cat"]}'):
        value = KIND.read(target, "a.png")
        assert value.corners.tolist() == [[1, 2, 5, 8], [0, 0, 2.5, 2]]
        assert (value.classes, value.areas.tolist()) == (("dog", "cat"), [24.0, 5.0])
        assert not value.crowd.any()
        assert not value.difficult.any()
    stated = KIND.read({**TWO, "areas": [20.5, 5], "crowd": [False, True], "difficult": [True, False]}, "a.png")
    assert (stated.areas.tolist(), stated.crowd.tolist()) == ([20.5, 5.0], [False, True])
    for nothing in (EMPTY, ""):
        assert KIND.read(nothing, "a.png").corners.shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"corners": [[1, 2, 5, 8]]}, "a.png: 2 classes, and other numbers of corners"),
        ({"corners": [[1, 2, 5], [0, 0, 2]]}, r"a.png: its corners have shape \(2, 3\); expected 4 a box"),
        ({"corners": [[5, 2, 1, 8], [0, 0, 2, 2]]}, r"a.png: box 1 \(dog\) .* has no area"),
        ({"corners": [[1, 2, 5, 8], [0, 0, 2, float("nan")]]}, "a.png: some of its corners are not finite"),
        ({"areas": [1, float("inf")]}, "a.png: some of its areas are not finite"),
        ({"classes": ["dog", " "]}, "needs the name of a class"),
        ({"areas": [1]}, "expected one of each a box"),
        ({"areas": 5}, r"its areas have shape \(\); expected 1 a box"),
        ({"crowd": True}, "its crowd is True; expected true or false a box"),
        ({"difficult": ["false", "true"]}, r"its difficult is \['false', 'true'\]; expected true or false a box"),
        ({"classes": []}, "a.png: 0 classes, and other numbers of corners"),
    ],
)
def test_what_is_no_box_is_refused_by_name(change, said):
    with pytest.raises(DataError, match=said):
        KIND.read({**TWO, **change}, "a.png")


def test_classes_are_spread_over_a_split_and_so_are_pictures_without_boxes():
    assert KIND.strata([TWO, EMPTY]) == [("all", "class cat", "class dog"), ("all", "no box")]
    assert KIND.names({**TWO, "classes": ["cat", "cat"]}) == ("cat",)
    assert KIND.words({**TWO, "classes": ["cat", "cat"]}) == "2 cat"
    assert KIND.words(EMPTY) == "no boxes"
    assert KIND.recognise(Records("image", (Record("a", "", TWO),))).confidence == 1
    assert KIND.recognise(Records("image", (Record("a", "", "cat"),))) is None


def test_data_without_any_box_and_classes_that_nobody_tells_apart_are_errors():
    def said(*targets):
        return [each.message for each in KIND.check([Record(str(n), "", each) for n, each in enumerate(targets)])]

    assert said(TWO, EMPTY) == []
    assert "there is nothing to learn" in said(EMPTY, EMPTY)[0]
    assert "differ only by case" in said({**TWO, "classes": ["Cat", "cat"]})[0]


def test_mirroring_and_cropping_are_exact():
    mirrored = KIND.transform(row((0.125, 0.25, 0.5, 0.75)), [Change("matrix", MIRROR)], {})
    assert mirrored["boxes"].tolist() == [[0.5, 0.25, 0.875, 0.75], [0, 0, 0, 0]]
    assert mirrored["valid"].tolist() == [True, False]
    # The left upper quarter, enlarged: shares double, and what lies in the other quarters is gone.
    quarter = Change("matrix", shifted(-0.25, -0.25, 0.5))
    cropped = KIND.transform(row((0.125, 0.25, 0.5, 0.375), (0.5, 0.5, 1, 1)), [quarter, Change("hue", 0.1)], {})
    assert cropped["boxes"].tolist() == [[0.25, 0.5, 1, 0.75], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert cropped["classes"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("out", "stays"), [(1 - LEAST_LEFT, True), (1 - LEAST_LEFT + 0.01, False)])
def test_a_box_is_dropped_where_less_than_a_quarter_of_it_is_left(out, stays):
    width = 0.4
    moved_row = KIND.transform(row((0, 0.2, width, 0.6)), [Change("matrix", shifted(out * width))], {})
    assert moved_row["valid"][0] == stays


def test_colours_and_what_is_erased_leave_boxes_alone():
    given = row((0.1, 0.2, 0.3, 0.4))
    erased = Change("erase", ((-0.5, -0.5, 0.5, 0.5), "mean", 1))
    assert KIND.transform(given, [Change("brightness", 2.0), erased], {}) is given


@pytest.mark.parametrize(
    "matrices",
    [[turned(30)], [turned(-75), MIRROR], [((0.8, 0.25, 0.1), (-0.1, 1.3, -0.05), (0.0, 0.0, 1.0))]],
    ids=("turn", "turn and mirror", "shear"),
)
def test_a_box_moves_as_its_pixels_do(matrices):
    """Each of four corners of the box is painted alone; where its pixels come out, the moved corner lies."""
    height, width = 240, 320
    box = np.array([[0.35, 0.4, 0.6, 0.65]])
    left, top, right, bottom = (box[0] * (width, height, width, height)).round().astype(int)
    whole = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    for matrix in matrices:
        whole = after(whole, matrix)
    found = []
    for x, y in ((left, top), (right, top), (left, bottom), (right, bottom)):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[y - 2 : y + 2, x - 2 : x + 2] = 255
        there = warped(pixels, whole)[..., 0].astype(float)
        assert there.sum() > 255
        down, across = np.indices(there.shape) + 0.5
        found.append(((there * across).sum() / there.sum(), (there * down).sum() / there.sum()))
    (across, down) = np.array(found).T
    expected = [across.min(), down.min(), across.max(), down.max()]
    hull, share = moved(box, whole)
    assert np.abs(hull[0] * (width, height, width, height) - expected).max() < 0.5
    assert share[0] == 1
