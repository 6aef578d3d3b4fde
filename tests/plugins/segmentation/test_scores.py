"""Scores of masks: equal to counts pixel by pixel, to scikit-learn and to SciPy's distances; merged, resampled,
small."""

import tracemalloc

import drawn_masks as examples
import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import jaccard_score, recall_score

from headstart.runs.beside import differences
from headstart_plugins._mask import VOID
from headstart_plugins.segmentation._boundary import boundaries, matched
from headstart_plugins.segmentation._evaluate import COUNTS, MaskScores, majority, scores_of
from headstart_plugins.segmentation._palette import Palette
from headstart_plugins.segmentation._worst import KEPT


def names(count):
    return tuple(f"c{place}" for place in range(count))


def scored(pairs, classes, tolerance=2.0):
    scores = MaskScores(Palette(names(classes)), tolerance)
    for number, (truth, found) in enumerate(pairs):
        scores.add(truth, found, f"p{number}")
    return scores


def drawn(seed, pictures=5, classes=6, shape=(30, 41)):
    """Pairs of masks that are alike: some void, class 4 in no truth, class 5 in neither, the last picture void
    alone."""
    random = np.random.default_rng(seed)
    pairs = []
    for number in range(pictures):
        truth = examples.blobs(random, shape, classes - 2, void=0.1)
        found = np.roll(examples.blobs(random, shape, classes - 1), 1)
        found = np.where(random.random(shape) < 0.7, np.where(truth == VOID, 0, truth), found).astype(np.uint8)
        pairs.append((truth if number + 1 < pictures else np.full(shape, VOID, np.uint8), found))
    return pairs


def by_hand(pairs, classes):
    """(class, class) confusions, by a loop over pixels."""
    confusion = np.zeros((classes, classes))
    for truth, found in pairs:
        for true, given in zip(truth.ravel().tolist(), found.ravel().tolist(), strict=True):
            if true != VOID:
                confusion[true, given] += 1
    return confusion


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_counting_each_pixel_and_of_scikit_learn(seed):
    pairs = drawn(seed)
    scores = scored(pairs, 6)
    confusion = by_hand(pairs, 6)
    assert np.array_equal(scores.confusion, confusion)
    hits, true, found = np.diagonal(confusion), confusion.sum(1), confusion.sum(0)
    present = [place for place in range(6) if true[place]]
    assert present == [0, 1, 2, 3]
    assert found[4] > 0
    metrics = scores.metrics()
    each = [hits[place] / (true[place] + found[place] - hits[place]) for place in present]
    assert metrics["miou"] == pytest.approx(np.mean(each), rel=1e-12)
    assert metrics["pixel_accuracy"] == pytest.approx(hits.sum() / true.sum(), rel=1e-12)
    given = np.concatenate([found[truth != VOID] for truth, found in pairs])
    real = np.concatenate([truth[truth != VOID] for truth, _ in pairs])
    assert metrics["miou"] == pytest.approx(jaccard_score(real, given, labels=present, average="macro"), rel=1e-12)
    assert metrics["mean_recall"] == pytest.approx(recall_score(real, given, labels=present, average="macro"))
    report = scores.report()
    alone = dict(zip(present, jaccard_score(real, given, labels=present, average=None), strict=True))
    for place in range(6):
        told = report["per_class"][f"c{place}"]
        assert told["iou"] == {4: 0.0, 5: None, **{kind: pytest.approx(value) for kind, value in alone.items()}}[place]
        assert told["support"] == true[place]
    assert report["confusion_matrix"] == confusion.tolist()


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 1.5, 3.0])
def test_boundaries_are_matched_as_distances_say(tolerance):
    """By a loop over pixels for what a boundary is, and by SciPy's exact distance transform for what is near."""
    random = np.random.default_rng(5)
    masks = [examples.blobs(random, (26, 31), 4, void=0.05) for _ in range(2)]
    masks[1] = np.where(random.random((26, 31)) < 0.6, masks[0], np.roll(masks[1], 2, 1))
    edges = []
    for mask in masks:
        edge = np.full(mask.shape, VOID, np.uint8)
        for y, x in np.ndindex(*mask.shape):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < 26 and 0 <= u < 31 and VOID not in (mask[y, x], mask[v, u]) and mask[y, x] != mask[v, u]:
                    edge[y, x] = mask[y, x]
        edges.append(edge)
        assert np.array_equal(boundaries(mask), edge)
    for mine, other in (edges, edges[::-1]):
        near, total = matched(mine, other, tolerance, 4)
        for kind in range(4):
            away = ndimage.distance_transform_edt(other != kind) if (other == kind).any() else np.full((26, 31), np.inf)
            assert total[kind] == (mine == kind).sum()
            assert near[kind] == ((mine == kind) & (away <= tolerance + 1e-9)).sum()
        assert 0 < near.sum() < total.sum() or tolerance == 3


