"""Detection goes all the way: trained, reloaded, evaluated, predicted, drawn, written down."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from headstart.artefact import Artefact
from headstart.errors import UsageError
from headstart.eventlog import read_events
from headstart.events import EpochDone
from headstart.run import Run
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def run(tmp_path_factory, shapes_registry):
    """A small network from random weights, on pictures of 96 pixels: enough to begin to learn."""
    made = fit(
        "shapes/shapes",
        out=str(tmp_path_factory.mktemp("boxes") / "run"),
        registry=shapes_registry,
        backbone="efficientnet_lite/lite0",
        weights="none",
        strategy="scratch",
        head="pyramid:32,1",
        epochs=5,
        batch_size=8,
        learning_rate=1e-2,
        reporters=("json",),
        engine="native",
        sets=(
            "backbone.width=0.3",
            "backbone.depth=0.1",
            "input.size=96",
            "dataset.count=40",
            "dataset.side=90",
            "task.threshold=0.06",
        ),
    )
    return Run.load(made.path, registry=shapes_registry)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    from headstart_shapes import draw

    pixels, _ = draw(np.random.default_rng(3), 3, 128)
    file = tmp_path_factory.mktemp("pictures") / "7.png"
    Image.fromarray(pixels).save(file)
    return file


def test_it_learns_and_its_artefact_scores_as_the_run_did(run):
    assert run.evaluate().document["metrics"]["test"] == run.result["metrics"]["test"]
    assert run.result["metrics"]["test"]["map50"] > 0.02, run.result["metrics"]
    assert run.result["baseline"] == {"no_box_map": 0.0}
    assert run.result["classes"] == ["ellipse", "rectangle"]
    with (run.path / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {"key", "split", "target", "class", "score", "left", "top", "right", "bottom"} == set(rows[0])


def test_figures_of_sizes_that_no_object_has_are_unknown_and_end_nothing(run):
    epochs = [event for event in read_events(run.path / "events.jsonl") if isinstance(event, EpochDone)]
    assert run.result["metrics"]["test"]["map_large"] is None, "no box of 90 x 90 is larger than 96 x 96"
    assert all("map" in epoch.val and "map_large" not in epoch.val for epoch in epochs)


def test_boxes_are_in_pixels_of_the_picture_whatever_its_size(run, picture):
    small = np.asarray(Image.open(picture))
    large = small.repeat(3, 0).repeat(3, 1)
    artefact = Artefact.load(run.path / "artefact", registry=run.registry)
    found, enlarged = (artefact.predict(each)["boxes"][0]["box"] for each in (small, large))
    assert np.abs(np.array(found) - np.array(enlarged) / 3).max() < 3


def test_predict_draws_boxes_and_writes_rows_and_results(run, picture, tmp_path):
    (answer,) = run.predict([str(picture)], out=tmp_path)
    lines = list(run.lines_of([answer, {"input": "none.png", "boxes": []}]))
    assert len(lines) == len(answer["boxes"]) + 1 > 1
    assert list(lines[0]) == ["input", "class", "score", "left", "top", "right", "bottom"]
    assert set(lines[-1].values()) == {"none.png", None}
    results = json.loads((tmp_path / "coco_results.json").read_text("utf-8"))
    assert [each["image_id"] for each in results] == [7] * len(answer["boxes"])
    drawn = Image.open(io.BytesIO((tmp_path / "7.png").read_bytes()))
    assert drawn.size == Image.open(picture).size
    assert (np.asarray(drawn) != np.asarray(Image.open(picture))).any()


def test_pictures_that_one_tile_holds_are_answered_and_scored_as_without_tiles(run, picture):
    whole, told = run.evaluate().document, {}
    tiled = run.evaluate(sets=["predict.tile=200"]).document
    for name in ("metrics", "intervals", "report"):
        told[name] = {key: value for key, value in whole[name]["test"].items() if key != "loss"}
        assert tiled[name]["test"] == told[name], name
    assert "loss" in whole["metrics"]["test"]
    beside = run.beside(run).document["differences"]
    assert {"map", "map50", "ar100"} <= set(beside)
    assert all(each["interval"] == [0, 0] for each in beside.values())
    assert run.predict([str(picture)], sets=["predict.tile=200"]) == run.predict([str(picture)])


def test_each_tile_is_answered_as_a_picture_of_its_own(run, picture):
    """Side by side and without an overlap: where no box ends near the seam, those of each, in their places."""
    part = np.asarray(Image.open(picture).resize((128, 128)))
    pictures = [part, part[::-1], np.full((128, 128, 3), 255, np.uint8)]
    whole = np.concatenate(pictures, axis=1)
    sets = ["predict.tile=128", "predict.overlap=0", "task.threshold=0.05", "task.across=1"]
    (answer,) = run.predict([whole], sets=sets)
    alone = run.predict(pictures, sets=sets[2:])
    expected = []
    for place, each in enumerate(alone):
        for box in each["boxes"]:
            left, top, right, bottom = box["box"]
            expected.append((box["class"], left + 128 * place, top, right + 128 * place, bottom, box["score"]))
    near = 8 * 128 / 96
    inner = [row for row in expected if all(min(x % 128, -x % 128) > near for x in (row[1], row[3]))]
    found = [(box["class"], *box["box"], box["score"]) for box in answer["boxes"]]
    assert len(inner) > 2
    for row in inner:
        same = [each for each in found if each[0] == row[0] and np.allclose(each[1:], row[1:], atol=0.01)]
        assert len(same) == 1, row


def test_settings_of_an_answer_are_checked_before_any_is_given(run, picture):
    for setting, told in (
        ("predict.tile=16", "predict.tile: must be at least 32 for this run's input kind, not 16"),
        ("predict.tile=0", "predict.tile: must be at least 1"),
        (
            "predict.tiles=64",
            "predict.tiles=64: a finished run takes predict.tile, predict.overlap, predict.lines, task",
        ),
        ("predict.overlap=0.5", "there are no tiles"),
        ("task.threshold=2", "task.threshold: must be at most 1"),
        ("task.threshold=0.04", "never looked at; give a higher threshold, or train with a lower task.min_score"),
        (
            "task.voc=true",
            "takes predict.tile, predict.overlap, predict.lines, task.threshold, task.across and settings",
        ),
    ):
        with pytest.raises(UsageError) as raised:
            run.predict([str(picture)], sets=[setting])
        assert told in str(raised.value)


def write_coco(folder, count=6):
    """Pictures and COCO's annotations of them, with ids that say nothing: those of categories in another order than
    their names, those of pictures unlike the digits in these."""
    from headstart_shapes import draw

    (folder / "images").mkdir(parents=True)
    categories = [{"id": 90, "name": "ellipse"}, {"id": 11, "name": "rectangle"}, {"id": 2, "name": "never seen"}]
    ids = {each["name"]: each["id"] for each in categories}
    document = {"images": [], "annotations": [], "categories": categories}
    for number in range(count):
        pixels, target = draw(np.random.default_rng(number), 3, 128)
        name = f"{count - number:03d}.png"
        Image.fromarray(pixels).save(folder / "images" / name)
        height, width = pixels.shape[:2]
        document["images"].append({"id": 500 + 3 * number, "file_name": name, "height": height, "width": width})
        for (left, top, right, bottom), kind in zip(target["corners"], target["classes"], strict=True):
            box = {"id": len(document["annotations"]) + 1, "image_id": 500 + 3 * number, "category_id": ids[kind]}
            sides = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
            document["annotations"].append({**box, **sides, "iscrowd": 0})
    file = folder / "instances.json"
    file.write_text(json.dumps(document), "utf-8")
    return file


EVERY_BOX = ("task.threshold=0.05", "task.across=1")


@pytest.mark.parametrize("named", ["file", "folder"])
def test_cocos_own_tool_scores_results_by_the_users_own_annotations_as_evaluate_does(run, tmp_path, named):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    file = write_coco(tmp_path / "mine")
    run.predict([str(file if named == "file" else file.parent)], sets=EVERY_BOX, out=tmp_path / "out")
    truth = COCO(str(file))
    scored = COCOeval(truth, truth.loadRes(str(tmp_path / "out" / "coco_results.json")), "bbox")
    scored.evaluate()
    scored.accumulate()
    scored.summarize()
    metrics = run.evaluate(str(file)).document["metrics"]["test"]
    assert metrics["map50"] > 0.02
    for place, name in enumerate(("map", "map50", "map75")):
        assert scored.stats[place] == pytest.approx(metrics[name], abs=1e-6), name


def test_a_job_that_goes_on_has_the_users_own_ids_too(run, tmp_path):
    file = write_coco(tmp_path / "mine")
    for _ in range(2):
        list(run.answers([str(file)], sets=EVERY_BOX, out=tmp_path / "out", jsonl=True))
    meant = json.loads((tmp_path / "out" / "coco_categories.json").read_text("utf-8"))
    assert [each["id"] for each in meant["images"]] == sorted((500 + 3 * number for number in range(6)), reverse=True)
    assert meant["categories"] == [{"id": 90, "name": "ellipse"}, {"id": 11, "name": "rectangle"}]
