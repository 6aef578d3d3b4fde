"""Boxes of mixed samples, found again from the pixels of pictures that hold one bright box each."""

import numpy as np
import pytest

from headstart.data.views import Composed, TrainingSamples, View, blended, moved, varied
from headstart.specs import AugmentationRequest, InputRequest, JoinsTargets, MarksTargets, Mix, Shown, TaskRequest
from headstart_plugins._marks import Outline
from headstart_plugins.classification import ClassificationOptions
from headstart_plugins.classification._build import build as build_classification
from headstart_plugins.detection._mix import LEFT, join, outlines
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build
from headstart_plugins.image._changes import fused
from headstart_plugins.image_augmentations import ClassicOptions, LightOptions, MixupOptions, MosaicOptions
from headstart_plugins.image_augmentations._build import Classic, Light, Mixup, Mosaic
from headstart_plugins.image_augmentations._policies import TrivialAugment

SIDE, COUNT, MOST = 96, 48, 5
KIND = build(InputRequest({"size": [SIDE, SIDE]}, ImageOptions()))
FLIP = frozenset({"horizontal_flip"})
MOVES = {"light": (Light, LightOptions(shift=0.2)), "classic": (Classic, ClassicOptions(shear=20.0, zoom=0.4))}


class Joining:
    """What the task makes of mixtures."""

    def join(self, targets, partners, mixes):
        return join(targets, partners, mixes)

    def marks(self, targets):
        return outlines(targets, [f"class {number}" for number in range(COUNT)])


def encoded(boxes):
    """One box a row, of a class of its own."""
    made = {
        "boxes": np.zeros((len(boxes), MOST, 4), np.float32),
        "classes": np.zeros((len(boxes), MOST), np.int32),
        **{name: np.zeros((len(boxes), MOST), np.bool_) for name in ("valid", "crowd", "difficult")},
        "truth_corners": np.arange(len(boxes) * MOST * 4, dtype=np.float64).reshape(-1, MOST, 4),
    }
    made["boxes"][:, 0], made["classes"][:, 0], made["valid"][:, 0] = boxes, np.arange(len(boxes)), True
    return made


def move(targets, changes, facts):
    """The smallest box around the moved corners, cut to the picture: what `matrix` means, inverted."""
    back = np.linalg.inv(np.array(fused(changes).matrix))
    boxes = targets["boxes"].astype(np.float64) - 0.5
    corners = np.stack([boxes[:, [x, y]] for x in (0, 2) for y in (1, 3)], axis=1)
    found = corners @ back[:2, :2].T + back[:2, 2] + 0.5
    cut = np.clip(np.concatenate([found.min(axis=1), found.max(axis=1)], axis=1), 0, 1)
    seen = (cut[:, 2:] > cut[:, :2]).all(axis=1)
    return {**targets, "boxes": cut.astype(np.float32), "valid": targets["valid"] & seen}


def bright(count=COUNT):
    """Pictures of a box each, grey level 100 + 3 * number on 20, and their targets."""
    generator = np.random.default_rng(5)
    first = generator.integers(8, 40, (count, 2))
    boxes = np.concatenate([first, first + generator.integers(24, 48, (count, 2))], axis=1)
    pixels = np.full((count, SIDE, SIDE, 3), 20, np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes):
        pixels[number, top:bottom, left:right] = 100 + 3 * number
    keys = [f"sample-{number}" for number in range(count)]
    return TrainingSamples({"image": pixels}, keys, np.arange(count)), encoded(boxes / SIDE)


def view_of(build_of, options, *, mixes=False):
    augmentation = build_of(AugmentationRequest(options, FLIP))
    return View(KIND, Composed((augmentation,)), 3, mixes, move)


def both(samples, targets, view, epoch=1):
    """Pictures as varied, their targets, and whom they are mixed with."""
    everyone = np.arange(len(samples.rows))
    found = varied(samples, everyone, view, epoch)
    own = moved(samples, targets, everyone, view, epoch)
    if found.mixed is not None:
        others = [moved(samples, targets, each, view, epoch) for each in found.mixed.rounds]
        own = blended(Joining(), own, others, found.mixed)
    return found.tensors["image"], own, found.mixed


