"""COCO's polygons and run lengths, held against pycocotools' own reading, and what cannot be right in them."""

import json

import numpy as np
import pytest

from headstart.errors import DataError
from headstart_plugins._mask import VOID

from .made import coco, opened, picture, read, told


def square(left, top, side, **more):
    return {"segmentation": [[left, top, left + side, top, left + side, top + side, left, top + side]], **more}


def test_random_annotations_are_masks_as_pycocotools_paints_them(tmp_path, capsys):
    tool = pytest.importorskip("pycocotools.coco")
    masks = pytest.importorskip("pycocotools.mask")
    generator = np.random.default_rng(1)
    width, height = 60, 40
    picture(tmp_path / "a.png", (width, height))
    annotations = []
    for number in range(12):
        kind = ("polygons", "plain", "compressed")[number % 3]
        if kind == "polygons":
            parts = [generator.uniform(-5, 62, 2 * int(generator.integers(3, 8))).round(2).tolist() for _ in range(2)]
            segmentation = parts[: 1 + number % 2]
        else:
            pixels = np.zeros((height, width), np.uint8)
            left, top = (int(each) for each in generator.integers(0, 30, 2))
            pixels[top : top + 9 + number, left : left + 20] = generator.random() < 2
            segmentation = masks.encode(np.asfortranarray(pixels))
            segmentation["counts"] = segmentation["counts"].decode()
            if kind == "plain":
                flat = np.concatenate([[0], pixels.T.ravel()])
                edges = np.flatnonzero(np.diff(flat))
                segmentation["counts"] = np.diff(np.concatenate([[0], edges, [pixels.size]])).tolist()
        annotations.append({"id": number + 1, "category_id": 5 * (1 + number % 2), "segmentation": segmentation,
                            "area": 1.0, "bbox": [0, 0, 1, 1], "iscrowd": int(number == 9)})  # fmt: skip
    path = coco(tmp_path / "all.json", annotations, size=(width, height))
    theirs = tool.COCO(str(path))
    capsys.readouterr()
    painted = np.zeros((height, width), np.uint8)
    drawn = [(each, theirs.annToMask(each).astype(bool)) for each in theirs.dataset["annotations"]]
    for each, pixels in sorted(drawn, key=lambda pair: (not pair[0]["iscrowd"], -pair[1].sum(), pair[0]["id"])):
        painted[pixels] = VOID if each["iscrowd"] else each["category_id"] // 5
    records = opened(path, targets="masks/mask")
    found = read(records)["a.png"]
    assert found.names == ("background", "cat", "dog")
    assert found.classes.tolist() == painted.tolist()
    assert len(np.unique(painted)) == 4
    assert "annotations are crowds; their pixels are void where no other object is" in told(records)


def test_smaller_objects_lie_on_top_whatever_their_order(tmp_path):
    picture(tmp_path / "a.png")
    path = coco(tmp_path / "all.json", [square(1, 1, 1), square(0, 0, 3, category_id=10)])
    expected = [[2, 2, 2, 0, 0, 0], [2, 1, 2, 0, 0, 0], [2, 2, 2, 0, 0, 0], [0] * 6]
    assert read(opened(path, "coco_masks"))["a.png"].classes.tolist() == expected
    void = read(opened(path, "coco_masks", background=""))["a.png"]
    assert void.names == ("cat", "dog")
    assert void.classes[:2].tolist() == [[1, 1, 1] + [VOID] * 3, [1, 0, 1] + [VOID] * 3]


def test_pictures_without_objects_are_background_and_two_files_are_two_sides(tmp_path):
    for side in ("train", "val"):
        picture(tmp_path / f"{side}2017" / f"{side}.png")
        coco(tmp_path / "annotations" / f"instances_{side}2017.json", [square(0, 0, 2)] if side == "train" else [],
             files=(f"{side}.png",))  # fmt: skip
    records = opened(tmp_path, targets="masks/mask")
    assert [(each.key, each.split) for each in records.items] == [
        ("train2017/train.png", "train"),
        ("val2017/val.png", "val"),
    ]
    assert (read(records)["val2017/val.png"].classes == 0).all()
    said = told(records)
    assert "annotations of the sides of a split" in said
    assert "warning: 1 of 3 classes are in no mask: dog" in said


