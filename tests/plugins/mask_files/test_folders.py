"""Folders of pictures and masks, and tables of both, as people have them."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from headstart.errors import DataError, UsageError
from headstart_plugins._mask import VOID

from .made import mask, opened, picture, read, text, told

SETS = {
    "side by side": ("images/{}.jpg", "masks/{}.png"),
    "by other names": ("photos/{}.jpg", "Ground-Truth/{}_mask.png"),
    "as Carvana has them": ("train/{}.jpg", "train_masks/{}_mask.png"),
    "sides above": ("train/images/{}.jpg", "train/masks/{}.png"),
    "sides below": ("images/train/{}.jpg", "labels/train/{}.png"),
    "sides around pictures alone": ("train/{}.jpg", "masks/train/{}.png"),
    "as CamVid has them": ("train/{}.png", "trainannot/{}.png"),
    "as Pets have them": ("images/{}.jpg", "annotations/trimaps/{}.png"),
    "in groups": ("images/north/{}.jpg", "masks/north/{}.png"),
}


@pytest.mark.parametrize("name", SETS)
def test_masks_are_found_beside_their_pictures_and_by_nothing_else_than_their_names(name, tmp_path):
    photo, drawn = SETS[name]
    for number in range(3):
        picture(tmp_path / photo.format(number))
        mask(tmp_path / drawn.format(number), [number, 1])
    records = opened(tmp_path)
    assert [each.key for each in records.items] == [photo.format(number) for number in range(3)]
    assert {each.split for each in records.items} == {"train" if "train" in photo else None}
    assert records.targets == "masks/mask"
    found = read(records)
    for number in range(3):
        assert found[photo.format(number)].classes.tolist() == [[number, 1] * 3] * 4
        assert found[photo.format(number)].names == ("0", "1", "2")
    assert "warning: nothing names the classes, so they are called by their values: 0, 1, 2" in told(records)
    assert [each.key for each in opened(tmp_path, labelled=False).items] == [each.key for each in records.items]


def test_the_same_names_in_groups_are_kept_apart_and_sides_that_nobody_annotated_are_left_out(tmp_path):
    for side, place in (("train", 0), ("val", 1)):
        picture(tmp_path / side / "images" / "a.jpg")
        mask(tmp_path / side / "masks" / "a.png", [place])
    picture(tmp_path / "test" / "images" / "b.jpg")
    records = opened(tmp_path)
    assert [(each.key, each.split) for each in records.items] == [
        ("train/images/a.jpg", "train"),
        ("val/images/a.jpg", "val"),
    ]
    assert [each.classes[0, 0] for each in read(records).values()] == [0, 1]
    assert "1 pictures of test, where there are no masks, such as test/images/b.jpg" in told(records)


def test_pictures_without_masks_and_masks_without_pictures_are_named(tmp_path):
    for name in ("a", "b", "c"):
        picture(tmp_path / "images" / f"{name}.jpg")
    for name in ("a", "b", "z"):
        mask(tmp_path / "masks" / f"{name}.png")
    said = told(opened(tmp_path, targets="masks/mask"))
    assert "error: 1 picture without a mask: images/c.jpg" in said
    assert "warning: 1 mask without a picture: masks/z.png" in said
    left = opened(tmp_path, targets="masks/mask", unmasked="drop")
    assert "images/c.jpg: no mask" in told(left)
    assert "error" not in told(left)
    mask(tmp_path / "masks" / "more" / "a.png")
    mask(tmp_path / "masks" / "a_mask.png")
    with pytest.raises(DataError, match=r"images/a.jpg: 2 masks could be its own: masks/a.png, masks/a_mask.png"):
        opened(tmp_path, targets="masks/mask")


def test_folders_are_named_where_nothing_tells_them(tmp_path):
    picture(tmp_path / "left" / "a.jpg")
    mask(tmp_path / "right" / "a.png")
    records = opened(tmp_path, "masks", images="left", masks="right")
    assert [each.key for each in records.items] == ["left/a.jpg"]
    with pytest.raises(DataError, match="no folder of masks") as caught:
        opened(tmp_path, "masks")
    assert "dataset.images and dataset.masks name other folders" in caught.value.hint
    with pytest.raises(UsageError, match="no such folder"):
        opened(tmp_path, "masks", masks="wrong")


def test_masks_beside_pictures_are_taken_where_masks_are_asked_for(tmp_path):
    picture(tmp_path / "patient" / "a_1.tif")
    mask(tmp_path / "patient" / "a_1_mask.tif")
    assert [each.key for each in opened(tmp_path, targets="masks/mask").items] == ["patient/a_1.tif"]


# What values mean


def set_of(folder, *values, palette=None, names=None):
    for number, each in enumerate(values):
        picture(folder / "images" / f"{number}.jpg")
        mask(folder / "masks" / f"{number}.png", each, palette=palette)
    if names:
        text(folder / "masks" / "classes.txt", *names)
    return folder


def legend_of(records):
    target = records.items[0].target
    return target["legend"]


def test_a_file_beside_the_masks_names_their_classes_and_a_palette_is_kept(tmp_path):
    palette = [1, 2, 3, 200, 0, 0, 0, 0, 200]
    records = opened(set_of(tmp_path, [0, 1, 255], [2], palette=palette, names=("sky", "road", "car")))
    found = read(records)["images/0.jpg"]
    assert found.names == ("sky", "road", "car")
    assert found.colours == ((1, 2, 3), (200, 0, 0), (0, 0, 200))
    assert found.classes[0].tolist() == [0, 1, VOID, 0, 1, VOID]
    assert told(records) == ""
    said = told(opened(tmp_path, classes=("sky", "road")))
    assert f"error: 1 mask with values that no class has: {tmp_path / 'masks/1.png'} (2 in 24 pixels)" in said
    assert "--set dataset.unknown=void" in said
    rest = opened(tmp_path, classes=("sky", "road"), unknown="void")
    assert (read(rest)["images/1.jpg"].classes == VOID).all()
    fewer = opened(tmp_path, classes=("sky", "road"), faulty="drop")
    assert [each.key for each in fewer.items] == ["images/0.jpg"]
    assert "a mask with values that no class has" in told(fewer)


def test_values_stand_before_names_or_are_given_and_names_of_void_are_void(tmp_path):
    set_of(tmp_path, [7, 11, 3], names=("7 road", "11 sky", "3 ignore"))
    records = opened(tmp_path)
    assert (legend_of(records)["names"], legend_of(records)["values"]) == (("road", "sky"), (7, 11))
    assert read(records)["images/0.jpg"].classes[0, :3].tolist() == [0, 1, VOID]
    assert "ignore, by masks/classes.txt, is taken as void, and is no class" in told(records)
    other = opened(tmp_path, classes=("a", "b", "c"), values=(3, 7, 11), void=())
    assert read(other)["images/0.jpg"].classes[0, :3].tolist() == [1, 2, 0]
    with pytest.raises(UsageError, match="1 values and 2 classes"):
        opened(tmp_path, classes=("a", "b"), values=(1,))
    with pytest.raises(DataError, match="3 is both void and the class 'a'"):
        opened(tmp_path, classes=("a", "b", "c"), values=(3, 7, 11), void=3)
    text(tmp_path / "masks" / "classes.txt", "__ignore__", "_background_", "thing")
    assert legend_of(opened(tmp_path, unknown="void"))["names"] == ("_background_", "thing")


def test_black_and_white_masks_are_two_classes_unless_white_is_said_to_be_void(tmp_path):
    set_of(tmp_path, [0, 255], [0])
    records = opened(tmp_path)
    assert legend_of(records)["values"] == (0, 255)
    assert "warning: the masks hold 0 and 255 alone, which are read as the classes '0' and '255'" in told(records)
    named = opened(tmp_path, classes=("ground", "thing"))
    assert read(named)["images/0.jpg"].classes[0].tolist() == [0, 1] * 3
    void = opened(tmp_path, classes=("ground",), void=255)
    assert read(void)["images/0.jpg"].classes[0].tolist() == [0, VOID] * 3


@pytest.mark.parametrize("greys", [(64, 128, 191), tuple(range(8, 250, 11))])
def test_black_and_white_masks_with_soft_edges_are_two_classes_and_white_is_never_silently_void(greys, tmp_path):
    drawn = np.zeros((40, 60), np.uint8)
    drawn[10:30, 10:40] = 255
    drawn[10, 10 : 10 + len(greys)] = greys
    for number in range(2):
        picture(tmp_path / "images" / f"{number}.jpg", (60, 40))
        mask(tmp_path / "masks" / f"{number}.png", drawn)
    for options in ({}, {"classes": ("ground", "thing")}):
        records = opened(tmp_path, **options)
        assert legend_of(records)["values"] == (0, 255)
        assert "warning: the masks hold 0 and 255 and few pixels between, which are read as the" in told(records)
        assert "error: 2 masks with" in told(records)
        assert "dataset.unknown=void" in told(records)
        followed = opened(tmp_path, unknown="void", **options)
        assert "error" not in told(followed)
        found = read(followed)["images/0.jpg"].classes
        assert [np.count_nonzero(found == value) for value in (0, 1, VOID)] == [1800, 600 - len(greys), len(greys)]
    more = told(opened(tmp_path, classes=("ground", "thing", "other"), unknown="void"))
    assert "error: the masks hold no class but 'ground', and 255 in 24" in more
    assert "dataset.values=[0, 255]" in more
    said = opened(tmp_path, classes=("ground", "thing", "other"), unknown="void", void=255)
    assert "error" not in told(said)


def test_small_numbers_beside_255_are_classes_however_few_their_pixels(tmp_path):
    drawn = np.zeros((40, 60), np.uint8)
    drawn[0, :8] = np.arange(1, 9)
    drawn[1] = 255
    picture(tmp_path / "images" / "a.jpg", (60, 40))
    mask(tmp_path / "masks" / "a.png", drawn)
    assert legend_of(opened(tmp_path))["values"] == tuple(range(9))


def test_soft_edges_are_no_classes_and_their_files_are_named(tmp_path):
    large = Image.new("L", (800, 800))
    ImageDraw.Draw(large).ellipse((60, 100, 700, 730), fill=200)
    for number, scale in enumerate((Image.Resampling.NEAREST, Image.Resampling.BILINEAR)):
        picture(tmp_path / "images" / f"{number}.jpg", (200, 200))
        (tmp_path / "masks").mkdir(exist_ok=True)
        large.resize((200, 200), scale).save(tmp_path / "masks" / f"{number}.png")
    records = opened(tmp_path)
    assert legend_of(records)["names"] == ("0", "200")
    said = told(records)
    assert "error: 1 mask with soft edges" in said
    assert f"{tmp_path / 'masks/1.png'} (" in said
    assert "dataset.unknown=void" in said


def test_masks_that_say_no_class_are_told_with_the_reason_of_the_first(tmp_path):
    for number in range(2):
        picture(tmp_path / "images" / f"{number}.jpg")
        picture(tmp_path / "masks" / f"{number}.jpg")
    with pytest.raises(DataError, match=r"nothing names the classes.*its mask .*masks/0\.jpg is a JPEG") as caught:
        opened(tmp_path)
    assert "write masks as PNG" in caught.value.hint
    void = set_of(tmp_path / "void", [7])
    with pytest.raises(DataError, match="nothing names the classes, and no mask says any: all are void"):
        opened(void, void=7)


def test_more_values_than_classes_can_be_are_refused(tmp_path):
    picture(tmp_path / "images" / "a.jpg", (32, 16))
    mask(tmp_path / "masks" / "a.png", np.arange(512).reshape(16, 32) // 2)
    with pytest.raises(DataError, match="256 classes; expected 1 to 254"):
        opened(tmp_path, void=())


TABLE = ("name,r,g,b", "road,128,64,128", "sky,0,0,255", "Void,0,0,0")
COLOURED = np.array([[[128, 64, 128], [0, 0, 255], [0, 0, 0]]] * 2, np.uint8)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("class_dict.csv", TABLE),
        ("label_colors.txt", ("128 64 128\troad", "0 0 255\tsky", "0 0 0\tVoid")),
        ("labelmap.txt", ("# label:color_rgb:parts:actions", "road:128,64,128::", "sky:0,0,255::", "Void:0,0,0::")),
        ("colours.txt", ("road #804080", "sky #0000FF", "Void #000000")),
    ],
)
def test_masks_of_colours_are_told_by_a_table_beside_them(name, lines, tmp_path):
    picture(tmp_path / "images" / "a.jpg", (3, 2))
    mask(tmp_path / "masks" / "a.png", COLOURED)
    text(tmp_path / name, *lines)
    records = opened(tmp_path)
    found = read(records)["images/a.jpg"]
    assert (found.names, found.colours) == (("road", "sky"), ((128, 64, 128), (0, 0, 255)))
    assert found.classes.tolist() == [[0, 1, VOID]] * 2
    assert f"masks have colours, which are told by {name}" in told(records)


def test_colours_that_nothing_explains_or_the_table_lacks_are_named(tmp_path):
    picture(tmp_path / "images" / "a.jpg", (3, 2))
    mask(tmp_path / "masks" / "a.png", COLOURED)
    with pytest.raises(DataError, match="masks have colours, #000000, #0000ff, #804080, and nothing says") as caught:
        opened(tmp_path)
    assert "dataset.colours=FILE" in caught.value.hint
    said = told(opened(tmp_path, classes=("road", "sky")))
    assert f"its mask {tmp_path / 'masks/a.png'} has colours; expected numbers of classes" in said
    text(tmp_path / "some.csv", *TABLE[:3])
    said = told(opened(tmp_path, colours="some.csv"))
    assert f"mask with values that no class has: {tmp_path / 'masks/a.png'} (#000000 in 2 pixels)" in said
    black = opened(tmp_path, colours="some.csv", void=0)
    assert read(black)["images/a.jpg"].classes.tolist() == [[0, 1, VOID]] * 2
    text(tmp_path / "wrong.csv", "road,128,64,128", "sky,0,0,300")
    with pytest.raises(DataError, match="line 2 is 'sky,0,0,300'; expected a class and its colour"):
        opened(tmp_path, colours="wrong.csv")
    text(tmp_path / "twice.csv", "road,1,2,3", "sky,1,2,3")
    with pytest.raises(DataError, match="line 2: 'sky' has the colour of 'road'"):
        opened(tmp_path, colours="twice.csv")
    with pytest.raises(UsageError, match=r"both dataset\.colours and"):
        opened(tmp_path, colours="some.csv", classes=("a",))


def test_palettes_that_differ_are_told_and_count_where_colours_are_asked_for(tmp_path):
    """As programs leave them that write the colours which a picture has, in their order."""
    for name, order in (("a", ("red", "blue")), ("b", ("blue", "red"))):
        picture(tmp_path / "images" / f"{name}.jpg")
        colours = {"red": (255, 0, 0), "blue": (0, 0, 255)}
        mask(tmp_path / "masks" / f"{name}.png", [0, 1], palette=[v for each in order for v in colours[each]])
    records = opened(tmp_path)
    assert "warning: palettes of the masks differ: 0 (0) has the colours #ff0000, #0000ff" in told(records)
    text(tmp_path / "table.txt", "warm #ff0000", "cold #0000ff")
    by_colour = read(opened(tmp_path, colours="table.txt"))
    assert [each.classes[0, 0] for each in by_colour.values()] == [0, 1]
    assert "palettes" not in told(opened(tmp_path, colours="table.txt"))


# Sizes


def test_masks_of_other_sizes_are_named_and_can_be_left_out(tmp_path):
    for name, size in (("a", (6, 4)), ("b", (4, 6)), ("c", (9, 9))):
        picture(tmp_path / "images" / f"{name}.jpg")
        mask(tmp_path / "masks" / f"{name}.png", size=size)
    records = opened(tmp_path, classes=("x", "y"))
    said = told(records)
    assert f"with width and height swapped, against its picture: {tmp_path / 'masks/b.png'} (4 x 6, the" in said
    assert (
        f"error: 1 mask of another size than its picture: {tmp_path / 'masks/c.png'} (9 x 9, the picture 6 x 4)" in said
    )
    fewer = opened(tmp_path, classes=("x", "y"), faulty="drop")
    assert [each.key for each in fewer.items] == ["images/a.jpg"]
    assert "error" not in told(fewer)


def test_a_mask_is_that_of_the_upright_picture_unless_it_is_said_to_be_of_the_stored_one(tmp_path):
    stored = np.arange(24).reshape(4, 6) % 3
    for orientation in (1, 3, 6):
        picture(tmp_path / "images" / f"{orientation}.jpg", orientation=orientation)
        mask(tmp_path / "masks" / f"{orientation}.png", stored)
    records = opened(tmp_path, classes=("x", "y", "z"))
    said = told(records)
    assert (
        f"of a picture that EXIF turns, drawn before that: {tmp_path / 'masks/6.png'} (6 x 4, the picture 4 x 6" in said
    )
    assert "--set dataset.turned=stored turns such masks along" in said
    assert "warning: 1 picture that EXIF turns or mirrors, with a mask that does not tell by its size" in said
    along = opened(tmp_path, classes=("x", "y", "z"), turned="stored")
    assert told(along) == ""
    found = read(along)
    assert found["images/1.jpg"].classes.tolist() == stored.tolist()
    assert found["images/3.jpg"].classes.tolist() == np.rot90(stored, 2).tolist()
    assert found["images/6.jpg"].classes.tolist() == np.rot90(stored, -1).tolist()
    mask(tmp_path / "masks" / "6.png", np.rot90(stored, -1))  # one that is upright already stays so
    assert read(opened(tmp_path, turned="stored"))["images/6.jpg"].classes.tolist() == np.rot90(stored, -1).tolist()
    sure = told(opened(tmp_path, classes=("x", "y", "z"), turned="upright"))
    assert sure == ""


# Tables


def test_a_table_has_a_picture_and_its_mask_a_row(tmp_path):
    for number in range(4):
        picture(tmp_path / "p" / f"{number}.jpg")
        mask(tmp_path / "m" / f"{number}-drawn.png", [number % 2, 2])
    rows = [
        f"p/{number}.jpg,m/{number}-drawn.png,{'test' if number == 3 else 'train'},g{number}" for number in range(4)
    ]
    table = text(tmp_path / "set.csv", "path,mask,split,group", *rows)
    text(tmp_path / "classes.txt", "a", "b", "c")
    records = opened(table)
    assert [(each.key, each.split, each.group) for each in records.items][-1] == ("p/3.jpg", "test", "g3")
    assert read(records)["p/1.jpg"].classes[0, :2].tolist() == [1, 2]
    assert read(records)["p/1.jpg"].names == ("a", "b", "c")
    assert [each.key for each in opened(table, labelled=False).items] == [f"p/{number}.jpg" for number in range(4)]
    lines = [json.dumps({"image": f"{number}.jpg", "mask": f"{number}-drawn.png"}) for number in range(4)]
    moved = opened(text(tmp_path / "set.jsonl", *lines))
    assert [each.payload for each in moved.items] == [tmp_path / "p" / f"{number}.jpg" for number in range(4)]
    assert read(moved)["3.jpg"].classes[0, 0] == 1


def test_rows_of_a_table_that_lack_something_are_named(tmp_path):
    picture(tmp_path / "a.jpg")
    mask(tmp_path / "a.png")
    table = tmp_path / "t.csv"

    def said(*lines, **options):
        text(table, *lines)
        with pytest.raises(DataError) as caught:
            opened(table, "masks", **options)
        return caught.value.message

    assert "row 3: no mask" in said("path,mask", "a.jpg,a.png", "b.jpg,")
    assert "row 3: 'a.jpg' is already listed in row 2" in said("path,mask", "a.jpg,a.png", "a.jpg,a.png")
    assert "row 2: split is 'first'" in said("path,mask,split", "a.jpg,a.png,first")
    assert "no column called mask; found 'path', 'class'" in said("path,class", "a.jpg,x")
    assert "no column drawn; found 'path', 'mask'" in said("path,mask", "a.jpg,a.png", mask_column="drawn")
    text(table, "path,mask", "a.jpg,absent.png")
    assert f"a.jpg: its mask {tmp_path / 'absent.png'} cannot be read" in told(opened(table, classes=("x",)))
