"""Annotations as COCO has them (cocodataset.org, "Data format", object detection): JSON with pictures, categories and
annotations, whose `bbox` is left, top, width, height in pixels from 0 on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Finding
from headstart_plugins._annotations.coco import (
    Document,
    categories_of,
    images_of,
    listed,
    read_documents,
    stated_size,
)
from headstart_plugins._annotations.headers import Four
from headstart_plugins._annotations.told import Told, as_notes
from headstart_plugins._annotations.where import Data, find_place
from headstart_plugins.box_files._annotated import CORNERS, SIZED, Annotated, Written
from headstart_plugins.box_files._faults import NO_NUMBERS, NO_PICTURE, UNKNOWN_CLASS
from headstart_plugins.box_files._options import CocoOptions
from headstart_plugins.box_files._records import Found

NUMBERS = frozenset({int, float})


def read_coco(data: Data, options: CocoOptions) -> Found:
    """All pictures that the files list, also those without annotations. Raises DataError for files that are no COCO,
    and where several could be meant."""
    found = Found([], SIZED, [(CORNERS, "write width and height in place of right and bottom")])
    found.units_hint = "COCO's bbox is in pixels: multiply by width and height"
    used: set[Path] = set()
    named: list[str] = []
    documents = read_documents(data, options.annotations)
    found.told.findings += documents.findings
    found.skipped += documents.skipped
    for source, side, document in documents.read:
        images, names = images_of(source, document), categories_of(source, document, found.told)
        named += names.values()
        place, told = find_place(data, source, [str(each["file_name"]) for each in images.values()], options.images)
        found.told.findings += told
        boxes = _boxes(data.key(source), document, images, names, found.told)
        _number_labels(data.key(source), names, document, found)
        for name, each in images.items():
            file = place.file(str(each["file_name"]))
            if file in used:
                raise DataError(f"{source}: {data.key(file)} is listed twice", hint="list each picture once")
            used.add(file)
            stated = stated_size(each)
            found.pictures.append(
                Annotated(data.key(file), file, data.key(source), boxes[name], stated, side, id=each["id"])
            )
    seen = {box.label for each in found.pictures for box in each.boxes}
    if unseen := [name for name in dict.fromkeys(named) if name not in seen]:
        message = f"{len(unseen)} of {len({*named})} categories have no box: {in_line(unseen)}"
        found.told.findings.append(Finding("note", message, len(unseen), cases=tuple(unseen)))
    found.skipped += data.unused(used, "not listed in the annotations")
    return found


def _number_labels(source: str, names: Mapping[str, str], document: Document, found: Found) -> None:
    """Add the ids of a file's categories to those of files before it, which stay where the files do not agree."""
    ids: dict[str, int] = {}
    for each in listed(Path(source), document, "categories"):
        if type(each["id"]) is int and each["id"] >= 0:
            ids.setdefault(names[str(each["id"])], each["id"])
    called = {number: name for name, number in found.label_ids.items()}
    agree = {
        name: number
        for name, number in ids.items()
        if found.label_ids.get(name, number) == number and called.get(number, name) == name
    }
    if others := [f"{name} ({number})" for name, number in ids.items() if name not in agree]:
        message = f"{source} numbers {len(others)} categories otherwise than files before it: {in_line(others)}"
        found.told.findings.append(
            Finding("warning", f"{message}; results in COCO's form have the numbers of those before", len(others))
        )
    found.label_ids |= agree


def _boxes(
    source: str, document: Document, images: Mapping[str, Any], names: Mapping[str, str], told: Told
) -> defaultdict[str, list[Written]]:
    """The boxes of each picture by its id."""
    boxes: defaultdict[str, list[Written]] = defaultdict(list)
    notes: Counter[str] = Counter()
    for number, each in enumerate(listed(Path(source), document, "annotations"), start=1):
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
