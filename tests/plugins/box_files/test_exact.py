"""Where boxes lie, held against pictures in which they are painted, and against pycocotools' own reading."""

import json

import numpy as np
import pytest
from PIL import Image

from headstart.specs import DatasetRequest, InputRequest
from headstart_plugins._annotations.headers import Header, read_headers
from headstart_plugins.box_files._build import build
from headstart_plugins.box_files._options import BoxFolderOptions
from headstart_plugins.image._build import build as build_kind

WIDTH, HEIGHT = 60, 40
PAINTED = slice(7, 19), slice(11, 42)
"""Rows and columns that are white."""


def painted(path, orientation=1):
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[PAINTED] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def coco(folder):
    left, top, width, height = 11, 7, 31, 12
    image = {"id": 5, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}
    box = {"id": 1, "image_id": 5, "category_id": 2, "bbox": [left, top, width, height]}
    document = {"images": [image], "annotations": [box], "categories": [{"id": 2, "name": "white"}]}
    (folder / "a.json").write_text(json.dumps(document))


def voc(folder):
    """The first and the last pixel that are white, counted from 1."""
    box = "<xmin>12</xmin><ymin>8</ymin><xmax>42</xmax><ymax>19</ymax>"
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    item = f"<object><name>white</name><bndbox>{box}</bndbox></object>"
    (folder / "a.xml").write_text(f"<annotation>{size}{item}</annotation>")


def yolo(folder):
    (folder / "data.yaml").write_text("train: .\nnames: [white]\n")
    numbers = ((11 + 42) / 2 / WIDTH, (7 + 19) / 2 / HEIGHT, (42 - 11) / WIDTH, (19 - 7) / HEIGHT)
    (folder / "a.txt").write_text(" ".join(map(str, (0, *numbers))))


def opened(folder, **options):
    return build(DatasetRequest(str(folder), BoxFolderOptions(**options)))


@pytest.mark.parametrize("write", [coco, voc, yolo])
def test_a_box_holds_the_painted_pixels_and_no_other(write, tmp_path):
    painted(tmp_path / "a.png")
    write(tmp_path)
    target = opened(tmp_path).items[0].target
    assert np.abs(target["corners"] - [[11, 7, 42, 19]]).max() < 1e-9


@pytest.mark.parametrize("orientation", range(1, 9))
def test_adapted_boxes_hold_them_in_the_picture_that_is_read_upright(orientation, tmp_path):
    """Orientations that keep the size tell nothing by it, so there boxes are those of the upright picture already."""
    painted(tmp_path / "a.png", orientation)
    coco(tmp_path)
    record = opened(tmp_path, sizes="adapt").items[0]
    pixels = build_kind(InputRequest({"size": [32, 32]}, None)).read(record.payload, "a").value
    rows, columns = np.nonzero(pixels[..., 0])
    upright = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    expected = [11, 7, 42, 19] if orientation in (2, 3, 4) else upright
    assert record.target["corners"].tolist() == [expected]
    turned = Header((WIDTH, HEIGHT), orientation).turned((11, 7, 42, 19))
    assert list(turned) == upright


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp"])
def test_sizes_by_the_header_are_those_of_the_picture_that_is_read(suffix, tmp_path):
    kind = build_kind(InputRequest({"size": [32, 32]}, None))
    files = []
    for orientation in (1, 3, 6):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files.append(tmp_path / f"{orientation}.{suffix}")
        Image.new("RGB", (WIDTH, HEIGHT)).save(files[-1], **({} if suffix == "bmp" else {"exif": exif}))
    read = [kind.read(file, "a").value.shape[1::-1] for file in files]
    assert [header.upright for header in read_headers(files)] == read
    assert read_headers([tmp_path / "absent.png"]) == [None]


def test_random_annotations_are_read_as_pycocotools_reads_them(tmp_path, capsys):
    coco_tool = pytest.importorskip("pycocotools.coco")
    draw = np.random.default_rng(0)
    ids = draw.permutation(1000)[:30].tolist()
    for place in ids:
        Image.new("RGB", (100, 80)).save(tmp_path / f"{place}.png")
    boxes = [
        {
            "id": 10_000 - number,
            "image_id": ids[draw.integers(len(ids))],
            "category_id": int(draw.choice((3, 44, 90))),
            "bbox": [*draw.uniform(0, 40, 2).tolist(), *draw.uniform(1, 40, 2).tolist()],
            "area": float(draw.uniform(1, 1000)),
            "iscrowd": int(draw.random() < 0.1),
        }
        for number in range(200)
    ]
    images = [{"id": place, "file_name": f"{place}.png", "width": 100, "height": 80} for place in ids]
    names = {3: "car", 44: "bottle", 90: "toothbrush"}
    categories = [{"id": place, "name": name} for place, name in names.items()]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    theirs = coco_tool.COCO(tmp_path / "a.json")
    found = {record.key: record.target for record in opened(tmp_path).items}
    assert len(found) == len(ids)
    for place in ids:
        expected, target = theirs.loadAnns(theirs.getAnnIds(place)), found[f"{place}.png"]
        assert target["classes"] == tuple(names[each["category_id"]] for each in expected)
        corners = [(x, y, x + width, y + height) for x, y, width, height in (each["bbox"] for each in expected)]
        assert target["corners"].tolist() == [list(each) for each in corners]
        assert list(target.get("areas", ())) == [each["area"] for each in expected]
        crowd = target.get("crowd", np.zeros(len(expected), bool))
        assert crowd.tolist() == [bool(each["iscrowd"]) for each in expected]
