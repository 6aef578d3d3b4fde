"""Which dataset opens a path: masks where it can be nothing else, or where a task for masks asks for them."""

import json

import pytest

from .made import coco, mask, opened, picture, registry, text, told

MASKS, COCO, VOC = "mask_files/masks", "mask_files/coco_masks", "mask_files/voc_masks"
CLASSES, BOXES, MANIFEST = "files/image_folder", "box_files/box_folder", "files/manifest"
KIND = "masks/mask"


def folders(root):
    for name in "ab":
        picture(root / "images" / f"{name}.jpg")
        mask(root / "masks" / f"{name}.png")
    return root


def class_folders(root):
    for name in ("mask", "no_mask"):
        picture(root / name / "1.jpg")
    return root


def numbered(root):
    for name in ("hat", "glasses", "mask"):
        picture(root / name / "1.jpg")
    return root


def polygons(root):
    picture(root / "a.png")
    coco(root / "all.json", [{"segmentation": [[0, 0, 1, 0, 1, 1]], "bbox": [0, 0, 1, 1]}])
    return root


def boxes(root):
    picture(root / "a.png")
    coco(root / "all.json", [{"segmentation": [], "bbox": [0, 0, 1, 1]}])
    return root


def scenes(root):
    """As `detection_sets` writes them: boxes and masks."""
    picture(root / "train" / "a.jpg")
    mask(root / "masks" / "train" / "a.png")
    coco(root / "annotations" / "instances_train.json", [{"bbox": [0, 0, 1, 1]}], files=("a.jpg",))
    return root


def voc(root, with_boxes):
    picture(root / "JPEGImages" / "a.jpg")
    mask(root / "SegmentationClass" / "a.png")
    if with_boxes:
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
        text(root / "Annotations" / "a.xml", f"<annotation><object><name>cat</name>{box}</object></annotation>")
    return root


def table(root, header="path,mask", row="a.jpg,a.png"):
    return text(root / "t.csv", header, row)


def json_file(root):
    return polygons(root) / "all.json"


@pytest.mark.parametrize(
    ("write", "bare", "asked"),
    [
        (folders, MASKS, MASKS),
        (class_folders, CLASSES, MASKS),
        (numbered, CLASSES, MASKS),
        (polygons, BOXES, COCO),
        (json_file, BOXES, COCO),
        (boxes, BOXES, BOXES),
        (scenes, BOXES, MASKS),
        (lambda root: voc(root, with_boxes=True), BOXES, VOC),
        (lambda root: voc(root, with_boxes=False), VOC, VOC),
        (table, MASKS, MASKS),
        (lambda root: table(root, "image,label", "a.jpg,masks/a.png"), MANIFEST, MASKS),
        (lambda root: table(root, "path,mask", "a.jpg,worn"), MANIFEST, MANIFEST),
        (lambda root: table(root, "path,label", "a.jpg,cat"), MANIFEST, MANIFEST),
    ],
)
def test_a_path_is_opened_by_what_lies_there_and_by_what_is_asked_for(write, bare, asked, tmp_path):
    path = str(write(tmp_path))
    assert registry().resolve_dataset(path).spec.name == bare
    assert registry().resolve_dataset(path, KIND).spec.name == asked


def test_who_asks_for_classes_or_boxes_gets_no_masks(tmp_path):
    path = str(folders(tmp_path))
    assert registry().resolve_dataset(path, "targets/class").spec.name == CLASSES
    with pytest.raises(Exception, match="looks like masks of the pictures in images") as caught:
        opened(path, "image_folder")
    assert f"masks:{tmp_path}" in caught.value.hint


def test_boxes_that_could_be_masks_say_how_these_are_opened(tmp_path):
    records = opened(polygons(tmp_path))
    note = next(each for each in records.findings if "is read as boxes" in each.message)
    assert f"coco_masks:{tmp_path} reads its polygons as masks" in note.hint


def test_a_parquet_table_of_paths_is_one_of_masks_and_one_of_pictures_inside_is_not(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    content = picture(tmp_path / "a.png").read_bytes()
    paths, inside = tmp_path / "paths.parquet", tmp_path / "inside.parquet"
    parquet.write_table(pyarrow.table({"path": ["a.png"], "mask": ["b.png"]}), paths)
    image = {"bytes": content, "path": "a.png"}
    parquet.write_table(pyarrow.table({"image": [image], "mask": [image], "label": ["x"]}), inside)
    assert registry().resolve_dataset(str(paths)).spec.name == MASKS
    assert registry().resolve_dataset(str(inside)).spec.name == "files/parquet"


def test_json_lines_and_odd_tables_are_looked_into_without_harm(tmp_path):
    lines = text(tmp_path / "t.jsonl", json.dumps({"image": "a.png", "mask": "b.png"}))
    assert registry().resolve_dataset(str(lines)).spec.name == MASKS
    for content in ("", "path", "path,mask\n", "[1]", "\xff"):
        odd = tmp_path / "odd.csv"
        odd.write_text(content, "latin-1")
        assert registry().resolve_dataset(str(odd), KIND).spec.name == MANIFEST
    assert told(opened(folders(tmp_path / "set"), classes=("a", "b"))) == ""