def test_the_boundary_score_is_the_harmonic_mean_of_both_shares():
    truth, found = np.zeros((2, 20, 20), np.uint8)
    truth[:, 10:], found[:, 14:] = 1, 1
    found[:4, 10:] = 1
    scores = scored([(truth, found)], 2, tolerance=1.0)
    edges = [boundaries(each) for each in (truth, found)]
    f = []
    for kind in range(2):
        near_true, true = (each[kind] for each in matched(edges[0], edges[1], 1.0, 2))
        near_found, given = (each[kind] for each in matched(edges[1], edges[0], 1.0, 2))
        precision, recall = near_found / given, near_true / true
        f.append(2 * precision * recall / (precision + recall))
    assert 0 < min(f) <= max(f) < 0.5
    assert scores.metrics()["boundary_f"] == pytest.approx(np.mean(f))
    assert scored([(truth, truth)], 2).metrics()["boundary_f"] == 1.0
    assert scored([(truth, np.roll(truth, 5, 1))], 2).metrics()["boundary_f"] == 0.0
    assert np.isnan(scored([(truth * 0, found)], 2).metrics()["boundary_f"]), "without a true boundary it is unknown"


def test_void_is_no_boundary_and_what_is_found_in_it_counts_nowhere():
    truth = np.full((12, 12), VOID, np.uint8)
    truth[:, :4], truth[:, 8:] = 0, 1
    found = np.zeros((12, 12), np.uint8)
    found[:, 6:] = 1
    scores = scored([(truth, found)], 2)
    assert scores.metrics()["miou"] == 1.0
    assert scores.confusion.sum() == 12 * 8
    assert np.isnan(scores.metrics()["boundary_f"])


def test_any_grouping_gives_the_same_result():
    pairs = drawn(7, pictures=9)
    whole = scored(pairs, 6).result()
    merged = scored(pairs[:2], 6)
    middle = scored(pairs[2:5], 6)
    middle.merge(scored(pairs[5:], 6))
    merged.merge(middle)
    found = merged.result()
    assert found.metrics == whole.metrics
    assert found.intervals == whole.intervals
    assert {name: value for name, value in found.report.items() if name != "worst_masks"} == {
        name: value for name, value in whole.report.items() if name != "worst_masks"
    }
    told = ("miou", "wrong", "size", "truth", "found")
    assert [[each[name] for name in told] for each in found.report["worst_masks"]] == [
        [each[name] for name in told] for each in whole.report["worst_masks"]
    ]


def test_nothing_is_known_of_nothing():
    for scores in (scored([], 3), scored([(np.full((4, 4), VOID, np.uint8), np.zeros((4, 4), np.uint8))], 3)):
        assert all(np.isnan(value) for value in scores.metrics().values())
        assert scores.intervals() == {}
        assert scores.report()["worst_masks"] == []


def test_intervals_are_those_of_resampled_pictures():
    """Twenty pictures, ten of them right and ten wrong: of a share of right ones, the interval that the binomial
    has."""
    right = np.zeros((8, 8), np.uint8)
    right[:, 4:] = 1
    pairs = [(right, right if number % 2 else 1 - right) for number in range(20)]
    low, high = scored(pairs, 2).intervals()["pixel_accuracy"]
    assert (low, high) == (pytest.approx(0.3, abs=0.051), pytest.approx(0.7, abs=0.051))
    wide = scored(pairs * 16, 2).intervals()["pixel_accuracy"]
    assert wide[1] - wide[0] == pytest.approx((high - low) / 4, rel=0.2)
    for seed in range(3):
        scores = scored(drawn(seed, pictures=12), 6)
        for name, (low, high) in scores.intervals().items():
            assert low <= high
            assert low - 0.02 <= scores.metrics()[name] <= high + 0.02, name
            assert high - low < 0.5


