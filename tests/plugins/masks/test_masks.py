"""Masks are read as they stand in their files, spread over a split and moved; held against loops and other programs."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from headstart.errors import DataError
from headstart.specs import Change, Record, Records, TargetRequest
from headstart_plugins._affine import after
from headstart_plugins._mask import VOID
from headstart_plugins._masks.described import Described, Shape
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.pixels import count_files, counted, read_pixels
from headstart_plugins._masks.shapes import polygon_mask, run_length_mask, run_lengths
from headstart_plugins.image._geometry import warped
from headstart_plugins.masks._build import build, moved

KIND = build(TargetRequest(None))
LEGEND = Legend(("ground", "cat", "dog"), (0, 1, 2))
PIXELS = np.array([[0, 1, 2, 255], [0, 0, 1, 1], [2, 2, 255, 0]], np.uint8)
PALETTE = [10, 20, 30, 200, 0, 0, 0, 200, 0, *[9] * 3 * 253]
"""Of 256 colours: with fewer Pillow writes a PNG of fewer bits, in which 255 is cut to 3."""


def target(mask, legend=LEGEND, **more):
    return Described(legend=legend, mask=mask, **more).target()


def written(path, pixels=PIXELS, mode=None):
    picture = Image.fromarray(pixels)
    if mode == "P":
        picture.putpalette(PALETTE)
    elif mode:
        picture = picture.convert(mode)
    picture.save(path)
    return path


def png(rows, depth):
    """A grey PNG of so many bits, written by hand: Pillow writes 8 and 16 alone."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    lines = b""
    for row in rows:
        bits = "".join(f"{value:0{depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        lines += b"\0" + bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), depth, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", "P"), ("a.png", None), ("a.bmp", "P"), ("a.tif", None), ("a.tif", "P"), ("a.pgm", None)],
)
def test_numbers_of_a_palette_and_greys_are_classes_as_they_stand(name, mode, tmp_path):
    """Also 255, which is void."""
    mask = KIND.read(target(written(tmp_path / name, mode=mode)), "a.jpg")
    assert mask.classes.dtype == np.uint8
    assert mask.classes.tolist() == PIXELS.tolist()
    assert mask.names == LEGEND.names


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_greys_of_few_bits_are_not_scaled(depth, tmp_path):
    """Pillow 13 gives 0, 85, 170, 255 for 2 bits."""
    rows = (np.arange(15).reshape(3, 5) % 2**depth).tolist()
    (tmp_path / "a.png").write_bytes(png(rows, depth))
    assert read_pixels(tmp_path / "a.png", "a").values.tolist() == rows


def test_values_of_16_bits_are_told_by_a_legend(tmp_path):
    wide = written(tmp_path / "a.png", np.array([[0, 1000], [65535, 7]], np.uint16))
    legend = Legend(("a", "b", "c"), (0, 1000, 7), void=(65535,))
    assert KIND.read(target(wide, legend), "a").classes.tolist() == [[0, 1], [VOID, 2]]


def test_colours_are_told_by_a_table_and_a_palette_is_its_colours_then(tmp_path):
    legend = Legend(("road", "sky"), (0x804080, 0x0000FF), void=(0x000000,), by="colour")
    colours = np.array([[[128, 64, 128], [0, 0, 255]], [[0, 0, 0], [128, 64, 128]]], np.uint8)
    expected = [[0, 1], [VOID, 0]]
    assert KIND.read(target(written(tmp_path / "rgb.png", colours), legend), "a").classes.tolist() == expected
    opaque = np.dstack([colours, np.full((2, 2), 255, np.uint8)])
    assert KIND.read(target(written(tmp_path / "rgba.png", opaque), legend), "a").classes.tolist() == expected
    picture = Image.fromarray(np.array([[5, 2], [0, 5]], np.uint8))
    picture.putpalette([0, 0, 0, 9, 9, 9, 0, 0, 255, 9, 9, 9, 9, 9, 9, 128, 64, 128])
    picture.save(tmp_path / "p.png")
    assert KIND.read(target(tmp_path / "p.png", legend), "a").classes.tolist() == expected


