import io

import numpy as np
import pytest
from PIL import Image

from headstart.errors import DataError, PluginError, UsageError
from headstart.specs import Change, InputRequest
from headstart_plugins._affine import STILL
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build

FLIP = (Change("matrix", ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))),)


def make(size=(32, 32), options=None, **values):
    return build(InputRequest({"size": list(size), **values}, options or ImageOptions()))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def moved(kind, pixels, matrix):
    return kind.transform({"image": pixels}, (Change("matrix", matrix),))["image"]


def test_pad_keeps_the_whole_picture_in_the_middle_of_the_background():
    kind = make((20, 40), background=7)
    red = np.full((10, 10, 3), (200, 0, 0), np.uint8)
    prepared = kind.prepare(kind.read(red, "x")).tensors["image"]
    assert prepared.shape == (20, 40, 3)
    assert (prepared[:, 10:30] == (200, 0, 0)).all()
    assert (prepared[:, :10] == 7).all()
    assert (prepared[:, 30:] == 7).all()


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(90, 150), (151, 64), (64, 96), (61, 97)])
def test_facts_say_where_a_dot_of_the_picture_went(resize, shape):
    """The middle of a bright dot, measured in the input, is where scale and offset put the dot's."""
    kind = make((64, 96), resize=resize, background=0)
    height, width = shape
    for across, down in ((0.45, 0.42), (0.55, 0.52)):
        left, top = int(across * width), int(down * height)
        picture = np.zeros((height, width, 3), np.uint8)
        picture[top : top + 6, left : left + 6] = 255
        prepared = kind.prepare(kind.read(picture, "x"))
        facts, light = prepared.facts, prepared.tensors["image"][..., 0].astype(float)
        assert (facts["height"], facts["width"], facts["input_height"], facts["input_width"]) == (*shape, 64, 96)
        x = (light.sum(axis=0) @ (np.arange(96) + 0.5)) / light.sum()
        y = (light.sum(axis=1) @ (np.arange(64) + 0.5)) / light.sum()
        assert x == pytest.approx((left + 3) * facts["scale_x"] + facts["offset_x"], abs=0.05)
        assert y == pytest.approx((top + 3) * facts["scale_y"] + facts["offset_y"], abs=0.05)


def test_crop_takes_the_centre():
    kind = make((10, 10), resize="crop")
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 99
    assert (kind.prepare(kind.read(wide, "x")).tensors["image"] == 99).all()


def test_stretch_equals_pillow_itself():
    kind = make((17, 23), resize="stretch", interpolation="bilinear")
    pixels = noise(50, 40)
    expected = np.asarray(Image.fromarray(pixels).resize((23, 17), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(kind.prepare(kind.read(pixels, "x")).tensors["image"], expected)


def test_a_picture_of_the_right_size_is_left_alone():
    kind = make((32, 32))
    np.testing.assert_array_equal(kind.prepare(kind.read(noise(32, 32), "x")).tensors["image"], noise(32, 32))


def test_options_override_the_native_size_and_fit():
    kind = make((224, 224), ImageOptions(size=48, resize="crop"))
    assert kind.tensors["image"].shape == (48, 48, 3)
    assert kind.preprocess.resize == "crop"


def test_output_range_follows_from_scale_and_offset():
    kind = make(scale=[1 / 128] * 3, offset=[-127 / 128] * 3)
    assert kind.output_ranges == {"image": (-127 / 128, 1.0)}
    kind = make(scale=[1, 1, -1], offset=[-103.939, -116.779, 5])
    assert kind.output_ranges == {"image": (-250.0, 255 - 103.939)}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": [0, 3]}, "preprocess.size"),
        ({"size": 224}, "preprocess.size"),
        ({"size": [8, 8], "channels": "gbr"}, "expected rgb or bgr"),
        ({"size": [8, 8], "scale": [1, 1]}, "preprocess.scale"),
        ({"size": [8, 8], "interpolation": "lanczos"}, "preprocess.interpolation"),
        ({"size": [8, 8], "background": 300}, "preprocess.background"),
        ({"size": [8, 8], "range": [0, 1]}, "preprocess.range"),
        ({"size": [8, 8], "chanels": "rgb"}, "chanels"),
    ],
)
def test_unknown_preprocessing_is_refused_by_name(values, said):
    with pytest.raises(UsageError, match=said):
        build(InputRequest(values, ImageOptions()))


def test_identity_changes_nothing_and_returns_a_new_array():
    pixels = noise(32, 32)
    result = moved(make(), pixels, STILL)
    np.testing.assert_array_equal(result, pixels)
    assert result is not pixels


@pytest.mark.parametrize("shape", [(32, 32), (20, 31)])
def test_flips_equal_numpy_flips_to_the_bit(shape):
    kind, pixels = make(shape), noise(*shape)
    np.testing.assert_array_equal(kind.transform({"image": pixels}, FLIP)["image"], pixels[:, ::-1])
    upside_down = moved(kind, pixels, ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)))
    np.testing.assert_array_equal(upside_down, pixels[::-1])


