"""About thirty kinds of odd pictures, each with the outcome that reliability promises."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from headstart.errors import DataError
from headstart.specs import InputRequest
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build

RED = (200, 30, 10)
SIZE = (24, 16)


@pytest.fixture(scope="module")
def kind():
    return build(InputRequest({"size": [32, 32]}, ImageOptions()))


def encoded(picture, name, **options):
    stream = io.BytesIO()
    picture.save(stream, name, **options)
    return stream.getvalue()


def gradient(mode="RGB"):
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[..., 0] = np.arange(24) * 10
    pixels[..., 1] = np.arange(16)[:, None] * 15
    return Image.fromarray(pixels).convert(mode)


def png(width, height, depth, colour, rows):
    """A PNG written by hand: what Pillow itself cannot write."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP"])
def test_lossless_formats_give_the_same_pixels(kind, name):
    picture = Image.new("RGB", SIZE, RED)
    options = {"lossless": True} if name == "WEBP" else {}
    sample = kind.read(encoded(picture, name, **options), "x")
    np.testing.assert_array_equal(sample.value, np.asarray(picture))


def test_a_jpeg_is_read_nearly_as_written(kind):
    sample = kind.read(encoded(gradient(), "JPEG", quality=95), "x")
    assert np.abs(sample.value.astype(int) - np.asarray(gradient()).astype(int)).mean() < 4
    assert sample.notes == ()


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_three_equal_channels(kind, mode):
    sample = kind.read(encoded(gradient(mode), "PNG"), "x")
    assert sample.value.shape == (16, 24, 3)
    np.testing.assert_array_equal(sample.value[..., 0], sample.value[..., 2])
    assert sample.notes == ()


def test_cmyk_is_converted_by_the_fixed_formula_and_noted(kind):
    sample = kind.read(encoded(Image.new("CMYK", SIZE, (0, 255, 255, 0)), "TIFF"), "x")
    np.testing.assert_array_equal(sample.value[0, 0], (255, 0, 0))
    assert sample.notes == ("converted from CMYK",)


def test_a_cmyk_jpeg_keeps_its_colour(kind):
    sample = kind.read(encoded(Image.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG", quality=95), "x")
    assert np.abs(sample.value[0, 0].astype(int) - (255, 0, 0)).max() < 8
    assert sample.notes == ("converted from CMYK",)


def test_a_palette_is_resolved_and_noted(kind):
    sample = kind.read(encoded(Image.new("RGB", SIZE, RED).quantize(4), "PNG"), "x")
    np.testing.assert_array_equal(sample.value[0, 0], RED)
    assert sample.notes == ("converted from a palette",)


def test_a_palette_with_a_transparent_entry_lies_on_white(kind):
    picture = Image.new("P", SIZE, 0)
    picture.putpalette([0, 0, 0, *RED])
    sample = kind.read(encoded(picture, "PNG", transparency=0), "x")
    assert (sample.value == 255).all()
    assert sample.notes == ("with transparency laid on white",)


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 100), (128, 177)])
def test_alpha_lies_on_white(kind, alpha, expected):
    for picture in (Image.new("RGBA", SIZE, (100, 100, 100, alpha)), Image.new("LA", SIZE, (100, alpha))):
        sample = kind.read(encoded(picture, "PNG"), "x")
        assert abs(int(sample.value[3, 3, 0]) - expected) <= 1
        assert sample.notes == ("with transparency laid on white",)


def test_alpha_lies_on_the_background_that_the_weights_state():
    black = build(InputRequest({"size": [32, 32], "background": 0}, ImageOptions()))
    sample = black.read(encoded(Image.new("RGBA", SIZE, (90, 90, 90, 0)), "PNG"), "x")
    assert (sample.value == 0).all()
    assert sample.notes == ("with transparency laid on grey 0",)


def test_a_transparent_colour_key_lies_on_white(kind):
    sample = kind.read(encoded(Image.new("RGB", SIZE, RED), "PNG", transparency=RED), "x")
    assert (sample.value == 255).all()


