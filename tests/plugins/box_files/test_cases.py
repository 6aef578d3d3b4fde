"""Annotations as people have them: each file of `cases/` tells small folders and what opening them must come to.

[[case]]
about = "one sentence"
open = "data"                     # what is opened, below a temporary folder
settings = { faulty = "drop" }    # the dataset's settings, if any
opens = "box_files/box_folder"    # the dataset that the path is resolved to
exit = 0                          # or 3: the data cannot be used; 2: a setting is wrong
says = ["parts of what is told"]  # of findings and of what is left out, or of the error and its hint
silent = ["parts of nothing"]     # what must not be told
files."data/a.png" = "picture"    # 60 x 40 pixels; "picture 40x60", "picture 60x40@6" with an EXIF orientation
files."data/a.xml" = { objects = ["cat 1 1 9 9"], filename = "a.png", size = "60 40" }   # Pascal VOC
files."data/coco.json" = { images = [...], ... }     # any other table is JSON; a text is a text
records."a.png" = "train: cat 0 0 9 9; dog 1 1 5 5 crowd area=8"   # the side if any, each box in pixels
"""

import io
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.errors import HeadstartError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['about']}")
    for file in sorted(Path(__file__).with_name("cases").glob("*.toml"))
    for case in tomllib.loads(file.read_text("utf-8"))["case"]
]


def picture(name, form):
    size, _, orientation = form.removeprefix("picture").strip().partition("@")
    width, height = map(int, size.split("x")) if size else (60, 40)
    pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (height, width, 3), np.uint8)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = int(orientation or 1)
    Image.fromarray(pixels).save(file, "JPEG" if name.endswith("jpg") else "PNG", exif=exif)
    return file.getvalue()


def voc(content):
    objects = []
    for each in content["objects"]:
        label, *corners, difficult = [*each.split(), "0"] if len(each.split()) == 5 else each.split()
        names = ("ymin", "xmin", "ymax", "xmax")  # their order does not matter
        texts = dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
        box = "".join(f"<{name}>{texts[name]}</{name}>" for name in names)
        part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
        whole = f"<name>{label}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox>{part}"
        objects.append(f"<object>{whole}</object>")
    width, height = content.get("size", "0 0").split()
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    return f"<annotation><filename>{content.get('filename', '')}</filename>{size}{''.join(objects)}</annotation>"


def written(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            path.write_text(voc(content) if path.suffix == ".xml" else json.dumps(content), "utf-8")
        elif content.startswith("picture"):
            path.write_bytes(picture(name, content))
        else:
            path.write_text(content, "utf-8")


def boxes(target):
    """A target as the cases write it."""
    told = []
    for place, label in enumerate(target["classes"]):
        flags = [name for name in ("crowd", "difficult") if name in target and target[name][place]]
        area = [f"area={target['areas'][place]:g}"] if "areas" in target else []
        told.append(" ".join([label, *(f"{side:.6g}" for side in target["corners"][place]), *flags, *area]))
    return "; ".join(told)


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.mark.parametrize("case", CASES)
def test_a_case_comes_to_what_it_says(case, registry, tmp_path):
    written(tmp_path, case["files"])
    reference = str(tmp_path / case["open"])
    spec = registry.resolve_dataset(reference).spec
    assert spec.name == case.get("opens", "box_files/box_folder")
    settings = {
        name: tuple(value) if isinstance(value, list) else value for name, value in case.get("settings", {}).items()
    }
    request = DatasetRequest(reference, spec.options(**settings))
    build = registry.load_target(spec, spec.build)
    if case.get("exit", 0):
        with pytest.raises(HeadstartError) as error:
            build(request)
        assert error.value.exit_code == case["exit"]
        said = f"{error.value.message} {error.value.hint or ''}"
    else:
        records = build(request)
        said = "\n".join(
            [f"{each.level}: {each.message} {each.hint or ''}" for each in records.findings]
            + [f"{each.where}: {each.reason}" for each in records.skipped]
        )
        if "records" in case:
            found = {
                each.key: f"{each.split}: {boxes(each.target)}" if each.split else boxes(each.target)
                for each in records.items
            }
            assert found == case["records"]
        assert records.targets == "boxes/boxes"
    for part in case["says"]:
        assert part in said
    for part in case.get("silent", ["error:", "warning:"] if "records" in case and not case["says"] else []):
        assert part not in said


def test_pictures_of_a_side_of_yolo_without_any_text_are_answered(registry, tmp_path):
    """They are left out of what is learned; which labels there are, and whether these are sound, says nothing here."""
    files = {
        "data.yaml": "train: images/train\nval: images/val\ntest: images/test\nnames: [cat]\n",
        "labels/train/a.txt": "0 0.5 0.5 0.5 0.5\n",
        **{f"images/{name}.png": "picture" for name in ("train/a", "train/b", "val/c", "test/d")},
    }
    written(tmp_path, files)
    path = str(tmp_path / "data.yaml")
    spec = registry.resolve_dataset(path).spec
    build = registry.load_target(spec, spec.build)
    learned = build(DatasetRequest(path, spec.options()))
    assert [each.key for each in learned.items] == ["images/train/a.png", "images/train/b.png"]

    every = ["images/test/d.png", "images/train/a.png", "images/train/b.png", "images/val/c.png"]
    for label in ("0 0.5 0.5 0.5 0.5\n", "no numbers\n", None):
        (tmp_path / "labels/train/a.txt").unlink()
        if label is not None:
            (tmp_path / "labels/train/a.txt").write_text(label)
        answered = build(DatasetRequest(path, spec.options(), labelled=False))
        assert [each.key for each in answered.items] == every
        assert all(each.target is None for each in answered.items)
        assert not answered.skipped
