"""Scenes that are composed of stamps: discs of one colour a class here, so that pixels tell what is whose."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from headstart.data.made import stored_folder
from headstart.errors import UsageError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, MakeRequest
from headstart_plugins._draws import numbers
from headstart_plugins._made_sets.options import SceneOptions
from headstart_plugins._made_sets.scenes import LABELS, compose, make
from headstart_plugins._made_sets.stamps import FOLDERS, INSIDE, find_stamps, sides_of
from headstart_plugins.detection_sets._scenes import build

from ...debian import debian_package

OPTIONS = SceneOptions(scenes=12, size=128)
COLOURS = {label: (255, 20 * place, 255 - 30 * place) for place, label in enumerate(LABELS)}


@pytest.fixture(scope="module")
def stamps(tmp_path_factory):
    """A folder of seven discs a class, in a margin that is transparent."""
    folder = tmp_path_factory.mktemp("stamps")
    for label, below in FOLDERS.items():
        place = folder / below / "deeper"
        place.mkdir(parents=True)
        for number in range(7):
            picture = Image.new("RGBA", (100, 90), (0, 0, 0, 0))
            ImageDraw.Draw(picture).ellipse((20, 10, 80, 70), fill=(*COLOURS[label], 255))
            picture.save(place / f"{number}.png")
    (folder / "people").mkdir()
    Image.new("RGBA", (9, 9), "red").save(folder / "people" / "other.png")
    return folder


def made(folder, source, options=OPTIONS):
    folder.mkdir()
    make(MakeRequest(folder, source, options))
    return folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_seeds_give_equal_bytes_and_another_seed_other_pictures(stamps, tmp_path):
    first = contents(made(tmp_path / "a", stamps))
    assert first == contents(made(tmp_path / "b", stamps))
    other = contents(made(tmp_path / "c", stamps, replace(OPTIONS, seed=1)))
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first if not name.endswith("classes.txt"))


def test_boxes_and_areas_are_those_of_the_masks_and_of_the_pixels(stamps):
    """Found again from the colours of the picture alone."""
    found = 0
    for number in range(8):
        scene = compose(sides_of(find_stamps(stamps))["train"], OPTIONS, numbers("test", 0, number, "k"))
        pixels = np.asarray(scene.picture)
        for place, label in enumerate(LABELS, start=1):
            own = [box for box in scene.boxes if box.label == label]
            assert (scene.mask == place).sum() == sum(box.area for box in own)
            shining = np.abs(pixels.astype(int) - COLOURS[label]).max(axis=2) <= 2
            if len(own) == 1 and own[0].area > 400:
                rows, columns = np.nonzero(shining & (scene.mask == place))
                seen = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                assert np.abs(np.subtract(own[0].corners, seen)).max() <= 2  # an edge's pixel is half transparent
                assert shining[scene.mask == place].mean() > 0.6
                found += 1
    assert found >= 5


@pytest.mark.parametrize("kept", [1.0, 0.3])
def test_what_stays_visible_of_a_stamp_is_at_least_what_was_asked_for(stamps, kept):
    """Of a disc that is whole the box is filled by pi / 4, of one that is cut off it is not a square."""
    options, discs = SceneOptions(size=128, most=30, kept=kept), sides_of(find_stamps(stamps))["train"]
    scenes = [compose(discs, options, numbers("test", 1, number, "k")) for number in range(4)]
    boxes = [box for scene in scenes for box in scene.boxes if box.area > 200]
    sides = np.array([np.subtract(box.corners[2:], box.corners[:2]) for box in boxes])
    round_ = (np.abs(sides[:, 0] - sides[:, 1]) <= 2) & (
        np.abs([box.area for box in boxes] / sides.prod(axis=1) - np.pi / 4) < 0.05
    )
    assert len(boxes) > 10
    assert round_.all() if kept == 1.0 else not round_.all()


def test_no_stamp_is_on_two_sides_and_records_have_the_side_that_they_were_made_for(stamps, tmp_path):
    folder = made(tmp_path / "made", stamps)
    used = {
        side: set(json.loads((folder / "annotations" / f"instances_{side}.json").read_text())["info"]["stamps"])
        for side in ("train", "val", "test")
    }
    assert {side: len(own) for side, own in used.items()} == {"train": 3 * 8, "val": 2 * 8, "test": 2 * 8}
    assert len(set.union(*used.values())) == 7 * 8
    records = build(DatasetRequest(None, None, made=folder))
    assert [item.split for item in records.items] == ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    assert records.targets == "boxes/boxes"
    for item in records.items:
        target, mask = item.target, Image.open(folder / "masks" / item.key.replace(".jpg", ".png"))
        assert Image.open(item.payload).size == mask.size == (128, 128)
        assert mask.mode == "P"
        assert len(target["corners"]) == len(target["classes"]) == len(target["areas"]) >= 1
        assert np.count_nonzero(mask) == sum(target["areas"])


def test_a_debian_package_is_read_in_place_and_gives_the_same_as_its_folder(stamps, tmp_path):
    files = {f"./{INSIDE}{path.relative_to(stamps)}": path.read_bytes() for path in sorted(stamps.rglob("*.png"))}
    package = debian_package(tmp_path / "stamps.deb", files)
    (own, given) = (find_stamps(source) for source in (stamps, package))
    assert [(each.label, each.path) for each in own] == [(each.label, each.path) for each in given]
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(own, given, strict=True))
    assert own[0].pixels.shape == (61, 61, 4)
    package.write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"stamps\.deb is no Debian package"):
        find_stamps(package)
    with pytest.raises(UsageError, match=r"has 0 stamps in animals/birds; expected 6 at least"):
        find_stamps(tmp_path)


def test_the_real_scenes_where_they_are_made():
    folder = stored_folder(load_registry().get("datasets", "stamp_scenes"))
    if not folder.is_dir():
        pytest.skip("stamp_scenes is not made on this machine")
    items = build(DatasetRequest(None, None, made=folder)).items
    assert {name for item in items for name in item.target["classes"]} == set(LABELS)
    areas = np.concatenate([item.target["areas"] for item in items])
    assert all((np.digitize(areas, [32**2, 96**2]) == size).mean() > 0.05 for size in range(3))
