"""Data as people have it: each file of `cases/` tells a folder of tiny inputs and what opening it must come to.

about = "one sentence: what people have, and what is right"
open = "data"                     # what is opened, below a temporary folder
kind = "image_folder"             # the dataset that is named for it, where another one would open it
settings = { suffix = ".png" }    # the dataset's settings, if any
labelled = false                  # where it is opened for answers
exit = 0                          # or 3: the data cannot be used; 2: a setting is wrong
says = ["parts of what is told"]  # of findings and of what is left out, or of the error and its hint
targets = "targets/class"         # what the dataset itself knows them to be, if it does
pack = { "data.zip" = "packed" }  # archives that are made of what lies in a folder, which is then gone

[files]                           # content: "picture" (another one each), "same:NAME" (a copy), or text
"data/train/cat/1.png" = "picture"

[records]                         # key: target (empty for none), or "side: target" where the data gives its split
"cat/1.png" = "train: cat"
"""

import io
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.errors import HeadstartError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest

CASES = sorted(Path(__file__).with_name("cases").glob("*.toml"))


def picture(name):
    """A PNG of 4 x 4 pixels that no other name has."""
    pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def written(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == "picture" or content.startswith("same:"):
            path.write_bytes(picture(content.removeprefix("same:") if content != "picture" else name))
        else:
            path.write_text(content, "utf-8")


def packed(root, archives):
    for name, folder in archives.items():
        base, _, kind = name.partition(".")
        shutil.make_archive(str(root / base), {"tar.gz": "gztar"}.get(kind, kind), root / folder)
        shutil.rmtree(root / folder)


@pytest.fixture(scope="module")
def registry():
    return load_registry()


def opened(registry, reference, case):
    settings, labelled = case.get("settings", {}), case.get("labelled", True)
    spec = registry.get("datasets", case["kind"]) if "kind" in case else registry.resolve_dataset(str(reference)).spec
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return registry.load_target(spec, spec.build)(DatasetRequest(str(reference), spec.options(**lists), labelled))


def told(records):
    findings = [f"{each.level}: {each.message} {each.hint or ''}" for each in records.findings]
    return "\n".join([*findings, *(f"{each.where}: {each.reason}" for each in records.skipped)])


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_a_case_comes_to_what_it_says(registry, file, tmp_path, monkeypatch):
    case = tomllib.loads(file.read_text("utf-8"))
    written(tmp_path, case["files"])
    packed(tmp_path, case.get("pack", {}))
    monkeypatch.chdir(tmp_path)
    reference = tmp_path / case["open"]
    if case.get("exit", 0):
        with pytest.raises(HeadstartError) as error:
            opened(registry, reference, case)
        assert error.value.exit_code == case["exit"]
        said = f"{error.value.message} {error.value.hint or ''}"
    else:
        records = opened(registry, reference, case)
        said = told(records)
        found = {
            each.key: f"{each.split}: {each.target}" if each.split else each.target or "" for each in records.items
        }
        assert found == case["records"]
        assert records.targets == case.get("targets", "targets/class" if reference.is_dir() else None)
        if not case["says"]:
            assert said == ""
    for part in case["says"]:
        assert part in said