def test_resamples_are_weighted_sums_of_the_pictures_counts():
    """The same draws, a picture at a time."""
    pairs = drawn(3, pictures=6)
    scores = scored(pairs, 6)
    random = np.random.default_rng(0)
    values = []
    for _ in range(1000):
        drawn_now = random.integers(0, 6, 6)
        values.append(scores_of(np.sum([scores.pictures[each] for each in drawn_now], axis=0, dtype=np.int64))["miou"])
    expected = np.quantile([value for value in values if not np.isnan(value)], [0.025, 0.975])
    assert scores.intervals()["miou"] == pytest.approx(expected)


def test_what_is_kept_of_a_picture_is_counts_alone():
    """Masks of 512 x 512 pixels in 21 classes: the counts, 7 numbers a class, and what holds an array in a list."""
    random = np.random.default_rng(8)
    pairs = [(examples.blobs(random, (512, 512), 21, coarse=40), examples.blobs(random, (512, 512), 21, coarse=40))]
    scores = scored(pairs * (KEPT + 1), 21)
    assert scores.pictures[0].nbytes == COUNTS * 21 * 4
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(30):
        scores.add(*pairs[0])
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (kept - before) / 30 < 3 * COUNTS * 21 * 4  # a mask alone is 150 times as large
    assert peak - before < 64 * 512 * 512, "no more than some arrays of one picture are there at a time"


def test_the_worst_pictures_are_kept_small_enough_for_a_report():
    import base64
    import io

    from PIL import Image

    random = np.random.default_rng(9)
    pairs = [(examples.blobs(random, (500, 300), 3, coarse=50), np.full((500, 300), 2, np.uint8)) for _ in range(30)]
    pairs.append((pairs[0][0], pairs[0][0]))
    report = scored(pairs, 3).report()["worst_masks"]
    assert len(report) == KEPT
    assert [each["miou"] for each in report] == sorted(each["miou"] for each in report)
    assert "p30" not in {each["key"] for each in report}
    one = report[0]
    assert one["size"] == [300, 500]
    truth, found = (Image.open(io.BytesIO(base64.b64decode(one[name]))) for name in ("truth", "found"))
    assert truth.mode == found.mode == "P"
    assert max(truth.size) <= 240
    own = pairs[int(one["key"][1:])][0]
    assert np.array_equal(np.asarray(truth), own[1::3, 1::3])
    assert one["wrong"] == pytest.approx((own != 2).mean(), abs=1e-4)


def test_the_baseline_is_the_commonest_class_of_train_everywhere():
    truth = examples.blobs(np.random.default_rng(10), (30, 40), 4)
    counts = np.bincount(truth.ravel(), minlength=4)
    expected = scored([(truth, np.full(truth.shape, 2, np.uint8))], 4).metrics()
    found = majority((5, 1, 9, 0), counts.tolist())
    assert found == {f"majority_{name}": pytest.approx(expected[name]) for name in ("miou", "pixel_accuracy")}
    assert majority((5, 1), (0, 0)) == {}


def test_two_models_are_drawn_the_same_pictures():
    """One has four pixels more wrong in each picture, however many the other has: so it is in every resample."""
    truth = np.zeros((8, 8), np.uint8)
    truth[:, 4:] = 1
    wrong = [truth.ravel().copy() for _ in range(24)]
    for number, mask in enumerate(wrong):
        mask[:number] = 1 - mask[:number]
    worse = [mask.copy() for mask in wrong]
    for number, mask in enumerate(worse):
        mask[number : number + 4] = 1 - mask[number : number + 4]
    good, bad = (scored([(truth, mask.reshape(8, 8)) for mask in masks], 2) for masks in (wrong, worse))

    found = differences(good, bad)
    assert found["pixel_accuracy"].interval == pytest.approx((4 / 64, 4 / 64))
    assert found.keys() == good.metrics().keys()
