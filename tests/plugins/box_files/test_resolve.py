"""Which dataset opens a path: annotations of boxes are known by their first bytes, and nothing else is taken for it."""

import json

import pytest

from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._manifest import build as build_manifest

COCO = {"images": [], "annotations": [{"category_id": 1, "bbox": [1, 2, 3, 4]}], "categories": []}
CLASSES = {"images": [], "annotations": [{"id": 1, "image_id": 1, "category_id": 1}], "categories": []}
FOLDER, BOXES, TABLE, MANIFEST = "files/image_folder", "box_files/box_folder", "box_files/table", "files/manifest"


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.mark.parametrize(
    ("name", "content", "opened", "expected"),
    [
        ("boxes.json", json.dumps(COCO), "", BOXES),
        ("boxes.json", json.dumps(COCO), "boxes.json", BOXES),
        ("large.json", json.dumps({**COCO, "images": [{"file_name": "a"}] * 9000}), "", BOXES),
        ("classes.json", json.dumps(CLASSES), "", FOLDER),
        ("a/labelme.json", '{"shapes": [], "imagePath": "1.png"}', "", FOLDER),
        ("a/1.xml", '<?xml version="1.0"?>\n<annotation verified="yes">', "", BOXES),
        ("a/1.xml", "<annotations><image/></annotations>", "", FOLDER),
        ("data.yaml", "train: a\nnames: [x]", "", BOXES),
        ("data.yaml", "train: a\nnames: [x]", "data.yaml", BOXES),
        ("recipe.yaml", "train: a", "", FOLDER),
        ("labels/1.txt", "0 0.5 0.5 0.1 0.1", "", BOXES),
        ("labels/1.txt", "a cat on a mat", "", FOLDER),
        ("a/1.txt", "0 0.5 0.5 0.1 0.1", "", FOLDER),
        ("t.csv", "file,class,Xmin,Ymin,Xmax,Ymax\n", "t.csv", TABLE),
        ("t.tsv", "image_id\tbbox\n", "t.tsv", TABLE),
        ("t.jsonl", '{"path": "a.png", "x": 1, "y": 1, "w": 1, "h": 1, "label": "cat"}\n', "t.jsonl", TABLE),
        ("t.csv", "path,label,width,height\n", "t.csv", MANIFEST),
        ("t.csv", "path,x,y\n", "t.csv", MANIFEST),
    ],
)
def test_a_path_is_opened_by_what_lies_there(name, content, opened, expected, registry, tmp_path):
    for picture in ("a/1.png", "b/2.png"):
        (tmp_path / picture).parent.mkdir()
        (tmp_path / picture).touch()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content, "utf-8")
    assert registry.resolve_dataset(str(tmp_path / opened)).spec.name == expected


def test_a_manifest_has_boxes_in_a_column_a_row_for_each_picture(tmp_path):
    boxes = {"corners": [[1, 2, 3, 4]], "classes": ["cat"]}
    (tmp_path / "a.png").touch()
    (tmp_path / "t.jsonl").write_text(json.dumps({"path": "a.png", "boxes": boxes}), "utf-8")
    columns = {"boxes": ("boxes/boxes", "text")}
    request = DatasetRequest(str(tmp_path / "t.jsonl"), ManifestOptions(), target_columns=columns)
    records = build_manifest(request)
    assert (records.targets, json.loads(records.items[0].target)) == ("boxes/boxes", boxes)