def test_each_annotation_that_cannot_be_right_is_named(tmp_path):
    picture(tmp_path / "a.png")
    wrong = [
        {**square(0, 0, 2), "image_id": 99},
        {**square(0, 0, 2), "category_id": 99},
        {"bbox": [0, 0, 2, 2]},
        {"segmentation": []},
        {"segmentation": [[0, 0, 2, 2]]},
        {"segmentation": [[0, 0, 2, None, 4, 4]]},
        {"segmentation": {"size": [4, 6], "counts": [3]}},
        {"segmentation": {"size": [6, 4], "counts": [24]}},
        {"segmentation": {"size": [4, 6], "counts": "1z~"}},
        {"segmentation": {"size": [4, 6], "counts": [-10, 34]}},
        {"segmentation": {"size": ["4", "6"], "counts": [24]}},
        {"segmentation": {"size": [4, float("inf")], "counts": [24]}},
        {"segmentation": {"size": [4, 6], "counts": "o" * 40 + "0"}},
        {"segmentation": [[0, 0, 1e7, 0, 0, 4]]},
        {"segmentation": [[0, 0, 1e300, 0, 0, 4]]},
        square(6, 0, 2),
        square(0, 0, 2),
    ]
    path = coco(tmp_path / "all.json", wrong)
    records = opened(path, "coco_masks")
    said = told(records)
    for part in (
        "error: 1 annotation of a picture that the annotations do not list: all.json, annotation 0: image_id 99",
        "error: 1 annotation of a class that the annotations do not name: all.json, annotation 1: category_id 99",
        "error: 13 annotations without polygons or run lengths that can be drawn: all.json, annotation 2 (cat): "
        "segmentation is None; all.json, annotation 3 (cat): segmentation is []; all.json, annotation 4 (cat): a "
        "polygon of shape (4,); expected x and y of 3 points or more",
        "error: 1 annotation whose polygons lie outside of the picture: all.json, annotation 15 (cat)",
    ):
        assert part in said
    cases = next(each.cases for each in records.findings if "that can be drawn" in each.message)
    assert "its runs sum up to 3, the shortest of them 3; expected 6 x 4 pixels" in cases[4]
    assert "its size is [6, 4], height and width; expected those of its picture, [4, 6]" in cases[5]
    assert "its runs sum up to 24, the shortest of them -10; expected 6 x 4 pixels, none below 0" in cases[7]
    assert "its size is ['4', '6']; expected height and width, whole numbers" in cases[8]
    assert "its size is [4, inf]; expected height" in cases[9]
    assert "its compressed counts have a number that is no run of a picture" in cases[10]
    assert "a polygon with the point [10000000.0, 0.0], far outside of its picture of 6 x 4 pixels" in cases[11]
    assert "the point [1e+300, 0.0], far outside" in cases[12]
    fewer = opened(path, "coco_masks", faulty="drop")
    assert "error" not in told(fewer)
    assert (read(fewer)["a.png"].classes[:2, :2] == 1).all()


def test_polygons_in_shares_and_pictures_of_another_size_are_named(tmp_path):
    picture(tmp_path / "a.png")
    path = coco(tmp_path / "all.json", [square(0, 0, 0.5), square(0.2, 0.2, 0.5)])
    assert "error: 2 of 2 polygons have no coordinate beyond 1 and look like shares" in told(opened(path, "coco_masks"))
    coco(path, [square(0, 0, 2)], size=(12, 8))
    said = told(opened(path, "coco_masks"))
    assert "error: 1 mask of another size than its picture: a.png: a mask (12 x 8, the picture 6 x 4)" in said


def test_polygons_that_were_drawn_before_exif_turned_their_picture_are_turned_along(tmp_path):
    picture(tmp_path / "a.jpg", orientation=6)
    path = coco(tmp_path / "all.json", [square(0, 0, 2)], files=("a.jpg",))
    assert "of a picture that EXIF turns, drawn before that: a.jpg" in told(opened(path, "coco_masks"))
    found = read(opened(path, "coco_masks", turned="stored"))["a.jpg"].classes
    assert found.shape == (6, 4)
    assert (found[:2, 2:] == 1).all()
    assert found.sum() == 4


def test_more_categories_than_a_mask_can_tell_apart_are_refused(tmp_path):
    picture(tmp_path / "a.png")
    path = coco(tmp_path / "all.json", [], names=[f"c{number}" for number in range(254)])
    with pytest.raises(DataError, match="255 classes, the background among them; expected 254 at most"):
        opened(path, "coco_masks")
    assert len(json.loads(path.read_text())["categories"]) == 254
    assert opened(path, "coco_masks", background="").items
