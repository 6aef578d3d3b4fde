import math

import numpy as np
import pytest

from headstart.specs import AugmentationRequest, Change, Drawn
from headstart_plugins.image._changes import fused
from headstart_plugins.image_augmentations import ClassicOptions, LightOptions
from headstart_plugins.image_augmentations._build import Classic, Light

FLIP = frozenset({"horizontal_flip"})
KEYS = [f"sample-{index}" for index in range(400)]


def draws(augmentation, seed=0, epoch=0):
    return np.array([fused(augmentation.draw(seed, epoch, key).changes).matrix for key in KEYS])


@pytest.mark.parametrize(("build", "options"), [(Light, LightOptions()), (Classic, ClassicOptions())])
def test_flips_happen_half_the_time_and_only_where_labels_survive_them(build, options):
    flipped = draws(build(AugmentationRequest(options, FLIP)))[:, 0, 0] < 0
    assert 0.4 < flipped.mean() < 0.6
    assert (draws(build(AugmentationRequest(options, frozenset())))[:, 0, 0] > 0).all()
    unflipped = build(AugmentationRequest(type(options)(flip=False), FLIP))
    assert (draws(unflipped)[:, 0, 0] > 0).all()


def test_light_shifts_fill_their_range_evenly():
    shifts = draws(Light(AugmentationRequest(LightOptions(), FLIP)))[:, :2, 2]
    assert np.abs(shifts).max() <= 0.083
    assert np.abs(shifts).max() > 0.078
    assert np.abs(shifts.mean(axis=0)).max() < 0.01
    assert shifts.std() == pytest.approx(0.083 / math.sqrt(3), rel=0.1)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.15


def test_classic_shears_by_a_fifth_of_a_degree_at_most():
    drawn = draws(Classic(AugmentationRequest(ClassicOptions(), FLIP)))
    shear = np.degrees(np.arcsin(-drawn[:, 0, 1] / np.hypot(drawn[:, 0, 1], drawn[:, 1, 1])))
    assert 0.19 < np.abs(shear).max() <= 0.2 + 1e-9
    zooms = np.abs(drawn[:, [0, 1], [0, 1]])
    assert 0.799 < zooms.min() < 0.81
    assert 1.19 < zooms.max() < 1.201
    assert abs(np.corrcoef(zooms.T)[0, 1]) < 0.15


def test_draws_are_pinned_so_that_old_runs_can_be_repeated():
    drawn = Light(AugmentationRequest(LightOptions(), FLIP)).draw(0, 0, "sample")
    shifted = ((1.0, 0.0, -0.0032044726459335856), (0.0, 1.0, 0.049851374429324864), (0.0, 0.0, 1.0))
    assert drawn == Drawn((Change("matrix", shifted),))


@pytest.mark.backend
@pytest.mark.parametrize(
    ("shear", "zx", "zy", "flipped"),
    [(0, 1, 1, True), (0, 0.8, 1.2, False), (20, 1, 1, False), (0.2, 1.1, 0.9, True), (-30, 0.9, 1.2, True)],
)
def test_classic_equals_keras_image_data_generator(shear, zx, zy, flipped):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from headstart.specs import InputRequest
    from headstart_plugins.image import ImageOptions
    from headstart_plugins.image._build import build

    rows, columns = np.mgrid[0:33, 0:33]
    waves = [np.sin(rows / 5), np.cos(columns / 4), np.sin((rows + 2 * columns) / 9)]
    pixels = (127 + 100 * np.dstack(waves)).astype(np.uint8)
    parameters = {"shear": shear, "zx": zx, "zy": zy, "flip_horizontal": flipped}
    expected = ImageDataGenerator().apply_transform(pixels.astype(np.float32), parameters)
    kind = build(InputRequest({"size": [33, 33]}, ImageOptions()))
    drawn = (Change("matrix", Classic.matrix(shear=shear, zx=zx, zy=zy, flipped=flipped)),)
    ours = kind.transform({"image": pixels}, drawn)["image"]
    assert expected.std() > 10
    assert np.abs(ours - expected).max() <= 1.0 + 1e-3  # Pillow rounds down to whole grey levels


@pytest.mark.parametrize(("build", "options"), [(Light, LightOptions()), (Classic, ClassicOptions())])
def test_augmented_pictures_do_not_depend_on_batch_cuts_and_differ_between_epochs(build, options):
    from headstart.data.views import TrainingSamples, View, varied
    from headstart.specs import InputRequest
    from headstart_plugins.image import ImageOptions
    from headstart_plugins.image._build import build as build_kind

    pixels = np.random.default_rng(0).integers(0, 256, (12, 24, 24, 3), np.uint8)
    kind = build_kind(InputRequest({"size": [24, 24]}, ImageOptions()))
    view = View(kind, build(AugmentationRequest(options, FLIP)), 0)
    order = np.array([3, 1, 0, 2, 11, 5, 4, 9, 8, 7, 6, 10])
    samples = TrainingSamples({"image": pixels}, KEYS, np.arange(12))
    whole = varied(samples, order, view, 0).tensors["image"]
    parts = [varied(samples, order[i : i + 5], view, 0).tensors["image"] for i in (0, 5, 10)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert whole.dtype == np.uint8
    changed = (whole != pixels[order]).any(axis=(1, 2, 3))
    assert changed.mean() > 0.9
    assert (varied(samples, order, view, 1).tensors["image"] != whole).any()
