"""From outputs to boxes in pixels, and what is made of them: doubles, thresholds, tables, files."""

import io
import json

import drawn_boxes as examples
import numpy as np
import pytest
from PIL import Image

from headstart.errors import DataError
from headstart.specs import TaskRequest
from headstart_plugins._boxes import Boxes
from headstart_plugins.detection import DetectionOptions
from headstart_plugins.detection._decode import one_a_thing, without_doubles
from headstart_plugins.detection._draw import coco_files, drawn_boxes
from headstart_plugins.detection._grid import cells_of
from headstart_plugins.detection._task import build


def boxes(*corners, classes=None, crowd=None):
    corners = np.array(corners, np.float64).reshape(-1, 4)
    none = np.zeros(len(corners), bool)
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    names = tuple(classes or ("bee",) * len(corners))
    return Boxes(corners, names, areas, none if crowd is None else np.array(crowd), none)


def saying(*answers):
    """Outputs of one picture in which a cell each says (position, class, score, distances in strides) as surely as it
    can."""
    positions = len(cells_of(examples.SIZE).strides)
    outputs = {"classes": np.full((1, positions, 3), -20, np.float32), "sides": np.zeros((1, positions, 4, 11))}
    for position, kind, score, away in answers:
        outputs["classes"][0, position, kind] = np.log(score / (1 - score))
        for side, steps in enumerate(away):
            below = int(steps)
            outputs["sides"][0, position, side] = -1e3
            shares = np.array([below + 1 - steps, steps - below])
            outputs["sides"][0, position, side, below : below + 2] = np.log(np.maximum(shares, 1e-30))
    return outputs


def test_a_box_comes_back_in_pixels_of_the_picture_cut_at_its_border():
    """Cell (2, 1) of stride 8 has its centre at (20, 12): in the picture, half as large and moved by 4, at (32, 24)."""
    outputs = saying((12 + 2, 1, 0.9, (1.5, 1, 2, 0.5)), (1, 0, 0.8, (3, 3, 3, 3)))
    first, second = examples.task().decode(outputs, [examples.FACTS], 1)[0]["boxes"]
    assert first == {"class": "bee", "score": pytest.approx(0.9), "box": pytest.approx([8, 8, 64, 32], abs=1e-4)}
    assert second["box"] == pytest.approx([0, 0, 64, 56], abs=1e-4)


def test_a_box_of_the_frame_alone_is_none():
    """The input's first 4 pixels, left of the picture, hold nothing of it."""
    outputs = saying((0, 1, 0.9, (0.5, 0.5, 0, 0.5)))
    assert examples.task().decode(outputs, [examples.FACTS], 1) == [{"boxes": []}]


def test_answers_are_those_above_the_threshold_and_metrics_see_more():
    outputs = saying((14, 1, 0.9, (1, 1, 1, 1)), (40, 1, 0.4, (1, 1, 1, 1)), (70, 1, 0.01, (1, 1, 1, 1)))
    task = examples.task(threshold=0.5)
    (answer,) = task.decode(outputs, [examples.FACTS], 1)
    assert [each["score"] for each in answer["boxes"]] == pytest.approx([0.9])
    assert task.found(outputs, [examples.FACTS])[0].scores == pytest.approx([0.9, 0.4])
    assert [list(row) for row in task.rows(answer)] == [["class", "score", "left", "top", "right", "bottom"]]


@pytest.mark.parametrize(
    ("case", "corners", "classes", "kept"),
    [
        ("a pair at exactly the threshold stays", [[0, 0, 10, 10], [0, 0, 10, 5]], [0, 0], [0, 1]),
        ("a little above it, the surer one stays", [[0, 0, 10, 10], [0, 0, 10, 5.1]], [0, 0], [0]),
        ("other classes do not count", [[0, 0, 10, 10], [0, 0, 10, 10]], [0, 1], [0, 1]),
        ("what has gone removes nothing", [[0, 0, 10, 10], [0, 3, 10, 13], [0, 6, 10, 16]], [0, 0, 0], [0, 2]),
        ("of equal scores the first stays", [[1, 0, 10, 10], [0, 0, 10, 10], [0, 0, 9, 10]], [0, 0, 0], [0]),
    ],
)
def test_of_doubles_the_surer_one_stays(case, corners, classes, kept):
    """As torchvision 0.29 documents it of `nms` and `batched_nms`."""
    found = without_doubles(np.array(corners, np.float64), np.array(classes), 0.5, 100)
    assert found.tolist() == kept, case