def test_what_no_value_is_sure_of_is_refused_by_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 3, (99, 99)).astype(np.uint8)
    said = {
        "a.jpg": (lambda path: written(path), "is a JPEG"),
        "rgb.png": (lambda path: written(path, mode="RGB"), "has colours; expected numbers of classes"),
        "alpha.png": (lambda path: written(path, np.zeros((3, 4, 4), np.uint8)), "has transparent pixels"),
        "cmyk.tif": (lambda path: written(path, mode="CMYK"), "has pixels of the mode CMYK"),
        "float.tif": (lambda path: written(path, mode="F"), "has pixels of the mode F"),
        "torn.png": (lambda path: path.write_bytes(written(tmp_path / "b.png", noise).read_bytes()[:900]), "cannot be"),
        "text.png": (lambda path: path.write_text("no picture"), "not a picture in a known format"),
        "absent.png": (lambda path: None, "cannot be read: No such file"),
        "9.png": (lambda path: written(path, PIXELS + 7), "has values of no class: 6, 7, 8, 9, in 12 of 12 pixels"),
    }
    for name, (make, part) in said.items():
        make(tmp_path / name)
        with pytest.raises(DataError) as caught:
            KIND.read(target(tmp_path / name), "pictures/x.jpg")
        assert caught.value.message.startswith(f"pictures/x.jpg: its mask {tmp_path / name}")
        assert part in caught.value.message
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1].copy())]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="has several frames"):
        KIND.read(target(tmp_path / "two.gif"), "a")


def test_a_mask_of_another_size_is_refused_and_one_on_its_side_is_said_so(tmp_path):
    file = written(tmp_path / "a.png")
    assert KIND.read(target(file, size=(4, 3)), "a").classes.shape == (3, 4)
    with pytest.raises(DataError, match=r"a: its mask .*a\.png has 4 x 3 pixels, the picture 3 x 4: .* are swapped"):
        KIND.read(target(file, size=(3, 4)), "a")
    with pytest.raises(DataError, match=r"has 4 x 3 pixels, the picture 8 x 6") as caught:
        KIND.read(target(file, size=(8, 6)), "a")
    assert "nothing is scaled" in caught.value.hint


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_that_was_drawn_before_its_picture_was_turned_is_turned_as_pillow_turns_the_picture(
    orientation, tmp_path
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "picture.png", exif=exif)
    from PIL import ImageOps

    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "picture.png")))
    size = upright.shape[1], upright.shape[0]
    along = target(written(tmp_path / "mask.png"), size=size, exif=orientation, turned=True)
    assert KIND.read(along, "a").classes.tolist() == upright.tolist()
    drawn = target(written(tmp_path / "upright.png", upright), size=size, exif=orientation)
    assert KIND.read(drawn, "a").classes.tolist() == upright.tolist()


def checked(*targets):
    return [
        f"{each.level}: {each.message} {each.hint or ''}"
        for each in KIND.check([Record(f"{number}.jpg", "", each) for number, each in enumerate(targets)])
    ]


def test_each_wrong_mask_is_named_by_its_file(tmp_path):
    good = written(tmp_path / "good.png")
    large = Image.new("L", (400, 400))
    ImageDraw.Draw(large).ellipse((60, 100, 300, 330), fill=200)
    large.resize((100, 100), Image.Resampling.BILINEAR).save(tmp_path / "soft.png")
    two = Legend(("ground", "thing"), (0, 200))
    said = "\n".join(
        checked(
            target(good, size=(4, 3)),
            target(good, size=(3, 4)),
            target(good, size=(3, 4), exif=6),
            target(good, size=(9, 9)),
            target(tmp_path / "soft.png", two),
            target(written(tmp_path / "nine.png", np.full((3, 4), 9, np.uint8))),
            target(written(tmp_path / "void.png", np.full((3, 4), 255, np.uint8))),
            target(written(tmp_path / "a.jpg")),
            target(written(tmp_path / "b.jpg")),
            target(written(tmp_path / "rgb.png", mode="RGB")),
        )
    )
    assert (
        f"error: 1 mask with width and height swapped, against its picture: {good} (4 x 3, the picture 3 x 4)" in said
    )
    assert f"error: 1 mask of a picture that EXIF turns, drawn before that: {good} (4 x 3" in said
    assert "dataset.turned=stored" in said
    assert f"error: 1 mask of another size than its picture: {good} (4 x 3, the picture 9 x 9)" in said
    assert "error: 1 mask with soft edges: many rare values between those of classes" in said
    assert f"error: 1 mask with values that no class has: {tmp_path / 'nine.png'} (9 in 12 pixels)" in said
    assert f"warning: 1 mask without a pixel of any class: all are void: {tmp_path / 'void.png'} (255)" in said
    assert f"error: 7.jpg: its mask {tmp_path / 'a.jpg'} is a JPEG" in said  # one finding for both
    assert said.count("is a JPEG") == 1
    assert f"error: 9.jpg: its mask {tmp_path / 'rgb.png'} has colours; expected numbers of classes" in said