def thick(mask):
    """Without lines of one pixel: on the edge of another box there are levels in between, which may be this one's."""
    corners = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    grown = np.pad(corners, ((1, 1), (1, 1)))
    return grown[1:, 1:] | grown[:-1, 1:] | grown[1:, :-1] | grown[:-1, :-1]


def hull(mask):
    (rows,), (columns,) = np.nonzero(mask.any(axis=1)), np.nonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize("name", [*MOVES, "trivial_augment"])
def test_a_box_moves_as_its_pixels_do(name):
    """The smallest box around the four corners is that around the moved pixels, to a pixel."""
    made, options = MOVES.get(name, (TrivialAugment, None))
    view, (samples, targets), differing = view_of(made, options), bright(), 0
    pixels, found, _ = both(samples, targets, view)
    for number, key in enumerate(samples.keys):
        whole = fused(view.draw(1, key).changes)
        if whole.colours:
            continue  # then grey levels say nothing
        box = found["boxes"][number, 0] * SIDE
        seen = hull(pixels[number, ..., 0] > 60 + 1.5 * number)
        assert np.abs(box - seen).max() <= 1.5, (number, box, seen)
        differing += np.abs(box - targets["boxes"][number, 0] * SIDE).max() > 3
    assert differing > 5


def test_boxes_of_a_mosaic_are_around_what_is_seen_of_each_picture():
    view, (samples, targets) = view_of(Mosaic, MosaicOptions(probability=1.0), mixes=True), bright()
    pixels, found, mixed = both(samples, targets, view)
    told = seen_at_all = 0
    assert len(mixed.rounds) == 3
    for row in range(COUNT):
        four = [row, *(int(each.rows[row]) for each in mixed.rounds)]
        kept = found["valid"][row]
        own = dict(zip(found["classes"][row, kept].tolist(), found["boxes"][row, kept] * SIDE, strict=True))
        if len(set(four)) < 4:
            continue
        assert set(own) <= set(four)
        for number in four:
            level = pixels[row, ..., 0].astype(int) - (100 + 3 * number)
            mask = thick(np.abs(level) <= 1)
            seen_at_all += mask.sum() > 100
            if number in own:
                told += 1
                assert np.abs(own[number] - hull(mask)).max() <= 2, (row, number)
    assert told > 2 * COUNT
    assert abs(told - seen_at_all) < 6  # small rests of large boxes are seen and no targets
    np.testing.assert_array_equal(found["truth_corners"], targets["truth_corners"])


def test_a_mosaic_is_the_same_in_any_cut_into_batches():
    view, (samples, targets) = view_of(Mosaic, MosaicOptions(), mixes=True), bright()
    pixels, _, mixed = both(samples, targets, view)
    assert {len(steps) for steps in mixed.mixes()} == {0, 3}
    for row in (0, 7, 30):
        alone = varied(samples, np.array([row]), view, 1)
        np.testing.assert_array_equal(alone.tensors["image"][0], pixels[row])
        assert [int(each.rows[0]) for each in alone.mixed.rounds][: len(mixed.mixes()[row])] == [
            int(each.rows[row]) for each in mixed.rounds
        ][: len(mixed.mixes()[row])]


def test_labels_of_a_mosaic_have_the_shares_of_its_pixels():
    """For tasks that average: each picture of one grey level, which says whose pixel it is."""
    levels = np.arange(COUNT, dtype=np.uint8) * 5
    pictures = np.broadcast_to(levels[:, None, None, None], (COUNT, SIDE, SIDE, 3)).copy()
    samples = TrainingSamples({"image": pictures}, [str(number) for number in range(COUNT)], np.arange(COUNT))
    view = view_of(Mosaic, MosaicOptions(), mixes=True)
    found = varied(samples, np.arange(COUNT), view, 0)

    # Classes, which become shares where they are mixed first.
    task = build_classification(
        TaskRequest(ClassificationOptions(), targets=[f"{number:02}" for number in range(COUNT)])
    )
    encoded_classes = task.encode([f"{number:02}" for number in range(COUNT)], [{}] * COUNT, samples.keys)
    others = [{name: array[each.rows] for name, array in encoded_classes.items()} for each in found.mixed.rounds]
    (labels,) = blended(task, encoded_classes, others, found.mixed).values()
    counted = np.stack([(found.tensors["image"][..., 0] == level).mean(axis=(1, 2)) for level in levels], axis=1)
    np.testing.assert_allclose(labels, counted, atol=1e-6)
    assert (labels.max(axis=1) < 0.99).any()