def test_doubles_are_those_of_onnxruntime():
    """Its NonMaxSuppression (1.32): of equal scores the first too, and a pair at exactly the threshold stays too."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    made, kind = onnx.helper, onnx.TensorProto
    given = [
        made.make_tensor_value_info("boxes", kind.FLOAT, [1, None, 4]),
        made.make_tensor_value_info("scores", kind.FLOAT, [1, 3, None]),
    ]
    fixed = [
        made.make_tensor("most", kind.INT64, [1], [10**6]),
        made.make_tensor("overlap", kind.FLOAT, [1], [0.25]),
    ]
    node = made.make_node("NonMaxSuppression", ["boxes", "scores", "most", "overlap"], ["kept"])
    result = made.make_tensor_value_info("kept", kind.INT64, [None, 3])
    graph = made.make_graph([node], "doubles", given, [result], fixed)
    model = made.make_model(graph, opset_imports=[made.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    random = np.random.default_rng(0)
    for _ in range(20):
        low = random.integers(0, 40, (100, 2))
        corners = np.concatenate([low, low + random.integers(1, 30, (100, 2))], axis=1).astype(np.float64)
        scores, classes = np.sort(random.integers(1, 30, 100) / 32)[::-1], random.integers(0, 3, 100)
        of_class = np.where(np.arange(3)[:, None] == classes, scores, -1).astype(np.float32)[None]
        (kept,) = session.run(None, {"boxes": corners[None].astype(np.float32), "scores": of_class})
        expected = sorted(place for _, kind, place in kept.tolist() if classes[place] == kind)
        assert 20 < len(expected) < 95
        assert without_doubles(corners, classes, 0.25, 1000).tolist() == expected


def test_at_most_so_many_boxes_are_found():
    corners = np.arange(20)[:, None] * 10 + np.array([0, 0, 5, 5])
    assert without_doubles(corners.astype(float), np.zeros(20, int), 0.5, 7).tolist() == [*range(7)]


def test_targets_are_shares_of_the_input_and_the_truth_stays_as_it_was():
    task = examples.task()
    value = boxes([0, 0, 176, 128], [8, 16, 24, 48], classes=("cow", "ant"), crowd=[True, False])
    encoded = task.encode([value, boxes()], [examples.FACTS] * 2, ["a", "b"])
    assert {name: (array.shape[1:], str(array.dtype)) for name, array in encoded.items()} == {
        name: (tuple(spec.shape), spec.dtype) for name, spec in task.targets.items()
    }
    inputs = encoded["boxes"][0, :2] * np.array([96, 64, 96, 64])
    assert inputs == pytest.approx(np.array([[4, 0, 92, 64], [8, 8, 16, 24]]), abs=1e-5)
    assert encoded["truth_corners"][0, :2].tolist() == value.corners.tolist()
    assert encoded["valid"].sum(axis=1).tolist() == [2, 0]
    assert encoded["crowd"][0].tolist() == [True, *[False] * 5]


def test_what_cropping_cuts_off_is_not_learned_and_counts_as_missed():
    """Of four boxes nothing, half, a tenth and all is seen, and the last one is found: its recall is a quarter."""
    facts = {**examples.FACTS, "width": 232, "offset_x": -20}
    task = examples.task()
    value = boxes([8, 8, 24, 40], [24, 8, 56, 40], [4, 8, 44, 40], [80, 8, 120, 40])
    encoded = task.encode([value], [facts], ["a"])
    assert encoded["valid"][0].tolist() == [False, True, False, True, False, False]
    inputs = encoded["boxes"][0] * np.array([96, 64, 96, 64])
    assert inputs[:4] == pytest.approx(np.array([[0, 0, 0, 0], [0, 4, 8, 20], [0, 0, 0, 0], [20, 4, 40, 20]]), abs=1e-5)
    outputs = saying((12 + 3, 1, 0.9, (1, 1, 1.5, 1)))
    evaluator, calibrator = task.evaluator(), task.calibrator()
    evaluator.update(encoded, outputs, [facts], np.zeros(1))
    assert evaluator.metrics()["map"] == pytest.approx(26 / 101)  # recall 0, 0.01, ..., 0.25
    calibrator.update(encoded, outputs)
    assert calibrator.found()["f1"] == pytest.approx(2 / 5)


def test_a_fuller_picture_than_any_before_is_scored_as_it_is():
    many = boxes(*[[8 * place, 0, 8 * place + 8, 8] for place in range(11)])
    encoded = examples.task().encode([many], [examples.FACTS], ["a"])
    assert encoded["valid"].sum() == 11
    with pytest.raises(DataError, match=r"^a has 11 boxes, and the head is learned with 6 a picture"):
        examples.task(size=None).encode([many], [examples.FACTS], ["a"])
    assert encoded["boxes"].shape == (1, 16, 4)


@pytest.mark.parametrize(("fullest", "most"), [(1, 4), (10, 40), (30, 64), (90, 90)])
def test_there_is_room_for_the_boxes_of_a_mosaic(fullest, most):
    full = boxes(*[[8 * place, 0, 8 * place + 8, 8] for place in range(fullest)])
    assert build(TaskRequest(DetectionOptions(), targets=[boxes(), full])).most == most


def of_counts(*counts):
    return [boxes(*[[8 * place, 0, 8 * place + 8, 8] for place in range(count)]) for count in counts]


@pytest.mark.parametrize(
    ("counts", "mixes", "told"),
    [
        ((1, 3), True, [("note", "the fullest picture, b, has 3 boxes, and training has room for 12 in one")]),
        ((1, 70), False, [("note", "the fullest picture, b, has 70 boxes, and training has room for 70 in one")]),
        (
            (1, 30),
            True,
            [("note", "room for 64 in one: of four such mixed into one, as in a mosaic, the last boxes are left out")],
        ),
        ((1, 30), True, [("note", "--set task.most=120 makes room")]),
        ((40, 60), True, [("warning", "of the usual four mixed into one")]),
        (
            (101, 3, 150),
            False,
            [
                ("note", "the fullest picture, c, has 150 boxes"),
                (
                    "warning",
                    "2 of 3 pictures have more than the 100 boxes that are found in one: a with 101, c with 150; "
                    "--set task.most_found=150 finds more",
                ),
            ],
        ),
    ],
)
def test_pictures_that_are_too_full_are_told(counts, mixes, told):
    values = of_counts(*counts)
    task = build(TaskRequest(DetectionOptions(), targets=values))
    found = list(task.findings(values, [{}] * len(counts), "abc"[: len(counts)], mixes=mixes))
    assert [each.level for each in found] == [level for level, _ in told]
    assert all(part in each.message for each, (_, part) in zip(found, told, strict=True))


def test_boxes_that_cropping_loses_are_counted():
    """A picture of 160 x 90 whose centre becomes an input of 90 x 90: 35 pixels are cut off to the left and right."""
    cropped = {"input_width": 90, "input_height": 90, "scale_x": 1, "scale_y": 1, "offset_x": -35, "offset_y": 0}
    whole = {**cropped, "offset_x": 0, "input_width": 160}
    value = boxes([0, 5, 30, 20], [0, 5, 47, 20], [0, 5, 46, 20], [60, 5, 90, 20])

    def told(facts):
        found = examples.task().findings([value, boxes()], [facts, cropped], ["a", "b"], mixes=False)
        return [each for each in found if each.level == "warning"]

    (found,) = told(cropped)
    assert found.count == 2
    assert found.message.startswith("2 of 4 boxes (50.0%) lie where pictures are cropped")
    assert "--set input.resize=pad" in found.message
    assert told(whole) == told({}) == []


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(DataError, match="none of 2 pictures has a box"):
        build(TaskRequest(DetectionOptions(), targets=[boxes(), boxes()]))
    with pytest.raises(DataError, match=r"a picture has 2 boxes, and task\.most is 1"):
        build(TaskRequest(DetectionOptions(most=1), targets=[boxes([0, 0, 1, 1], [0, 0, 2, 2])]))
    with pytest.raises(DataError, match=r"^b: class 'be' is none of the 3"):
        examples.task().encode([boxes([0, 0, 1, 1], classes=["be"])], [examples.FACTS], ["b"])


def test_the_threshold_of_answers_has_the_best_f1_on_val():
    """Two of three boxes are found, at 0.9 and 0.6; a false one stands at 0.7, one in a crowd counts for nothing."""
    outputs = saying(
        *((14, 1, 0.9, (1, 1, 1, 1)), (18, 1, 0.7, (1, 1, 1, 1)), (40, 1, 0.6, (1, 1, 1, 1))),
        *((90, 1, 0.8, (0.5,) * 4), (60, 1, 0.3, (1, 1, 1, 1))),
    )
    cells = cells_of(examples.SIZE)
    places = [
        np.concatenate([cells.centres[at] - reach, cells.centres[at] + reach]) for at, reach in ((14, 8), (40, 8))
    ]
    away = np.array([[80, 40, 90, 60]])
    crowd = np.concatenate([cells.centres[90] - 6, cells.centres[90] + 6])[None]
    corners = (np.concatenate([places, away, crowd]) - [4, 0, 4, 0]) * 2
    task = examples.task()
    encoded = task.encode([boxes(*corners, crowd=[False, False, False, True])], [examples.FACTS], ["a"])
    calibrator = task.calibrator()
    calibrator.update(encoded, outputs)
    found = calibrator.found()
    assert found["f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["threshold"] == pytest.approx(0.6)
    assert task.calibrated(found).labels()["threshold"] == found["threshold"]
    assert examples.task(threshold=0.2).calibrated(found).threshold == 0.2


def test_where_nothing_is_found_on_val_answers_are_told_to_have_no_threshold():
    encoded = examples.task().encode([boxes([0, 0, 20, 20])], [examples.FACTS], ["a"])
    for task, is_told in ((examples.task(), True), (examples.task(threshold=0.1), False)):
        calibrator = task.calibrator()
        calibrator.update(encoded, saying())
        assert calibrator.found() == {}
        assert ("--set task.threshold=" in (calibrator.lacking() or "")) is is_told


def test_results_are_those_of_coco_and_pictures_have_their_boxes():
    answer = {"boxes": [{"class": "cow", "score": 0.5, "box": [10.0, 20.0, 30.0, 60.0]}]}

    def results(names, category_ids=None):
        files = coco_files(names, examples.CLASSES, category_ids)
        return [json.loads(files[f"coco_{name}.json"]) for name in ("results", "categories")]

    named, meant = results([("a/000000000139.jpg", answer), ("b/000000000285.jpg", answer)])
    assert meant["categories"] == [{"id": number, "name": name} for number, name in enumerate(examples.CLASSES, 1)]
    assert meant["images"][1] == {"id": 285, "file_name": "b/000000000285.jpg"}
    assert [each["image_id"] for each in named] == [139, 285]
    assert (named[0]["category_id"], named[0]["bbox"], named[0]["score"]) == (3, [10.0, 20.0, 20.0, 40.0], 0.5)
    others, meant = results([("a/1.jpg", {"boxes": []}), ("b/1.jpg", answer)], (17, 18, 21))
    assert [(each["image_id"], each["category_id"]) for each in others] == [(2, 21)]
    assert [each["id"] for each in meant["images"]] == [1, 2]
    assert [each["id"] for each in meant["categories"]] == [17, 18, 21]
    assert examples.task(category_ids=(17, 18, 21)).labels()["category_ids"] == [17, 18, 21]
    picture = np.asarray(
        Image.open(io.BytesIO(drawn_boxes(np.zeros((80, 90, 3), np.uint8), answer["boxes"], examples.CLASSES)))
    )
    lit = picture.any(axis=2)
    assert lit[59, 10:30].all()
    assert lit[30:60, 29].all()
    assert not lit[60:].any()
    assert not lit[40, 12:28].any()


def test_answers_are_those_of_all_that_is_found_but_for_unsure_ones():
    """Boxes below the threshold are left out before doubles are looked for, which no surer box depends on."""
    random, positions = np.random.default_rng(0), len(cells_of(examples.SIZE).strides)
    outputs = {
        "classes": random.normal(-1, 2, (4, positions, 3)).astype(np.float32),
        "sides": random.normal(0, 3, (4, positions, 4, 11)).astype(np.float32),
    }
    facts = [examples.FACTS] * 4
    task = examples.task(threshold=0.6)
    counts = []
    for answer, everything in zip(task.decode(outputs, facts, 1), task.found(outputs, facts), strict=True):
        alone = one_a_thing(everything, task.across)
        expected = [float(score) for score in alone.scores if score >= 0.6]
        assert [each["score"] for each in answer["boxes"]] == pytest.approx(expected, abs=1e-6)
        assert [each["box"] for each in answer["boxes"]] == pytest.approx(alone.corners[: len(expected)], rel=1e-5)
        counts.append((len(everything.scores), len(expected)))
    assert all(2 < sure < every for every, sure in counts), counts


def test_what_is_written_on_a_box_at_the_edge_is_whole():
    def written(left):
        box = {"class": "cow", "score": 0.47, "box": [left, 50.0, left + 20, 80.0]}
        drawn = drawn_boxes(np.zeros((100, 120, 3), np.uint8), [box], examples.CLASSES)
        rows = np.asarray(Image.open(io.BytesIO(drawn)))[:50]
        return rows[:, rows.any(axis=(0, 2))]

    assert np.array_equal(written(100.0), written(30.0))
    assert written(30.0).shape[1] > 40