@pytest.mark.parametrize("name", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_by_depth_and_never_clipped(kind, name):
    values = (np.arange(16 * 24).reshape(16, 24) * 170).astype(np.uint16)
    sample = kind.read(encoded(Image.fromarray(values), name), "x")
    np.testing.assert_array_equal(sample.value[..., 0], values >> 8)
    assert "scaled from 16 bits" in sample.notes


def test_16_bit_colour_is_scaled_by_depth_and_noted(kind):
    pixel = struct.pack(">HHH", 0xC8FF, 0x1E00, 0x0A80)
    sample = kind.read(png(160, 16, 16, 2, (b"\0" + pixel * 160) * 16), "x")
    np.testing.assert_array_equal(sample.value[0, 0], (0xC8, 0x1E, 0x0A))
    assert sample.notes == ("scaled from 16 bits",)


def test_an_8_bit_picture_of_160_pixels_is_not_taken_for_16_bit(kind):
    assert kind.read(encoded(Image.new("RGB", (160, 16)), "PNG"), "x").notes == ()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_fixed_range_are_refused(kind, mode):
    with pytest.raises(DataError, match=rf"x\.tif.*mode {mode} has no fixed range"):
        kind.read(encoded(Image.new(mode, SIZE), "TIFF"), "x.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_exif_orientation_is_applied_once(kind, orientation, name):
    from PIL import ImageOps

    picture = gradient().resize((240, 160), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(name, {})
    content = encoded(picture, name, exif=exif, **options)
    sample = kind.read(content, "x")
    reference = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(picture, "PNG", exif=exif))))
    expected = np.asarray(reference.convert("RGB"))
    assert sample.value.shape == expected.shape
    assert np.abs(sample.value.astype(int) - expected.astype(int)).mean() < 4
    assert sample.notes == (("turned by EXIF orientation",) if orientation > 1 else ())


def test_broken_exif_is_noted_or_ignored_but_the_pixels_are_read(kind):
    content = encoded(Image.new("RGB", SIZE, RED), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    assert kind.read(content, "x").value.shape == (16, 24, 3)


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_frames_is_taken_with_a_warning(kind, name):
    frames = [Image.new("RGB", SIZE, colour) for colour in (RED, (0, 0, 255))]
    options = {"lossless": True} if name == "WEBP" else {}
    content = encoded(frames[0], name, save_all=True, append_images=frames[1:], **options)
    sample = kind.read(content, "x")
    np.testing.assert_array_equal(sample.value[5, 5], RED)
    assert any(note.startswith("warning: with several frames") for note in sample.notes)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_truncated_picture_is_refused_by_name(kind, name, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = encoded(Image.fromarray(noise), name)
    file = tmp_path / f"cut.{name.lower()}"
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cats/cut"):
        kind.read(file, f"cats/cut.{name.lower()}")


def test_a_corrupt_checksum_is_refused(kind):
    content = bytearray(encoded(Image.new("RGB", SIZE, RED), "PNG"))
    content[content.index(b"IDAT") + 6] ^= 0xFF
    with pytest.raises(DataError, match="corrupt"):
        kind.read(bytes(content), "x")


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"plain text", b"<html></html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused(kind, content, tmp_path):
    file = tmp_path / "odd.jpg"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.jpg: not a picture in a known format"):
        kind.read(file, "odd.jpg")


def test_a_bomb_is_refused_from_its_header(kind):
    content = png(8001, 8000, 8, 2, b"")
    with pytest.raises(DataError, match=r"8001 x 8000 pixels are more than 64 megapixels"):
        kind.read(content, "bomb.png")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_larger_bomb_is_refused_as_well(kind, side):
    with pytest.raises(DataError, match="megapixels"):
        kind.read(png(side, side, 8, 2, b""), "bomb.png")


def test_a_picture_without_pixels_is_refused(kind):
    with pytest.raises(DataError, match=r"empty\.png"):
        kind.read(png(0, 7, 8, 2, b""), "empty.png")


def test_one_pixel_and_a_long_strip_are_pictures(kind):
    for size in ((1, 1), (3000, 1)):
        sample = kind.read(encoded(Image.new("RGB", size, RED), "PNG"), "x")
        prepared = kind.prepare(sample).tensors["image"]
        assert prepared.shape == (32, 32, 3)
        assert (prepared == RED).all(axis=-1).any()


def test_a_wrong_suffix_does_not_matter(kind, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(Image.new("RGB", SIZE, RED), "PNG"))
    np.testing.assert_array_equal(kind.read(file, "x").value[0, 0], RED)


def test_an_absent_file_a_folder_and_a_pipe_are_refused(kind, tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in (("gone.png", "No such file"), (".", "not a regular"), ("pipe.png", "not a regular")):
        with pytest.raises(DataError, match=reason):
            kind.read(tmp_path / name, name)


def test_arrays_are_read_by_shape_and_dtype(kind):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for array in (grey, grey[..., None], np.dstack([grey] * 3)):
        np.testing.assert_array_equal(kind.read(array, "x").value, np.dstack([grey] * 3))
    deep = kind.read(grey.astype(np.uint16) * 257, "x")
    np.testing.assert_array_equal(deep.value[..., 0], grey)
    assert deep.notes == ("scaled from 16 bits",)
    clear = kind.read(np.dstack([grey, grey, grey, np.zeros_like(grey)]), "x")
    assert (clear.value == 255).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4), np.int64),
        np.zeros((4, 4), bool),
        np.zeros((4,), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(kind, array):
    with pytest.raises(DataError, match=r"sample 7.*expected"):
        kind.read(array, "sample 7")


def test_another_type_of_payload_is_refused(kind):
    with pytest.raises(DataError, match="received int"):
        kind.read(7, "x")
