"""Which dataset opens a path: annotations of boxes are known by their first bytes, and nothing else is taken for it."""

import json

import pytest

from headstart.errors import DataError, HeadstartError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins.box_files._options import TableOptions
from headstart_plugins.box_files._table import read_boxes
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            '{"shapes": [], "imagePath": "1.png"}',
            "it has shapes, imagePath, and no list images or annotations or categ",
        ),
        (json.dumps({"images": [], "annotations": []}), "it has images, annotations, and no list categories"),
        (json.dumps(CLASSES), "it has annotations, and neither bbox nor segmentation in any"),
        ("{}", "it has nothing, and no list images or annotations or categories"),
        ("[1]", "the JSON is a list; expected an object"),
        ('{"images": [', "no readable JSON: Expecting value"),
    ],
)
def test_json_that_is_no_coco_is_named_with_what_it_lacks(content, told, registry, tmp_path):
    file = tmp_path / "things.json"
    file.write_text(content, "utf-8")
    with pytest.raises(HeadstartError) as caught:
        registry.resolve_dataset(str(file))
    assert caught.value.message.startswith(f"{file}: ")
    assert told in caught.value.message


def test_coco_that_its_ends_do_not_show_is_opened(registry, tmp_path):
    words = {"info": "x" * 2**17, **COCO, "more": "x" * 2**17}
    (tmp_path / "boxes.json").write_text(json.dumps(words), "utf-8")
    assert registry.resolve_dataset(str(tmp_path / "boxes.json")).spec.name == "box_files/coco"


def test_folders_that_several_readings_of_a_table_lead_to_are_named_by_the_setting_that_says_which(tmp_path):
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    (tmp_path / "t.csv").write_text("file,label,x1,y1,x2,y2\na.png,cat,1,1,5,5\n", "utf-8")
    with pytest.raises(DataError, match="2 readings lead to files") as caught:
        read_boxes(str(tmp_path / "t.csv"), TableOptions())
    assert "--set dataset.images=" in caught.value.hint


def test_a_manifest_has_boxes_in_a_column_a_row_for_each_picture(tmp_path):
    boxes = {"corners": [[1, 2, 3, 4]], "classes": ["cat"]}
    (tmp_path / "a.png").touch()
    (tmp_path / "t.jsonl").write_text(json.dumps({"path": "a.png", "boxes": boxes}), "utf-8")
    columns = {"boxes": ("boxes/boxes", "text")}
    request = DatasetRequest(str(tmp_path / "t.jsonl"), ManifestOptions(), target_columns=columns)
    records = build_manifest(request)
    assert (records.targets, json.loads(records.items[0].target)) == ("boxes/boxes", boxes)


def test_a_manifest_of_boxes_is_told_how_all_of_a_picture_are_opened(tmp_path):
    (tmp_path / "a.png").touch()
    file = tmp_path / "t.csv"
    file.write_text("path,label,left,top,right,bottom\na.png,cat,1,1,5,5\na.png,dog,2,2,6,6\n", "utf-8")
    with pytest.raises(DataError, match=r"row 3: 'a\.png' is already listed in row 2") as caught:
        build_manifest(DatasetRequest(str(file), ManifestOptions()))
    assert f"open all of a picture as table:{file}" in caught.value.hint
    assert [len(each.boxes) for each in read_boxes(str(file), TableOptions()).pictures] == [2]
