"""Annotations as COCO has them (cocodataset.org, "Data format", object detection): JSON with pictures, categories and
annotations, whose `bbox` is left, top, width, height in pixels from 0 on."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Finding, Skipped
from headstart_plugins._box_layouts import is_coco
from headstart_plugins._files.names import side_in
from headstart_plugins.box_files._annotated import CORNERS, SIZED, Annotated, Four, Size, Written
from headstart_plugins.box_files._faults import NO_NUMBERS, NO_PICTURE, UNKNOWN_CLASS, Told
from headstart_plugins.box_files._options import CocoOptions
from headstart_plugins.box_files._records import Found, as_notes
from headstart_plugins.box_files._where import Data, find_place

PREFERRED = "instances"
"""How files of boxes begin that lie beside others of the same pictures, such as those of keypoints."""
PARTS = ("images", "annotations", "categories")
"""The lists in annotations of COCO."""
NUMBERS = frozenset({int, float})
EXPECTED = "annotations of COCO are an object with the lists images, annotations and categories"
Document = Mapping[str, Any]


def read_coco(data: Data, options: CocoOptions) -> Found:
    """All pictures that the files list, also those without annotations. Raises DataError for files that are no COCO,
    and where several could be meant."""
    found = Found([], SIZED, [(CORNERS, "write width and height in place of right and bottom")])
    found.units_hint = "COCO's bbox is in pixels: multiply by width and height"
    used: set[Path] = set()
    named: list[str] = []
    for source, side, document in _documents(data, options, found):
        images, names = _images(source, document), _categories(source, document, found.told)
        named += names.values()
        place, told = find_place(data, source, [str(each["file_name"]) for each in images.values()], options)
        found.told.findings += told
        boxes = _boxes(data.key(source), document, images, names, found.told)
        for name, each in images.items():
            file = place.file(str(each["file_name"]))
            if file in used:
                raise DataError(f"{source}: {data.key(file)} is listed twice", hint="list each picture once")
            used.add(file)
            stated = _size(each)
            found.pictures.append(Annotated(data.key(file), file, data.key(source), boxes[name], stated, side))
    seen = {box.label for each in found.pictures for box in each.boxes}
    if unseen := [name for name in dict.fromkeys(named) if name not in seen]:
        message = f"{len(unseen)} of {len({*named})} categories have no box: {in_line(unseen)}"
        found.told.findings.append(Finding("note", message, len(unseen), cases=tuple(unseen)))
    found.skipped += data.unused(used, "not listed in the annotations")
    return found


def require_coco(file: Path) -> None:
    """Raise UsageError that says what a JSON file lacks to be annotations of boxes in the form of COCO, DataError where
    it cannot be read."""
    document = _read(file)
    missing = [name for name in PARTS if not isinstance(document.get(name), list)]
    told = f"{_has(document)}, and no list {' or '.join(missing)}"
    if not missing:
        if any({"bbox", "segmentation"} & each.keys() for each in _listed(file, document, "annotations")):
            return
        told = "annotations, and neither bbox nor segmentation in any"
    raise UsageError(f"{file}: this JSON holds no boxes in the form of COCO: it has {told}", hint=EXPECTED)


def _has(document: Document) -> str:
    return in_line(list(document)) or "nothing"


def _documents(data: Data, options: CocoOptions, found: Found) -> list[tuple[Path, str | None, Document]]:
    """The files to read with the side of each. Raises DataError where these could be others."""
    given = [data.root / name for name in options.annotations] or ([data.given] if data.given else [])
    for file in given:
        if not file.is_file():
            raise UsageError(f"{file}: not a file", hint="dataset.annotations are relative to the data")
    files = given or [file for file in data.tree.others if file.suffix.lower() == ".json" and is_coco(file)]
    read = [(file, _read(file)) for file in files]
    filled = [(file, each) for file, each in read if "annotations" in each or given]
    for file in (file for file, each in read if "annotations" not in each and not given):
        found.skipped.append(Skipped(str(file), "lists pictures and has no annotations"))
    preferred = [(file, each) for file, each in filled if file.name.lower().startswith(PREFERRED)]
    if not given and preferred and len(preferred) < len(filled):
        others = [data.key(file) for file, _ in filled if not file.name.lower().startswith(PREFERRED)]
        found.skipped += [Skipped(other, f"annotations beside those called {PREFERRED}") for other in others]
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
    if told:
        found.told.findings.append(
            Finding("note", f"annotations of the sides of a split: {', '.join(told)}", len(told))
        )
    return [(file, side, each) for (file, each), side in zip(filled, sides, strict=True)]


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


def _listed(file: Path, document: Document, name: str) -> list[Mapping[str, Any]]:
    listed = document.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise DataError(f"{file}: {name} is no list of objects")
    return listed


def _images(file: Path, document: Document) -> dict[str, Mapping[str, Any]]:
    """The pictures by their ids, as text."""
    images: dict[str, Mapping[str, Any]] = {}
    for number, each in enumerate(_listed(file, document, "images"), start=1):
        if "id" not in each or not each.get("file_name"):
            raise DataError(f"{file}: image number {number} has no id and file_name, but {in_line(list(each))}")
        if str(each["id"]) in images:
            hint = "give each its own: annotations mean pictures by it"
            raise DataError(f"{file}: two images have the id {each['id']!r}", hint=hint)
        images[str(each["id"])] = each
    if not images:
        raise DataError(f"{file}: it lists no images; it has {_has(document)}", hint=EXPECTED)
    return images


def _size(image: Mapping[str, Any]) -> Size | None:
    width, height = image.get("width"), image.get("height")
    if isinstance(width, int | float) and isinstance(height, int | float) and width > 0 and height > 0:
        return int(width), int(height)
    return None


def _categories(file: Path, document: Document, told: Told) -> dict[str, str]:
    """The names of classes by their ids, as text."""
    names: dict[str, str] = {}
    for each in _listed(file, document, "categories"):
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


def _boxes(
    source: str, document: Document, images: Mapping[str, Any], names: Mapping[str, str], told: Told
) -> defaultdict[str, list[Written]]:
    """The boxes of each picture by its id."""
    boxes: defaultdict[str, list[Written]] = defaultdict(list)
    notes: Counter[str] = Counter()
    for number, each in enumerate(_listed(Path(source), document, "annotations"), start=1):
        where = f"annotation {each['id']}" if "id" in each else f"annotation number {number}"
        picture, category = str(each.get("image_id")), str(each.get("category_id"))
        if picture not in images:
            told.add(NO_PICTURE, f"{source}, {where}: image_id {each.get('image_id')!r}")
        elif category not in names:
            known = f"{source}, {where} of {images[picture]['file_name']}: category_id {each.get('category_id')!r}"
            told.add(UNKNOWN_CLASS, known)
        elif (numbers := _numbers(each, notes)) is None:
            bbox = f"bbox {each.get('bbox')!r}"
            told.add(NO_NUMBERS, f"{source}, {where} of {images[picture]['file_name']}: {bbox}")
        else:
            area, crowd = each.get("area"), bool(each.get("iscrowd", 0))
            area = float(area) if isinstance(area, int | float) else None
            notes[f"{source}: boxes state no area, and that of the box is taken"] += area is None
            notes[f"{source}: boxes are crowds; they are kept, and marked"] += crowd
            boxes[picture].append(Written(where, names[category], numbers, area, crowd))
    told.findings += as_notes(notes)
    return boxes


def _numbers(annotation: Mapping[str, Any], notes: Counter[str]) -> Four | None:
    """Its bbox, or that of its polygons where it has none; None where it has neither."""
    found = annotation.get("bbox")
    if not found and (points := list(_points(annotation.get("segmentation")))):
        notes["annotations have polygons and no bbox, and the hull of these is taken"] += 1
        left, top = (min(each) for each in zip(*points, strict=True))
        right, bottom = (max(each) for each in zip(*points, strict=True))
        found = [left, top, right - left, bottom - top]
    if not isinstance(found, list) or len(found) != 4 or not NUMBERS.issuperset(map(type, found)):
        return None
    return tuple(map(float, found))  # type: ignore[return-value]  # four, as was asked


def _points(polygons: Any) -> Iterator[tuple[float, float]]:
    for polygon in polygons if isinstance(polygons, list) else ():
        if isinstance(polygon, list) and NUMBERS.issuperset(map(type, polygon)):
            yield from zip(polygon[::2], polygon[1::2], strict=False)