def test_the_average_of_two_pictures_has_the_boxes_of_both_but_for_one_too_faint_to_see():
    view, (samples, targets) = view_of(Mixup, MixupOptions(alpha=1.0), mixes=True), bright()
    _, found, mixed = both(samples, targets, view)
    for row in range(COUNT):
        share, other = float(mixed.shares[row]), int(mixed.rows[row])
        expected = [row] * (share >= 0.2) + [other] * (1 - share >= 0.2)
        assert found["classes"][row, found["valid"][row]].tolist() == expected
    assert {found["valid"][row].sum() for row in range(COUNT)} == {1, 2}


@pytest.mark.parametrize(
    ("region", "own", "partner"),
    [
        ((-0.5, -0.5, 0.0, 0.5), [0.5, 0.2, 0.6, 0.6], [0.2, 0.2, 0.5, 0.6]),  # the left half
        ((0.0, -0.5, 0.5, 0.0), [0.2, 0.2, 0.6, 0.6], None),  # the upper right: what is left has corners
        ((-0.5, -0.5, 0.1, 0.5), None, [0.2, 0.2, 0.6, 0.6]),  # all of the box
        ((0.3, 0.3, 0.5, 0.5), [0.2, 0.2, 0.6, 0.6], None),  # beside it
    ],
)
def test_what_a_region_hides_is_cut_off_and_left_out_below_a_quarter(region, own, partner):
    assert LEFT == 0.25
    targets = {name: each[:1] for name, each in encoded([[0.2, 0.2, 0.6, 0.6]]).items()}
    other = {**targets, "classes": targets["classes"] + 7}
    found = join(targets, [other], [(Mix(0.0, 0.5, region),)])
    expected = [(number, box) for number, box in ((0, own), (7, partner)) if box is not None]
    assert found["classes"][0, found["valid"][0]].tolist() == [number for number, _ in expected]
    np.testing.assert_allclose(found["boxes"][0, found["valid"][0]], [box for _, box in expected], atol=1e-6)
    assert {name: each.dtype for name, each in found.items()} == {name: each.dtype for name, each in targets.items()}


def test_there_is_room_for_so_many_boxes_and_a_row_that_is_not_mixed_stays():
    boxes = encoded([[0.1, 0.1, 0.3, 0.3]] * 2)
    for name in ("boxes", "classes", "valid"):
        boxes[name][:, :4] = boxes[name][:, :1]
    found = join(boxes, [boxes], [(Mix(0.0, 0.5),), ()])
    assert found["valid"].sum(axis=1).tolist() == [MOST, 4]
    assert all(np.array_equal(found[name][1], boxes[name][1]) for name in boxes)
    assert isinstance(Joining(), JoinsTargets)
    assert isinstance(Joining(), MarksTargets)


def test_outlines_are_drawn_on_the_edge_of_the_pixels_that_a_box_has():
    """On a sheet, where a picture of 96 pixels is shown at twice its size."""
    import io

    from PIL import Image

    samples, targets = bright(2)
    (marks, _) = outlines({name: each[:2] for name, each in targets.items()}, ["one", "two"])
    assert marks == (Outline(tuple(map(float, targets["boxes"][0, 0])), "one", 0),)
    tensors = {"image": samples.tensors["image"][0]}
    rows = [[Shown(tensors, ("a",)), Shown(tensors, ("a",), marks=marks)]]
    sheet = np.asarray(Image.open(io.BytesIO(KIND.sheet(rows, ("", "")).data)))
    plain = np.asarray(Image.open(io.BytesIO(KIND.sheet([[rows[0][0]] * 2], ("", "")).data)))
    assert sheet.shape == plain.shape
    outline = (sheet == (255, 225, 25)).all(axis=2)
    level = hull((plain[:, sheet.shape[1] // 2 :] == 100).all(axis=2)) + np.array([1, 0, 1, 0]) * (sheet.shape[1] // 2)
    assert not outline[:, : sheet.shape[1] // 2].any()
    np.testing.assert_array_equal(hull(outline), level)