def test_a_quarter_turn_maps_output_to_input():
    pixels = noise(16, 16)
    turned = moved(make(), pixels, ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    # output (x, y) shows input (y, -x): row r, column c comes from row 15 - c, column r
    np.testing.assert_array_equal(turned, pixels[::-1].transpose(1, 0, 2))


def test_a_shift_to_positive_input_moves_the_picture_left_and_repeats_its_border():
    pixels = noise(16, 32)
    shifted = moved(make((16, 32)), pixels, ((1.0, 0.0, 4 / 32), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    np.testing.assert_array_equal(shifted[:, :-4], pixels[:, 4:])
    np.testing.assert_array_equal(shifted[:, -4:], np.repeat(pixels[:, -1:], 4, axis=1))


@pytest.mark.parametrize("factors", [(3.0, 2.5), (-2.0, 1.7), (1.0, 5.0)])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.9, -0.4), (-1.4, 2.1)])
def test_a_small_copy_continues_its_border_as_a_large_border_would(factors, shift):
    """As a mosaic has it: the map reaches far beyond the picture. Interpolated by hand on a border without end."""
    pixels, (height, width) = noise(24, 32), (24, 32)
    matrix = ((factors[0], 0.0, shift[0]), (0.0, factors[1], shift[1]), (0.0, 0.0, 1.0))
    found = moved(make((24, 32)), pixels, matrix).astype(float)
    down, across = (
        ((factor * ((np.arange(side) + 0.5) / side - 0.5) + move + 0.5) * side - 0.5)
        for factor, move, side in ((factors[1], shift[1], height), (factors[0], shift[0], width))
    )
    rows, columns = np.floor(down).astype(int), np.floor(across).astype(int)
    expected = np.zeros_like(found)
    for i in (0, 1):
        for j in (0, 1):
            weights = np.outer(1 - i + (2 * i - 1) * (down - rows), 1 - j + (2 * j - 1) * (across - columns))
            taken = pixels[np.clip(rows + i, 0, height - 1)][:, np.clip(columns + j, 0, width - 1)]
            expected += weights[..., None] * taken
    assert np.abs(found - expected).max() <= 1.01  # Pillow rounds down


def test_a_general_affine_equals_bilinear_interpolation_by_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    pixels = noise(24, 24)
    matrix = ((0.9, 0.1, 0.05), (-0.2, 1.1, -0.03), (0.0, 0.0, 1.0))
    ours = moved(make((24, 24)), pixels, matrix)
    rows, columns = np.mgrid[0:24, 0:24]
    x, y = (columns + 0.5) / 24 - 0.5, (rows + 0.5) / 24 - 0.5
    x_in = matrix[0][0] * x + matrix[0][1] * y + matrix[0][2]
    y_in = matrix[1][0] * x + matrix[1][1] * y + matrix[1][2]
    where = [(y_in + 0.5) * 24 - 0.5, (x_in + 0.5) * 24 - 0.5]
    for channel in range(3):
        plane = pixels[..., channel].astype(float)
        expected = ndimage.map_coordinates(plane, where, order=1, mode="nearest")
        assert np.abs(ours[..., channel] - expected).max() <= 1.0 + 1e-9  # Pillow rounds down


def test_perspective_is_refused():
    with pytest.raises(PluginError, match=r"change .matrix.: the last row .* affine"):
        moved(make(), noise(32, 32), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.1, 0.0, 1.0)))


def test_fingerprints_survive_recompression_and_scaling_but_tell_pictures_apart():
    kind = make()
    smooth = Image.fromarray(noise(6, 6)).resize((120, 120), Image.Resampling.BICUBIC)
    other = Image.fromarray(noise(6, 6, seed=1)).resize((120, 120), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    smooth.resize((240, 240)).save(stream, "JPEG", quality=92)
    first = kind.fingerprint(kind.read(np.asarray(smooth), "x"))
    again = kind.fingerprint(kind.read(stream.getvalue(), "x"))
    assert (first ^ again).bit_count() <= 2
    assert (first ^ kind.fingerprint(kind.read(np.asarray(other), "x"))).bit_count() > 10
    assert 0 <= first < 2**64


def test_tiny_and_even_pictures_have_no_fingerprint():
    kind = make()
    assert kind.fingerprint(kind.read(noise(28, 28), "x")) is None
    assert kind.fingerprint(kind.read(np.full((64, 64), 9, np.uint8), "x")) is None


@pytest.mark.parametrize(("shape", "side"), [((8, 8), 80), ((300, 100), 160), ((100, 100), 100)])
def test_previews_are_small_png_files(shape, side):
    kind = make()
    preview = kind.preview(kind.read(noise(*shape), "x"))
    assert preview.media_type == "image/png"
    assert max(Image.open(io.BytesIO(preview.data)).size) == side


@pytest.mark.parametrize(("shape", "size"), [((8, 8), (8, 8)), ((600, 1200), (480, 240))])
def test_what_is_drawn_over_has_a_larger_preview(shape, size):
    kind = make()
    preview = kind.detailed_preview(kind.read(noise(*shape), "x"))
    assert preview.media_type == "image/jpeg"
    assert Image.open(io.BytesIO(preview.data)).size == size


def test_find_lists_pictures_sorted_without_hidden_ones(tmp_path):
    for name in ("b/2.PNG", "b/1.jpg", "a.webp", "notes.txt", ".hidden/x.png", ".x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    kind = make()
    found = [path.relative_to(tmp_path).as_posix() for path in kind.find(tmp_path)]
    assert found == ["a.webp", "b/1.jpg", "b/2.PNG"]
    assert kind.find(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    assert (
        kind.find(str(tmp_path / "b")) == kind.find(tmp_path / "b") == [tmp_path / "b" / n for n in ("1.jpg", "2.PNG")]
    )
    with pytest.raises(UsageError, match="no such file"):
        kind.find(tmp_path / "gone")


def test_find_refuses_links_that_loop_or_leave(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    with pytest.raises(DataError, match=r"loop: symbolic link"):
        make().find(tmp_path / "in")
