"""From logits to masks of the picture's own size, and what is made of them: areas, files, overlays, mixed samples."""

import io

import drawn_masks as examples
import numpy as np
import pytest
from PIL import Image

from headstart.errors import DataError, PluginError
from headstart.specs import InputRequest, Mix, TaskRequest, TensorSpec
from headstart_plugins._mask import VOID, Mask
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_image
from headstart_plugins.segmentation import SegmentationOptions
from headstart_plugins.segmentation._palette import voc_colour
from headstart_plugins.segmentation._task import build

COLOURS = ((0, 0, 0), (200, 30, 10), (20, 220, 40), (0, 0, 255))


def mask_of(classes, names=examples.NAMES):
    return Mask(np.asarray(classes, np.uint8), names)


def one_class(kind, facts=examples.FACTS):
    return mask_of(np.full((facts["height"], facts["width"]), kind))


def test_an_answer_has_the_areas_of_its_classes_and_a_mask_as_large_as_the_picture():
    values = examples.logits(np.random.default_rng(0), 1)
    (answer,) = examples.task().decode({"logits": values}, [examples.FACTS], 1)
    expected = examples.on_picture(values[0], examples.FACTS).argmax(axis=-1)
    assert np.array_equal(answer["mask"], expected)
    assert answer["mask"].dtype == np.uint8
    areas = np.bincount(expected.ravel(), minlength=4)
    told = {each["class"]: each["pixels"] for each in answer["classes"]}
    assert told == {name: area for name, area in zip(examples.NAMES, areas.tolist(), strict=True) if area}
    assert [each["pixels"] for each in answer["classes"]] == sorted(told.values(), reverse=True)
    assert sum(each["share"] for each in answer["classes"]) == pytest.approx(1.0, abs=1e-6)
    rows = [*examples.task().rows(answer)]
    assert [list(row) for row in rows] == [["class", "pixels", "share"]] * len(told)


def test_targets_are_sampled_and_the_truth_stays_as_it_came():
    task, random = examples.task(), np.random.default_rng(1)
    classes = examples.blobs(random, (70, 88), 4, void=0.1)
    encoded = task.encode([mask_of(classes)], [examples.FACTS], ["a"])["mask"]
    assert (encoded.shape, encoded.dtype) == ((1, *examples.SIZE), np.uint8)
    assert (encoded[0, :2] == VOID).all()
    assert encoded[0, 2, 2] == classes[int(0.5 / 0.4), int(0.5 / 0.5)]
    truth = task.truth(mask_of(classes), examples.FACTS, "a")
    assert {name: each.shape for name, each in truth.items()} == {"truth_mask": (1, 70, 88)}
    assert np.array_equal(truth["truth_mask"][0], classes)
    other = mask_of(np.where(classes == VOID, VOID, 3 - np.minimum(classes, 3)), examples.NAMES[::-1])
    assert np.array_equal(task.truth(other, examples.FACTS, "a")["truth_mask"][0], classes), "by name, not by number"


def test_what_cropping_keeps_from_the_network_is_told():
    """A picture of 160 x 90 whose middle is seen: 90 of 160 columns."""
    whole = {**examples.FACTS, "height": 90, "width": 160, "input_height": 90, "input_width": 160}
    whole |= {"scale_x": 1.0, "scale_y": 1.0, "offset_x": 0, "offset_y": 0}
    cropped = {**whole, "input_width": 90, "offset_x": -35}
    masks = [one_class(1, whole)] * 3
    (found,) = examples.task().findings(masks, [whole, cropped, cropped], ["a", "b", "c"], mixes=False)

    assert found.level == "warning"
    assert found.message.startswith("2 of 3 pictures are cropped, and 43.8% of their pixels lie outside")
    assert "input.resize=pad" in found.message
    assert not list(examples.task().findings(masks, [whole] * 3, ["a", "b", "c"], mixes=False))


def test_what_is_no_mask_of_its_picture_is_named():
    task = examples.task()
    with pytest.raises(DataError, match=r"^p7: its mask has 70 x 88 pixels, and the picture 88 x 70"):
        task.encode([mask_of(np.zeros((88, 70)))], [examples.FACTS], ["p7"])
    names = ("ground", "ant", "bee", "elk")
    assert task.encode([Mask(one_class(2).classes, names)], [examples.FACTS], ["p7"])["mask"].max() == VOID
    with pytest.raises(DataError, match=r"^p7: class 'elk' is none of the 4 known classes"):
        task.truth(Mask(one_class(3).classes, names), examples.FACTS, "p7")
    with pytest.raises(PluginError, match="does not tell scale_x of a picture, which masks need"):
        task.encode([one_class(0)], [{k: v for k, v in examples.FACTS.items() if k != "scale_x"}], ["p7"])


