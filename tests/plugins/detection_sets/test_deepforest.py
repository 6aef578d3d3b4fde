"""Airborne photographs in tiles."""

import io
import itertools
import json
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from headstart.data.made import stored_folder
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins._made_sets.tiles import tiled
from headstart_plugins.detection_sets import TileOptions
from headstart_plugins.detection_sets._deepforest import (
    PHOTOGRAPHS,
    build,
    inside,
    read_photograph,
    write_tiles,
)

BOX = "<object><name>Tree</name><bndbox>{}</bndbox></object>"


def annotated(height, width, boxes):
    edges = ("xmin", "ymin", "xmax", "ymax")
    own = "".join(BOX.format("".join(f"<{e}>{v}</{e}>" for e, v in zip(edges, box, strict=True))) for box in boxes)
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{own}</annotation>"


def package(boxes, *, stated=(90, 70)):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "PNG")
    archive = zipfile.ZipFile(io.BytesIO(), "w")
    archive.writestr(f"deepforest/data/{PHOTOGRAPHS[0].stem}.png", picture.getvalue())
    archive.writestr(f"deepforest/data/{PHOTOGRAPHS[0].stem}.xml", annotated(*stated, boxes))
    return archive, pixels


def test_voc_counts_pixels_from_1_and_names_the_last_one_inside():
    """So a box of the whole photograph is written 1, 1, width, height."""
    archive, pixels = package([(1, 1, 70, 90), (11, 21, 11, 22)])
    name, found, corners = read_photograph(archive, PHOTOGRAPHS[0])
    assert name == "yell_528"
    assert np.array_equal(found, pixels)
    assert corners.tolist() == [[0, 0, 70, 90], [10, 20, 11, 22]]
    with pytest.raises(DataError, match=r"is for \(70, 90\), the photograph has \(90, 70\)"):
        read_photograph(package([], stated=(70, 90))[0], PHOTOGRAPHS[0])


@pytest.mark.parametrize(
    ("length", "found"),
    [(64, [(0, 64)]), (30, [(0, 30)]), (65, [(0, 64), (1, 65)]), (112, [(0, 64), (48, 112)]), (113, 3)],
)
def test_tiles_cover_a_side_and_the_last_ends_where_it_does(length, found):
    tiles = tiled(length, 64, 16)
    assert (len(tiles) if isinstance(found, int) else tiles) == found
    assert tiles[-1][1] == length
    assert all(one[1] - other[0] >= 16 for one, other in itertools.pairwise(tiles))


def test_a_box_is_in_each_tile_with_half_of_it_and_cut_to_it():
    corners = np.array([[90, 90, 110, 110], [95, 100, 110, 110], [94, 120, 110, 130], [0, 0, 5, 5]])
    found = list(inside(corners, (100, 100, 200, 200), 0.5))
    assert [(box.corners, box.area) for box in found] == [((0, 0, 10, 10), 100), ((0, 20, 10, 30), 100)]
    whole = list(inside(corners, (50, 50, 150, 150), 0.5))
    assert next(box.corners for box in whole) == (40, 40, 60, 60)


def test_pixels_of_tiles_are_those_of_the_photograph_and_those_without_boxes_are_kept(tmp_path):
    archive, pixels = package([(1, 1, 20, 20)])
    write_tiles(tmp_path, "train", [read_photograph(archive, PHOTOGRAPHS[0])], TileOptions(tile=64, overlap=16))
    document = json.loads((tmp_path / "annotations" / "instances_train.json").read_text())
    assert [each["file_name"] for each in document["images"]] == [
        f"yell_528-{left:04d}-{top:04d}.png" for top in (0, 26) for left in (0, 6)
    ]
    last = np.asarray(Image.open(tmp_path / "train" / "yell_528-0006-0026.png"))
    assert np.array_equal(last, pixels[26:, 6:])
    assert [each["bbox"] for each in document["annotations"]] == [[0, 0, 20, 20], [0, 0, 14, 20]]


def test_the_real_photographs_where_they_are_made():
    folder = stored_folder(load_registry().get("datasets", "deepforest"))
    if not folder.is_dir():
        pytest.skip("deepforest is not made on this machine")
    records = build(DatasetRequest(None, None, made=folder))
    sides = Counter((item.group, item.split) for item in records.items)
    assert {each[0]: each[1] for each in sides} == {each.name: each.side for each in PHOTOGRAPHS}
    boxes = [
        json.loads((folder / "annotations" / f"instances_{side}.json").read_text())["info"]["boxes"]
        for side in ("train", "val", "test")
    ]
    assert sum(sum(each.values()) for each in boxes) == 951
    assert any(not item.target["corners"] for item in records.items)
