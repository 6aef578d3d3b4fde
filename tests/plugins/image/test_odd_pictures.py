"""About thirty kinds of odd pictures, each with the outcome that reliability promises."""

import base64
import io
import struct
import sys
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


def chunk(name, body):
    """A part of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, depth, colour, rows):
    """A PNG written by hand: what Pillow itself cannot write."""
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


def test_grey_that_was_multiplied_by_its_alpha_lies_on_white_too(kind):
    content = tiff([8, 8], 1, 1, bytes([50, 128] * 64), more={338: [1]})
    sample = kind.read(content, "x.tif")
    assert abs(int(sample.value[3, 3, 0]) - 177) <= 1
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


@pytest.mark.parametrize(("mode", "said"), [("F", "32-bit float"), ("I", "signed or 32-bit whole-number")])
def test_pixels_without_a_fixed_range_are_refused_by_that_rule_and_told_how_to_be_converted(kind, mode, said):
    with pytest.raises(DataError) as error:
        kind.read(encoded(Image.new(mode, SIZE), "TIFF"), "x.tif")
    rule = f"x.tif: {said} pixels have no fixed range of brightness; expected 8 or 16 bits"
    assert error.value.message == rule
    assert "astype('uint16')" in error.value.hint


def tiff(bits, sample_format, photometric, data, *, more=None):
    """A TIFF of 8 x 8 pixels written by hand, `bits` a channel: layouts that Pillow itself cannot write."""
    tags = {256: [8], 257: [8], 258: bits, 259: [1], 262: [photometric], 273: [0], 277: [len(bits)]}
    tags |= {278: [8], 279: [len(data)], 339: [sample_format] * len(bits), **(more or {})}
    long = {256, 257, 273, 278, 279}
    packed = {tag: struct.pack(f"<{len(v)}{'I' if tag in long else 'H'}", *v) for tag, v in tags.items()}
    place = 8 + 2 + 12 * len(tags) + 4
    tags[273] = [place + sum(len(each) for each in packed.values() if len(each) > 4)]
    packed[273] = struct.pack("<I", *tags[273])
    entries, beside = b"", b""
    for tag, each in sorted(packed.items()):
        value = each.ljust(4, b"\0") if len(each) <= 4 else struct.pack("<I", place + len(beside))
        beside += each if len(each) > 4 else b""
        entries += struct.pack("<HHI", tag, 4 if tag in long else 3, len(tags[tag])) + value
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + beside + data


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (tiff([32, 32, 32], 3, 2, bytes(768)), "3 channels of 32-bit float"),
        (tiff([16] * 5, 1, 1, bytes(640)), "5 channels of 16-bit whole numbers"),
    ],
)
def test_a_layout_that_cannot_be_read_is_not_called_damaged_nor_no_picture(kind, content, layout):
    with pytest.raises(DataError) as error:
        kind.read(content, "x.tif")
    reason = f"a TIFF file that cannot be read: unknown pixel mode ({layout}, compression 1)"
    assert error.value.message == f"x.tif: {reason}"
    assert "8 or 16 bits" in error.value.hint


def test_12_bits_are_scaled_by_their_own_depth(kind):
    sample = kind.read(tiff([12], 1, 1, bytes([0x80, 0x0F, 0xFF] * 32)), "x.tif")
    assert sample.value[0, :2, 0].tolist() == [0x80, 0xFF]
    assert sample.notes == ("scaled from 12 bits",)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_negative_is_turned_round_whatever_its_depth(kind, depth):
    values = np.full((8, 8), 0x30 << (depth - 8), f"<u{depth // 8}")
    sample = kind.read(tiff([depth], 1, 0, values.tobytes()), "x.tif")
    assert (sample.value == 255 - 0x30).all()


DARK = "with 16-bit values in the lowest 1/16 of their range only"


@pytest.mark.parametrize(
    ("highest", "notes"), [(4095, ("scaled from 16 bits", DARK)), (4096, ("scaled from 16 bits",))]
)
def test_a_picture_that_uses_little_of_16_bits_says_so_in_grey_and_in_colour(kind, highest, notes):
    grey = np.full((8, 8), highest, np.uint16)
    row = b"\0" + struct.pack(">HHHH", highest, 0, 7, 65535) * 8
    opaque = np.dstack([grey, grey, grey, np.full_like(grey, 65535)])
    for payload in (grey, opaque, encoded(Image.fromarray(grey), "PNG"), png(8, 8, 16, 6, row * 8)):
        assert [note for note in kind.read(payload, "x").notes if "16" in note] == list(notes)


def test_only_a_set_of_which_all_pictures_of_16_bits_are_dark_is_warned_of(kind):
    wide = "scaled from 16 bits"
    assert kind.judge_notes({}) == kind.judge_notes({wide: 9, DARK: 8}) == []
    (warning,) = kind.judge_notes({wide: 9, DARK: 9, "converted from CMYK": 1})
    assert (warning.level, warning.count) == ("warning", 9)
    assert warning.message.startswith("all 9 samples of 16 bits are nearly black, in the lowest 1/16")
    assert "by 16" in warning.hint


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


LARGE = b"x" * 1_300_000
UNREADABLE = {
    "a large colour profile": chunk(b"iCCP", b"p\0\0" + zlib.compress(np.random.default_rng(0).bytes(1_300_000))),
    "a large profile that was packed well": chunk(b"iCCP", b"p\0\0" + zlib.compress(LARGE)),
    "a large packed text": chunk(b"zTXt", b"k\0\0" + zlib.compress(LARGE)),
    "a large packed text of all alphabets": chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(LARGE)),
    "a text with a wrong checksum": chunk(b"tEXt", b"k\0text")[:-4] + b"0000",
    "a resolution cut short": chunk(b"pHYs", b"1"),
}
LEAN = "read without metadata that is damaged or larger than 1 MB"


def amended(content, *chunks, last=False):
    """A PNG with more parts: behind its head or before its end."""
    place = content.rindex(b"IEND") - 4 if last else 33
    return content[:place] + b"".join(chunks) + content[place:]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("part", UNREADABLE)
def test_no_metadata_of_a_png_decides_about_its_pixels(kind, part, last):
    content = amended(encoded(gradient(), "PNG"), UNREADABLE[part], last=last)
    sample = kind.read(content, "x")
    np.testing.assert_array_equal(sample.value, np.asarray(gradient()))
    unseen = last and part == "a text with a wrong checksum"  # Pillow checks those before the pixels alone
    assert sample.notes == (() if unseen else (LEAN,))


def test_what_changes_pixels_or_turns_them_is_kept_beside_metadata_that_is_left_out(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("P", SIZE, 0)
    picture.putpalette([0, 0, 0, *RED])
    content = amended(encoded(picture, "PNG", transparency=0, exif=exif), UNREADABLE["a large packed text"])
    sample = kind.read(content, "x")
    assert sample.notes == (LEAN, "turned by EXIF orientation", "with transparency laid on white")
    assert sample.value.shape == (24, 16, 3)
    assert (sample.value == 255).all()


def test_frames_are_warned_of_beside_metadata_that_is_left_out(kind):
    frames = [Image.new("RGB", SIZE, colour) for colour in (RED, (0, 0, 255))]
    content = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    sample = kind.read(amended(content, UNREADABLE["a large packed text"]), "x")
    assert sample.notes == (LEAN, "warning: with several frames, of which the first was read")
    np.testing.assert_array_equal(sample.value[5, 5], RED)


def test_a_truncated_png_is_refused_whatever_metadata_it_has(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    content = amended(encoded(noise, "PNG"), *UNREADABLE.values())
    with pytest.raises(DataError, match=r"x: corrupt or truncated picture: .*truncated"):
        kind.read(content[:-5000], "x")


def test_metadata_that_is_left_out_takes_no_memory(kind, tmp_path):
    import tracemalloc

    content, size = encoded(gradient(), "PNG"), 2**28
    with (tmp_path / "large.png").open("wb") as file:
        file.write(content[:33] + struct.pack(">I", size) + b"prVt")
        file.seek(size + 4, io.SEEK_CUR)  # a hole: the file takes no place either
        file.write(content[33:])
    tracemalloc.start()
    try:
        sample = kind.read(tmp_path / "large.png", "x")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(sample.value, np.asarray(gradient()))
    assert sample.notes == (LEAN,)


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_large_colour_profile_is_no_matter_in_other_formats(kind, name):
    profile = np.random.default_rng(0).bytes(2_000_000)
    with_profile = kind.read(encoded(gradient(), name, icc_profile=profile), "x")
    np.testing.assert_array_equal(with_profile.value, kind.read(encoded(gradient(), name), "x").value)
    assert with_profile.notes == ()


def test_of_the_pictures_of_a_phones_mpo_the_first_is_read_with_a_note(kind, tmp_path):
    frames = [Image.new("RGB", SIZE, colour) for colour in (RED, (0, 0, 255))]
    frames[0].save(tmp_path / "photo.mpo", "MPO", save_all=True, append_images=frames[1:], quality=95)
    (found,) = kind.find(tmp_path)
    sample = kind.read(found, "x")
    assert np.abs(sample.value[5, 5].astype(int) - RED).max() < 8
    assert sample.notes == ("with several pictures in one file, of which the main one was read",)


def test_larger_pictures_are_read_where_a_setting_allows_for_them_and_the_refusal_names_it(kind):
    content = png(8001, 8000, 1, 0, (b"\0" + b"\xff" * 1001) * 8000)
    with pytest.raises(DataError) as error:
        kind.read(content, "large.png")
    assert "--set input.max_megapixels=N" in error.value.hint
    large = build(InputRequest({"size": [32, 32]}, ImageOptions(max_megapixels=65)))
    assert large.read(content, "large.png").value.shape == (8000, 8001, 3)
    with pytest.raises(DataError, match="more than 65 megapixels"):
        large.read(png(60_000, 60_000, 1, 0, b""), "bomb.png")


def test_pixels_beyond_pillows_own_limit_are_a_matter_of_the_setting_alone(recwarn):
    small = build(InputRequest({"size": [32, 32]}, ImageOptions(max_megapixels=1)))
    for side in (1001, 10_000, 20_000):  # Pillow warns of the second and refuses the third
        with pytest.raises(DataError, match=f"{side} x {side} pixels are more than 1 megapixel; not decoded"):
            small.read(png(side, side, 1, 0, b""), "x")
    assert not recwarn.list


HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAcdtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAA"
    "AERAAAIAAQAAAAAB6wABAAAAAAAAANIAAgAAAAACvQABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZl"
    "AgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABBmlwcnAAAADlaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH/"
    "/wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAAABNjb2xy"
    "bmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAIAAAAAEAAAAQAAAAAf///+AAAAAC////0AAAAAIAAAAQcGl4aQAAAAAD"
    "CAgIAAAACWlyb3QDAAAAGWlwbWEAAAAAAAAAAQABBoECAwWEhgAAABppcmVmAAAAAAAAAA5jZHNjAAIAAQABAAAA/m1kYXQAAADOKAGvBjIZ/vWA"
    "iSDwv7G1///1Vf2X7Y1qTqvwo50v76Qv/++9/t9cI/pmf+FIHtQlbTeLSzSCsfvMzVSE3d+e00hoadUN/VWCqmoRSYvMOtaEBK9n0wp+7hY3t1TL"
    "H/2/zowVFfRpyp43IL/CsteEsc6Vdvg/IOsvfJNHse98Tx/wFMmXRPrvQzBuDhf8NnkFw3OjRfTLsMqscr0pzkRg8ZtwH5yMHlUDobREUUG79nux"
    "rsbqSNiPOBAfXiaR+DFAT+PptDBo0ShchbCtjR4AAAAGRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA="
)
"""32 x 16 pixels, red beside blue, to be turned by 90 degrees: encoded by x265 from pixels of our own."""


def test_a_heic_picture_is_read_upright_by_the_extra_and_pillow_is_left_as_it_is(kind):
    pytest.importorskip("pi_heif")
    sample = kind.read(HEIC, "x")
    assert sample.value.shape == (32, 16, 3)
    for place, colour in ((2, RED), (29, (10, 40, 200))):
        assert np.abs(sample.value[place, 8].astype(int) - colour).max() < 8
    assert sample.notes == ()
    assert "HEIF" not in Image.OPEN


def test_a_damaged_heic_picture_is_refused_by_name(kind):
    pytest.importorskip("pi_heif")
    for content in (HEIC[:300], HEIC[:-60]):
        with pytest.raises(DataError, match=r"cats/1\.heic: corrupt or truncated"):
            kind.read(content, "cats/1.heic")


def test_without_the_extra_a_heic_picture_names_what_to_install(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(DataError) as error:
        kind.read(HEIC, "x.heic")
    assert error.value.message == "x.heic: a HEIC or HEIF picture, which needs pi-heif"
    assert error.value.hint == 'pip install "headstart[heic]"'