def test_a_task_needs_two_classes_and_one_picture_a_sample():
    with pytest.raises(DataError, match="two classes or more, and the data has one class, 'ant'"):
        examples.task(names=("ant",))
    for inputs in (
        {},
        {"text": TensorSpec((7,), "int32")},
        {"a": TensorSpec((8, 8, 3), "uint8"), **examples.INPUTS, "b": TensorSpec((8, 8, 3), "uint8")},
    ):
        with pytest.raises(PluginError, match="a mask needs one picture"):
            build(TaskRequest(SegmentationOptions(), targets=[one_class(0)], inputs=inputs))
    for options, told in (
        ({"gamma": 1.0}, "task.gamma=1 has nothing to act on"),
        ({"tau": 1.0}, "task.tau=1 has nothing to act on"),
        ({"balance": "class_weights", "loss": "dice"}, "weighs all classes of a picture alike"),
    ):
        with pytest.raises(ValueError, match=told):
            SegmentationOptions(**options)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"classes": ["ant"]}, "from 2 to"),
        ({"colours": [[0, 0, 0]]}, "`colours` as red, green and blue"),
        ({"colours": [[0, 0, 0], [0, 0, 256], [1, 1, 1], [2, 2, 2]]}, "`colours` as red, green and blue"),
        ({"counts": [1, 2]}, "`counts` as 4 whole numbers"),
        ({"counts": [1, 2, 3, -4]}, "`counts` as 4 whole numbers"),
    ],
)
def test_labels_that_nobody_wrote_are_refused(change, named):
    labels = {**examples.task(colours=COLOURS).labels(), **change}
    with pytest.raises(DataError, match=named):
        build(TaskRequest(SegmentationOptions(), labels=labels, inputs=examples.INPUTS))


def test_files_have_the_places_of_classes_in_the_user_s_own_colours():
    mask = examples.blobs(np.random.default_rng(2), (70, 88), 4)
    for colours in (COLOURS, None):
        task = examples.task(colours=colours)
        answer = {"mask": mask, "classes": []}
        files = task.files(answer)
        assert [*files] == [".png"]
        written = Image.open(io.BytesIO(files[".png"]))
        assert (written.mode, written.size) == ("P", (88, 70))
        assert np.array_equal(np.asarray(written), mask)
        table = np.array(written.getpalette()).reshape(-1, 3)
        expected = COLOURS if colours else [voc_colour(place) for place in range(4)]
        assert table[:4].tolist() == [list(each) for each in expected]
        again = build(TaskRequest(SegmentationOptions(), labels=task.labels(), inputs=examples.INPUTS))
        assert again.files(answer) == files
    assert [voc_colour(place) for place in (1, 2, 15, 20)] == [(128, 0, 0), (0, 128, 0), (192, 128, 128), (0, 64, 128)]


def test_an_overlay_shows_the_picture_through_what_is_found():
    """What is black in the palette leaves it as it is; boundaries have the whole colour; names stand below."""
    pixels = np.random.default_rng(3).integers(0, 256, (70, 88, 3), dtype=np.uint8)
    mask = np.zeros((70, 88), np.uint8)
    mask[20:40, 30:60] = 2
    task = examples.task(colours=COLOURS)
    (drawn,) = task.drawn({"mask": mask}, type("Read", (), {"value": pixels})).values()
    shown = np.asarray(Image.open(io.BytesIO(drawn)))
    assert shown.shape[1] == 88
    assert shown.shape[0] > 70
    inner = np.zeros(mask.shape, bool)
    inner[21:39, 31:59] = True
    assert np.array_equal(shown[:70][mask == 0], pixels[mask == 0])
    assert np.abs(shown[:70][inner] - (pixels[inner] + np.array(COLOURS[2], float)) / 2).max() <= 0.5
    assert (shown[:70][(mask == 2) & ~inner] == COLOURS[2]).all()
    assert (shown[70:] != 255).any()


def test_probabilities_are_told_where_they_are_calibrated():
    values = examples.logits(np.random.default_rng(4), 1)
    task = examples.task(calibrate=True)
    assert task.columns == ("class", "pixels", "share")
    task = task.calibrated({"temperature": 2.0})
    (answer,) = task.decode({"logits": values}, [examples.FACTS], 1)
    large = examples.on_picture(values[0], examples.FACTS)
    shares = np.array([[examples.probabilities(pixel / 2.0) for pixel in row] for row in large])
    assert np.abs(answer["sure"] - 255 * shares.max(axis=-1)).max() <= 0.51
    for row in task.rows(answer):
        own = large.argmax(axis=-1) == examples.NAMES.index(row["class"])
        assert row["probability"] == pytest.approx(shares.max(axis=-1)[own].mean(), abs=0.002)
    files = task.files(answer)
    assert [*files] == [".png", ".sure.png"]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(files[".sure.png"]))), answer["sure"])


def test_of_mixed_pictures_each_pixel_has_the_class_of_what_is_seen_there():
    """Pictures whose grey is their class, mixed by the image kind; where two shine through, what differs is void."""
    kind = build_image(InputRequest({"size": [32, 48]}, ImageOptions()))
    random = np.random.default_rng(5)
    masks = np.stack([examples.blobs(random, (32, 48), 4) for _ in range(4)])
    boxes = ((-0.31, -0.2, 0.17, 0.44), (0.0, -0.5, 0.5, 0.013))
    cut = Mix(0.5, 0.5, region=boxes[0], then=Mix(0.5, 0.5, region=boxes[1]))
    mixes = [cut.steps, (Mix(0.5, 0.6),), (), (Mix(0.5, 0.7, region=boxes[1]),)]
    partners = [masks[[1, 2, 3, 0]], masks[[2, 3, 0, 1]]]
    before = masks.copy()
    joined = examples.task().join({"mask": masks}, [{"mask": each} for each in partners], mixes)["mask"]
    assert np.array_equal(masks, before)
    for row in (0, 3):
        pictures = {"image": masks[row][..., None].repeat(3, -1)}
        for partner, step in zip(partners, mixes[row], strict=False):
            pictures = kind.mix(pictures, {"image": partner[row][..., None].repeat(3, -1)}, step)
        assert np.array_equal(joined[row], pictures["image"][..., 0])
        assert not np.array_equal(joined[row], masks[row])
    assert np.array_equal(joined[1], np.where(masks[1] == masks[2], masks[1], VOID))
    assert np.array_equal(joined[2], masks[2])
