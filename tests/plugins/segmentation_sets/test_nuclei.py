"""One picture of nuclei in tiles, held out by region."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from headstart.data.made import stored_folder
from headstart.data.targets import build_target_kind
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins.segmentation_sets import NucleiOptions
from headstart_plugins.segmentation_sets._nuclei import (
    INSTANCES,
    PICTURE,
    REGIONS,
    build,
    classes_of,
    read_array,
    write_tiles,
)


@pytest.fixture(scope="module")
def registry():
    return load_registry()


def drawn():
    """Noise of the picture's size, and squares of 20 pixels with a number each, two of which touch."""
    generator = np.random.default_rng(0)
    pixels, instances = generator.integers(0, 256, (512, 512)).astype(np.uint8), np.zeros((512, 512), np.uint16)
    places = [(top, left) for top in range(10, 490, 60) for left in range(10, 490, 60)]
    for number, (top, left) in enumerate(places, start=1):
        instances[top : top + 20, left : left + 20] = number
    instances[10:30, 30:50] = len(places) + 1
    return pixels, instances


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nuclei")
    write_tiles(folder, *drawn(), NucleiOptions(border=1))
    return folder


def test_tiles_are_the_picture_and_no_pixel_is_on_two_sides(made):
    pixels, instances = drawn()
    covered = {}
    for side in REGIONS:
        seen = np.zeros((512, 512), bool)
        for file in sorted((made / side).iterdir()):
            left, top = map(int, file.stem.split("-"))
            tile, mask = (np.asarray(Image.open(place)) for place in (file, made / "masks" / side / file.name))
            inside = slice(top, top + tile.shape[0]), slice(left, left + tile.shape[1])
            assert np.array_equal(tile, pixels[inside])
            assert np.array_equal(mask > 0, (instances[inside] > 0) | (mask == 2))
            seen[inside] = True
        covered[side] = seen
    assert (sum(covered.values()) == 1).all()  # all of it, each pixel on one side
    assert json.loads((made / "about.json").read_text())["nuclei"] == 65


def test_records_have_masks_of_named_classes_on_the_side_of_their_region(made, registry):
    records = build(DatasetRequest(None, None, made=made))
    kind = build_target_kind(registry, records.targets)
    assert {item.split for item in records.items} == {"train", "val", "test"}
    assert list(kind.check(records.items)) == []
    value = kind.read(records.items[0].target, records.items[0].key)
    assert value.names == ("background", "nucleus", "border")
    assert value.colours[0] == (0, 0, 0)
    assert value.classes.shape == (96, 96)
    assert "of one picture of 512 x 512 pixels with 65 nuclei, held out by region" in records.findings[0].message
    (made / "masks" / "classes.txt").rename(made / "masks" / "gone.txt")
    with pytest.raises(DataError, match=r"classes\.txt cannot be read") as caught:
        build(DatasetRequest(None, None, made=made))
    (made / "masks" / "gone.txt").rename(made / "masks" / "classes.txt")
    assert "make the data again" in caught.value.hint


def test_the_border_is_what_has_two_nuclei_near_it():
    """Against a look around each pixel."""
    instances = np.zeros((30, 40), np.uint16)
    instances[5:15, 5:15], instances[5:15, 16:25], instances[20:28, 5:30] = 1, 2, 3
    for border in (1, 3):
        found = classes_of(instances, border)
        for row in range(30):
            for column in range(40):
                around = instances[
                    max(row - border, 0) : row + border + 1, max(column - border, 0) : column + border + 1
                ]
                near = len(np.unique(around[around > 0])) > 1
                expected = 2 if near else int(instances[row, column] > 0)
                assert found[row, column] == expected
    assert set(np.unique(classes_of(instances, 0))) == {0, 1}


def test_a_package_without_the_picture_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        stream = io.BytesIO()
        Image.fromarray(np.full((4, 4), 300, np.uint16)).save(stream, "TIFF")
        archive.writestr(PICTURE, stream.getvalue())
        assert read_array(archive, PICTURE).tolist() == [[300] * 4] * 4
        with pytest.raises(DataError, match="mask2d"):
            read_array(archive, INSTANCES)


def test_the_real_picture_where_it_is_made(registry):
    folder = stored_folder(registry.get("datasets", "nuclei"))
    if not folder.is_dir():
        pytest.skip("nuclei is not made on this machine")
    records = build(DatasetRequest(None, None, made=folder))
    assert json.loads((folder / "about.json").read_text())["nuclei"] == 125
    kind = build_target_kind(registry, "mask")
    assert [each for each in kind.check(records.items) if each.level == "error"] == []
