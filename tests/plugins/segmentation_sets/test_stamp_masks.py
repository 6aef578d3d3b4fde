"""The scenes of `stamp_scenes` with masks: the same pictures, a class for each pixel."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from headstart.data.targets import build_target_kind
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, MakeRequest
from headstart_plugins._made_sets.options import SceneOptions
from headstart_plugins._made_sets.scenes import LABELS, make
from headstart_plugins._made_sets.stamps import FOLDERS
from headstart_plugins.detection_sets._scenes import build as build_boxes
from headstart_plugins.segmentation_sets._stamps import build


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    stamps, folder = (tmp_path_factory.mktemp(name) for name in ("stamps", "made"))
    for below in FOLDERS.values():
        (stamps / below).mkdir(parents=True)
        for number in range(6):
            picture = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
            ImageDraw.Draw(picture).ellipse((5, 5, 50, 40 + number), fill="red")
            picture.save(stamps / below / f"{number}.png")
    make(MakeRequest(folder, stamps, SceneOptions(scenes=12, size=96)))
    return folder


def test_a_mask_has_as_many_pixels_of_a_class_as_its_boxes_say(made):
    records, boxes = build(DatasetRequest(None, None, made=made)), build_boxes(DatasetRequest(None, None, made=made))
    kind = build_target_kind(load_registry(), records.targets)
    assert [(item.key, item.split) for item in records.items] == [(item.key, item.split) for item in boxes.items]
    for item, boxed in zip(records.items, boxes.items, strict=True):
        value = kind.read(item.target, item.key)
        assert value.names == ("background", *LABELS)
        assert len(value.colours) == 9
        for place, label in enumerate(LABELS, start=1):
            areas = zip(boxed.target["classes"], boxed.target["areas"], strict=True)
            assert (value.classes == place).sum() == sum(area for name, area in areas if name == label)
    assert [each for each in kind.check(records.items) if each.level == "error"] == []
    assert np.mean(["background" in kind.names(item.target) for item in records.items]) == 1


def test_a_mask_that_is_gone_is_named(made):
    file = made / "masks" / "val" / "scene-00001.png"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(DataError, match=r"scene-00001\.png cannot be read as a mask"):
        build(DatasetRequest(None, None, made=made))
    file.write_bytes(content)
