"""Pascal VOC's layout."""

import pytest

from headstart.errors import DataError
from headstart_plugins._mask import VOID

from .made import mask, opened, picture, read, text, told


@pytest.fixture
def voc(tmp_path):
    home = tmp_path / "VOCdevkit" / "VOC2012"
    for number in range(5):
        picture(home / "JPEGImages" / f"2007_{number}.jpg")
    for number in range(4):
        mask(home / "SegmentationClass" / f"2007_{number}.png", [0, 15, 255], palette=[0, 0, 0, 128, 0, 0])
        mask(home / "SegmentationObject" / f"2007_{number}.png", [0, 1, 255], palette=[0, 0, 0, 128, 0, 0])
    text(home / "ImageSets" / "Segmentation" / "train.txt", "2007_0", "2007_1")
    text(home / "ImageSets" / "Segmentation" / "val.txt", "2007_2")
    text(home / "ImageSets" / "Segmentation" / "trainval.txt", "2007_0", "2007_1", "2007_2")
    return home


def test_classes_are_the_21_of_voc_and_the_border_is_void(voc, tmp_path):
    records = opened(tmp_path)
    assert [(each.key.rpartition("/")[2], each.split) for each in records.items] == [
        ("2007_0.jpg", "train"),
        ("2007_1.jpg", "train"),
        ("2007_2.jpg", "val"),
    ]
    found = read(records)[records.items[0].key]
    assert (len(found.names), found.names[15]) == (21, "person")
    assert found.classes[0, :3].tolist() == [0, 15, VOID]
    assert found.colours[1] == (128, 0, 0)
    said = told(records)
    assert "nothing names the classes, so they are the 21 of Pascal VOC" in said
    assert "1 pictures without a mask, such as VOCdevkit/VOC2012/JPEGImages/2007_4.jpg" in said
    assert (
        "1 picture on no side of the split that the data gives, such as VOCdevkit/VOC2012/JPEGImages/2007_3.jpg" in said
    )


def test_classes_of_its_own_are_named_by_a_file(voc):
    text(voc / "class_names.txt", "__ignore__", *(f"c{number}" for number in range(16)))
    assert read(opened(voc))["JPEGImages/2007_0.jpg"].names[15] == "c15"


def test_masks_of_several_years_are_not_mixed(voc):
    other = voc.with_name("VOC2007")
    picture(other / "JPEGImages" / "a.jpg")
    mask(other / "SegmentationClass" / "a.png")
    with pytest.raises(DataError, match="masks of Pascal VOC in several folders: VOC2007, VOC2012"):
        opened(voc.parent)
    assert len(opened(other).items) == 1