def test_classes_that_are_in_no_mask_are_told_and_nothing_but_void_is_an_error(tmp_path):
    empty = written(tmp_path / "void.png", np.full((3, 4), 255, np.uint8))
    only = written(tmp_path / "cat.png", np.ones((3, 4), np.uint8))
    assert checked(target(written(tmp_path / "all.png"))) == []
    assert "warning: 2 of 3 classes are in no mask: ground, dog" in checked(target(only))[0]
    assert "error: none of 2 masks has a pixel of any class" in checked(target(empty), target(empty))[1]
    assert "differ only by case" in checked(target(only, Legend(("Cat", "cat"), (0, 1))))[0]


def test_a_few_classes_that_were_forgotten_are_no_soft_edges():
    mask = np.zeros((50, 50), np.uint8)
    mask[0, :4] = [3, 4, 5, 6]
    assert "values that no class has: a mask (3 in 1 pixels" in checked(target(mask))[0].replace("0.jpg: ", "")


def test_a_file_that_the_data_has_counted_is_not_read_again(tmp_path):
    counts = ((0, 6), (1, 6))
    known = target(tmp_path / "absent.png", counts=counts, drawn=(4, 3), size=(4, 3))
    assert KIND.names(known) == ("ground", "cat")
    assert KIND.words(known) == "ground 50 %, cat 50 %"
    assert checked(known) == ["warning: 1 of 3 classes are in no mask: dog nothing is learned of them; leave them "
                              "out, or correct the values of the classes"]  # fmt: skip


def test_classes_are_spread_over_a_split_and_so_are_masks_without_any(tmp_path):
    both, void = target(PIXELS), target(np.full((2, 2), 255, np.uint8))
    assert KIND.strata([both, void]) == [("all", "class ground", "class cat", "class dog"), ("all", "no class")]
    assert KIND.names(both) == LEGEND.names
    assert KIND.words(both) == "ground 40 %, cat 30 %, dog 30 %"
    assert KIND.words(void) == "void"
    assert KIND.recognise(Records("image", (Record("a", "", both),))).confidence == 1
    assert KIND.recognise(Records("image", (Record("a", "", both), Record("b", "", "cat")))) is None
    assert KIND.recognise(Records("image", ())) is None


def test_counts_are_those_of_numpy(tmp_path):
    generator = np.random.default_rng(3)
    for values in (
        generator.integers(0, 4, (31, 17)).astype(np.uint8),
        generator.integers(0, 65536, (9, 40)).astype(np.uint16),
        np.repeat(generator.integers(0, 2**24, 12), 20).reshape(12, 20).astype(np.int32),
    ):
        found, counts = np.unique(values, return_counts=True)
        assert dict(counted(values)) == dict(zip(found.tolist(), counts.tolist(), strict=True))
    one, none = count_files([written(tmp_path / "a.png", mode="P"), tmp_path / "no.png"])
    assert (one.size, one.by, none) == ((4, 3), "index", None)
    assert one.palette[1] == (200, 0, 0)


# What moves


def shifted(x, y=0.0, zoom=1.0):
    return (zoom, 0.0, x), (0.0, zoom, y), (0.0, 0.0, 1.0)


def turned(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0)


MIRROR = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
SHEAR = ((0.83, 0.25, 0.1), (-0.1, 1.31, -0.05), (0.0, 0.0, 1.0))
"""No middle of a pixel comes from an edge between two, where the order of sums in float64 would decide."""


def by_hand(mask, matrix):
    """A pixel at a time, from the meaning of the matrix: shares of the sides about the centre."""
    height, width = mask.shape
    made = np.full((height, width), VOID, np.uint8)
    for row in range(height):
        for column in range(width):
            x, y = (column + 0.5) / width - 0.5, (row + 0.5) / height - 0.5
            from_x = (matrix[0][0] * x + matrix[0][1] * y + matrix[0][2] + 0.5) * width
            from_y = (matrix[1][0] * x + matrix[1][1] * y + matrix[1][2] + 0.5) * height
            if 0 <= from_x < width and 0 <= from_y < height:
                made[row, column] = mask[int(from_y), int(from_x)]
    return made


