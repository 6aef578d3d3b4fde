"""What COCO's JSON says whatever it annotates (cocodataset.org, "Data format"): which files are read, for which side,
and their pictures and categories."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Finding, Skipped
from headstart_plugins._annotations.headers import Size
from headstart_plugins._annotations.told import Told
from headstart_plugins._annotations.where import Data
from headstart_plugins._box_layouts import is_coco
from headstart_plugins._files.names import side_in

PREFERRED = "instances"
"""How files of boxes and polygons begin that lie beside others of the same pictures, such as those of keypoints."""
PARTS = ("images", "annotations", "categories")
"""The lists in annotations of COCO."""
EXPECTED = "annotations of COCO are an object with the lists images, annotations and categories"
WHOLE_NUMBERS = ("id", "image_id", "category_id", "iscrowd")
INFINITE = float("inf")
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Documents:
    """What was `read`: files, each with its side of the split, if its name says one, and its content; and what is to be
    said of these, and of files that were left out."""

    read: tuple[tuple[Path, str | None, Document], ...]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]


def require_coco(file: Path) -> None:
    """Raise UsageError that says what a JSON file lacks to be annotations of boxes in the form of COCO, DataError where
    it cannot be read."""
    document = _read(file)
    missing = [name for name in PARTS if not isinstance(document.get(name), list)]
    told = f"{_has(document)}, and no list {' or '.join(missing)}"
    if not missing:
        if any({"bbox", "segmentation"} & each.keys() for each in listed(file, document, "annotations")):
            return
        told = "annotations, and neither bbox nor segmentation in any"
    raise UsageError(f"{file}: this JSON holds no boxes in the form of COCO: it has {told}", hint=EXPECTED)


def _has(document: Document) -> str:
    return in_line(list(document)) or "nothing"


def read_documents(data: Data, named: Sequence[str]) -> Documents:
    """The files that are `named`, relative to the data, or that which was opened, or else all below the data. Raises
    DataError where it could be others that are meant."""
    given = [data.root / name for name in named] or ([data.given] if data.given else [])
    for file in given:
        if not file.is_file():
            raise UsageError(f"{file}: not a file", hint="dataset.annotations are relative to the data")
    files = given or [file for file in data.tree.others if file.suffix.lower() == ".json" and is_coco(file)]
    read = [(file, _read(file)) for file in files]
    filled = [(file, each) for file, each in read if "annotations" in each or given]
    bare = [file for file, each in read if "annotations" not in each and not given]
    skipped = [Skipped(str(file), "lists pictures and has no annotations") for file in bare]
    preferred = [(file, each) for file, each in filled if file.name.lower().startswith(PREFERRED)]
    if not given and preferred and len(preferred) < len(filled):
        others = [data.key(file) for file, _ in filled if not file.name.lower().startswith(PREFERRED)]
        skipped += [Skipped(other, f"annotations beside those called {PREFERRED}") for other in others]
        filled = preferred
    if not filled:
        hint = "a JSON file with images, annotations and categories; --set dataset.annotations names it"
        raise DataError(f"{data.root}: no annotations of COCO", hint=hint)
    sides = [side_in(Path(data.key(file))) if len(filled) > 1 else None for file, _ in filled]
    if None in sides and set(sides) != {None}:
        sides = [side if side else _refuse(data, filled) for side in sides]
    elif len(filled) > 1 and (len(set(sides)) < len(sides)) and not given:
        _refuse(data, filled)
    told = [f"{data.key(file)} for {side}" for (file, _), side in zip(filled, sides, strict=True) if side]
    note = Finding("note", f"annotations of the sides of a split: {', '.join(told)}", len(told))
    found = tuple((file, side, each) for (file, each), side in zip(filled, sides, strict=True))
    return Documents(found, (note,) if told else (), tuple(skipped))


def _refuse(data: Data, files: Sequence[tuple[Path, Document]]) -> str:
    names = [data.key(file) for file, _ in files]
    raise DataError(
        f"{data.root}: several annotation files, whose names do not say a side each: {in_line(names)}",
        hint=f"name those to read: --set 'dataset.annotations={json.dumps(names[:1])}'",
    )


def _read(file: Path) -> Document:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as exc:
        raise DataError(f"{file}: no readable JSON: {exc}") from exc
    if not isinstance(document, dict):
        hint = f"{EXPECTED}; a list is COCO's form of results, and rows of a table are read from .jsonl, one a line"
        raise DataError(f"{file}: the JSON is a {type(document).__name__}; expected an object", hint=hint)
    return document


def listed(file: Path, document: Document, name: str) -> list[Mapping[str, Any]]:
    """One of the lists of a document; empty where it has none. Raises DataError where it is no list of objects."""
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise DataError(f"{file}: {name} is no list of objects")
    return [_with_whole_numbers(each) for each in found]


def _with_whole_numbers(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry whose ids and flag are whole numbers where they were written as 1.0, as pandas does it, or as "1"."""
    whole: dict[str, int] = {}
    for name in WHOLE_NUMBERS:
        value = entry.get(name)
        is_flag = name == "iscrowd" and isinstance(value, str) and value.strip().isdecimal()
        if is_flag or (isinstance(value, float) and value.is_integer()):
            whole[name] = int(entry[name])
    return {**entry, **whole} if whole else entry


def images_of(file: Path, document: Document) -> dict[str, Mapping[str, Any]]:
    """The pictures by their ids, as text. Raises DataError for none, and for one without an id or name of its own."""
    images: dict[str, Mapping[str, Any]] = {}
    for number, each in enumerate(listed(file, document, "images"), start=1):
        if "id" not in each or not each.get("file_name"):
            raise DataError(f"{file}: image number {number} has no id and file_name, but {in_line(list(each))}")
        if str(each["id"]) in images:
            hint = "give each its own: annotations mean pictures by it"
            raise DataError(f"{file}: two images have the id {each['id']!r}", hint=hint)
        images[str(each["id"])] = each
    if not images:
        raise DataError(f"{file}: it lists no images; it has {_has(document)}", hint=EXPECTED)
    return images


def stated_size(image: Mapping[str, Any]) -> Size | None:
    """Width and height in pixels, as the document states them of a picture."""
    width, height = image.get("width"), image.get("height")
    if not isinstance(width, int | float) or not isinstance(height, int | float):
        return None
    return (int(width), int(height)) if 1 <= width < INFINITE and 1 <= height < INFINITE else None


def categories_of(file: Path, document: Document, told: Told) -> dict[str, str]:
    """The names of classes by their ids, as text. Raises DataError for none, and for one without id and name."""
    names: dict[str, str] = {}
    for each in listed(file, document, "categories"):
        if "id" not in each or not str(each.get("name", "")).strip():
            raise DataError(f"{file}: a category has no id and name: {each}")
        names[str(each["id"])] = str(each["name"])
    if not names:
        hint = f"{EXPECTED}; COCO's captions have no categories, its instances do"
        raise DataError(f"{file}: it names no categories; it has {_has(document)}", hint=hint)
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        ids = in_line([place for place, name in names.items() if name == twice[0]])
        message = f"{file.name}: the categories {ids} are all called {twice[0]!r} and taken for one class"
        told.findings.append(Finding("warning", message, len(twice)))
    return names
