"""The numbers that annotations in COCO's format have for classes and pictures, from their file to the task."""

import json

import drawn_boxes as examples
import numpy as np
from PIL import Image

from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import make_ready
from headstart.registry import load_registry
from headstart.runs.planning import lay_ground
from headstart_plugins.detection._draw import coco_files


def write(folder, name, categories, start=0, count=12):
    """A file of annotations in COCO's format, with one box of each category in turn."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    document = {"images": [], "annotations": [], "categories": []}
    document["categories"] = [{"id": number, "name": called} for number, called in categories]
    for number in range(start, start + count):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        document["images"].append({"id": 700 - number, "file_name": f"{number}.png", "width": 32, "height": 32})
        box = {"id": number + 1, "image_id": 700 - number, "category_id": categories[number % len(categories)][0]}
        document["annotations"].append({**box, "bbox": [4, 4, 9, 9], "area": 81, "iscrowd": 0})
    (folder / name).write_text(json.dumps(document), "utf-8")


def ground_of(folder, tmp_path):
    flags = {"data": str(folder), "backbone": "efficientnet_lite/lite0", "weights": "none"}
    recipe = build_recipe(flags=flags, file=None, sets=["input.size=32"])
    return lay_ground(make_ready(recipe, load_registry()), tmp_path / "scratch")


def test_a_task_has_the_ids_of_the_categories_that_it_learns(tmp_path):
    write(tmp_path / "mine", "all.json", [(12, "bee"), (3, "ant")])
    ground = ground_of(tmp_path / "mine", tmp_path)
    assert ground.task.labels()["classes"] == ["ant", "bee"]
    assert ground.task.labels()["category_ids"] == [3, 12]
    assert {record.key: record.id for record in ground.records.items}["images/5.png"] == 695


def test_files_of_two_sides_that_number_categories_otherwise_are_told(tmp_path):
    write(tmp_path / "mine", "train.json", [(12, "bee"), (3, "ant"), (4, "cow")])
    write(tmp_path / "mine", "val.json", [(12, "ant"), (4, "cow"), (5, "bee")], start=12)
    write(tmp_path / "mine", "test.json", [(3, "ant"), (12, "bee")], start=24)
    ground = ground_of(tmp_path / "mine", tmp_path)
    told = [each for each in ground.data.findings if "otherwise" in each.message]
    assert {each.level for each in told} == {"warning"}
    assert ground.task.labels()["classes"] == ["ant", "bee", "cow"]
    assert ground.task.labels()["category_ids"] == [3, 12, 4]  # of test.json, which is read first


def test_ids_of_before_stay_where_they_are_free():
    def ids_of(before, new):
        return examples.task(category_ids=before).with_label_ids(new).category_ids

    assert ids_of(None, {"ant": 5, "bee": 2, "cow": 0, "dog": 9}) == (5, 2, 0)
    assert ids_of((1, 2, 3), {"bee": 7}) == (1, 7, 3)
    assert ids_of((1, 2, 3), {"bee": 3}) == (1, 3, 4)
    assert ids_of(None, {"bee": 4}) == (5, 4, 6)
    assert ids_of((1, 2, 3), {"ant": 8, "bee": 8}) == (1, 2, 3)


def test_pictures_have_the_ids_of_their_answers_where_each_has_one():
    box = {"class": "bee", "score": 0.5, "box": [0.0, 0.0, 1.0, 1.0]}

    def ids_of(*answers):
        files = coco_files([(f"{place + 7}.png", each) for place, each in enumerate(answers)], examples.CLASSES)
        return [each["image_id"] for each in json.loads(files["coco_results.json"])]

    assert ids_of({"boxes": [box], "id": 40}, {"boxes": [box], "id": 3}) == [40, 3]
    assert ids_of({"boxes": [box], "id": "a"}, {"boxes": [box], "id": "b"}) == ["a", "b"]
    assert ids_of({"boxes": [box], "id": 40}, {"boxes": [box]}) == [7, 8]
    assert ids_of({"boxes": [box], "id": 40}, {"boxes": [box], "id": 40}) == [7, 8]


def test_copies_under_other_boxes_are_named_without_the_hash_of_these(tmp_path):
    write(tmp_path / "mine", "all.json", [(1, "bee"), (2, "ant")])
    pictures = tmp_path / "mine" / "images"
    (pictures / "4.png").write_bytes((pictures / "3.png").read_bytes())
    told = [each.message for each in ground_of(tmp_path / "mine", tmp_path).data.findings]
    assert "1 contents under contradicting labels, such as images/3.png and images/4.png" in told