@pytest.mark.parametrize("matrix", [turned(30), turned(-107), SHEAR, shifted(0.123, -0.31), shifted(0.1, 0.2, 0.41)])
def test_a_mask_moves_as_a_loop_over_its_pixels_says(matrix):
    mask = np.random.default_rng(0).integers(0, 5, (37, 53)).astype(np.uint8)
    found = moved(mask, matrix)
    assert found.tolist() == by_hand(mask, matrix).tolist()
    assert (found != VOID).any()


def test_mirrors_quarter_turns_and_shifts_by_whole_pixels_are_exact_and_bring_void_in():
    mask = np.random.default_rng(1).integers(0, 5, (48, 48)).astype(np.uint8)
    assert moved(mask, MIRROR).tolist() == mask[:, ::-1].tolist()
    assert moved(mask, turned(90)).tolist() in (np.rot90(mask).tolist(), np.rot90(mask, -1).tolist())
    right = moved(mask, shifted(-6 / 48))
    assert right[:, 6:].tolist() == mask[:, :-6].tolist()
    assert (right[:, :6] == VOID).all()
    quarter = moved(mask, shifted(-0.25, -0.25, 0.5))
    assert quarter.tolist() == mask[:24, :24].repeat(2, 0).repeat(2, 1).tolist()


@pytest.mark.parametrize("matrices", [[turned(30)], [turned(-75), MIRROR], [SHEAR], [shifted(0.2, 0.1), turned(12)]])
def test_a_mask_stays_on_its_picture(matrices):
    """The picture is white where the mask is 1, and both are moved by what the augmentation drew."""
    mask = np.zeros((120, 160), np.uint8)
    mask[40:90, 50:120] = 1
    whole = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    for matrix in matrices:
        whole = after(whole, matrix)
    changes = [Change("matrix", matrix) for matrix in matrices]
    found = KIND.transform({"mask": mask}, [changes[0], Change("hue", 0.1), *changes[1:]], {})["mask"]
    picture = warped(np.repeat(mask[..., None] * np.uint8(255), 3, 2), whole)[..., 0]
    sure = (picture == 0) | (picture == 255)
    assert sure.mean() > 0.95
    inside = found != VOID
    assert ((picture[sure & inside] == 255) == (found[sure & inside] == 1)).all()
    assert (found == 1).sum() > 1000


def test_colours_and_what_is_erased_leave_a_mask_alone():
    given = {"mask": PIXELS, "other": np.zeros(1)}
    erased = Change("erase", ((-0.5, -0.5, 0.5, 0.5), "mean", 1))
    assert KIND.transform(given, [Change("brightness", 2.0), erased], {}) is given


# Polygons and run lengths


def test_polygons_are_those_of_pycocotools():
    masks = pytest.importorskip("pycocotools.mask")
    generator = np.random.default_rng(0)
    for number in range(300):
        width, height, count = (int(generator.integers(low, high)) for low, high in ((1, 70), (1, 70), (3, 12)))
        points = generator.uniform(-20, 90, (count, 2))
        if number % 3 == 0:
            points = np.round(points * 2) / 2
        if number % 5 == 0:
            points = points.repeat(2, 0)
        expected = masks.decode(masks.frPyObjects([points.ravel().tolist()], height, width))[..., 0]
        assert np.array_equal(polygon_mask(points, width, height), expected.astype(bool))


def test_a_square_is_its_own_pixels_where_drawing_programs_take_one_more():
    square = np.array([[10.0, 10], [20, 10], [20, 20], [10, 20]])
    found = polygon_mask(square, 40, 30)
    assert found.sum() == found[10:20, 10:20].sum() == 100
    drawn = Image.new("1", (40, 30))
    ImageDraw.Draw(drawn).polygon([tuple(each) for each in square], fill=1)
    assert np.asarray(drawn).sum() == 121


def test_run_lengths_are_those_of_pycocotools_compressed_or_not():
    masks = pytest.importorskip("pycocotools.mask")
    generator = np.random.default_rng(0)
    for _ in range(100):
        width, height = (int(each) for each in generator.integers(1, 50, 2))
        expected = generator.random((height, width)) < generator.random()
        text = masks.encode(np.asfortranarray(expected.astype(np.uint8)))["counts"]
        assert np.array_equal(run_length_mask(run_lengths(text.decode()), width, height), expected)
        flat = np.concatenate([[0], expected.T.ravel(), [2]])  # runs begin with those of nothing
        plain = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat[:-1])), [expected.size]])).tolist()
        assert np.array_equal(run_length_mask(run_lengths(plain), width, height), expected)
    for wrong in ("abc", "1z~", [1.5], [[1]]):
        with pytest.raises(ValueError, match="counts"):
            run_length_mask(run_lengths(wrong), 2, 2)
    for wrong in ([5], [-1, 5], [2**62] * 4 + [4], "o" * 8 + "0"):  # of which four wrap round to 0
        with pytest.raises(ValueError, match=r"expected 2 x 2|no run of a picture"):
            run_length_mask(run_lengths(wrong), 2, 2)


@pytest.mark.parametrize("far", [1e7, 1e300, float("nan")])
def test_a_polygon_far_outside_of_its_picture_is_refused_before_it_takes_memory(far):
    with pytest.raises(ValueError, match=r"the point \[.*, 0.0\], far outside of its picture of 60 x 40 pixels"):
        polygon_mask(np.array([[0, 0], [far, 0], [0, 10.0]]), 60, 40)


def test_smaller_shapes_lie_on_top_and_crowds_are_void_where_nothing_else_is():
    def square(name, left, top, side, **more):
        corners = [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
        return Shape(name, (np.array(corners, float),), **more)

    shapes = (square("cat", 1, 1, 2), square("dog", 0, 0, 4), square("dog", 3, 0, 3, crowd=True))
    drawn = Described(legend=LEGEND, shapes=shapes, ground="ground", drawn=(7, 5), size=(7, 5))
    mask = KIND.read(drawn.target(), "a")
    assert mask.classes.tolist() == [
        [2, 2, 2, 2, VOID, VOID, 0],
        [2, 1, 1, 2, VOID, VOID, 0],
        [2, 1, 1, 2, VOID, VOID, 0],
        [2, 2, 2, 2, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    assert KIND.names(drawn.target()) == ("ground", "cat", "dog")
    assert KIND.words(drawn.target()) == "1 cat, 1 dog"
    bare = Described(legend=LEGEND, shapes=shapes[:1], drawn=(3, 3)).target()
    assert KIND.read(bare, "a").classes.tolist() == [[VOID] * 3, [VOID, 1, 1], [VOID, 1, 1]]
    assert KIND.names(bare) == ("cat",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shapes": ({"name": "cat"},)}, "a.jpg: shape 1 has neither polygons nor counts"),
        ({"shapes": ({"name": "owl", "counts": [4]},)}, "a.jpg: shapes of the class 'owl'"),
        ({"shapes": ({"name": "cat", "polygons": (np.zeros((2, 2)),)},)}, "polygon of 2 points"),
        ({"shapes": ({"name": "cat", "polygons": (np.full((3, 2), np.nan),)},)}, "not finite"),
        ({"shapes": ({"name": "cat", "counts": [3]},), "drawn": (2, 2)}, r"shape 1 \(cat\): its runs sum up to 3"),
        ({"legend": {"names": ("a", "a2"), "values": (1,)}}, "the legend of its mask is wrong"),
        ({"mask": np.zeros((2, 2))}, "its mask is float64 of shape"),
        ({"colour": 3}, "this is no mask: "),
    ],
)
def test_what_is_no_mask_is_refused_by_name(change, said):
    given = {"legend": LEGEND.target(), **({} if "shapes" in change else {"mask": PIXELS}), **change}
    with pytest.raises(DataError, match=said):
        KIND.read(given, "a.jpg")


def test_more_classes_than_a_byte_holds_are_refused():
    names = tuple(map(str, range(255)))
    with pytest.raises(DataError, match="255 classes; expected 1 to 254"):
        KIND.read({"mask": PIXELS, "legend": {"names": names, "values": tuple(range(255)), "void": (300,)}}, "a")


def test_a_lossless_copy_in_memory_is_what_examples_are():
    """With them the contract kit trains heads: no file, four classes, void in some."""
    values = [KIND.read(each, "a") for each in KIND.examples(12)]
    assert {tuple(np.unique(each.classes)) for each in values} >= {(0, 1, 2), (0, 1, 2, 255)}
    assert {place for each in values for place in np.unique(each.classes)} == {0, 1, 2, 3, VOID}
    stream = io.BytesIO()
    Image.fromarray(values[0].classes).save(stream, "PNG")
    assert np.array_equal(np.asarray(Image.open(stream)), values[0].classes)
