"""Pictures and their boxes as COCO keeps them: `annotations/instances_SIDE.json`, and the pictures in SIDE/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import DataError
from headstart.specs import Record

SIDES = ("train", "val", "test")
AGAIN = "remove its folder, and make the data again"


@dataclass(frozen=True)
class Box:
    """An object: its class, left, top, right and bottom in whole pixels (the picture's own corners are (0, 0) and
    (width, height)), and its area in square pixels."""

    label: str
    corners: tuple[int, int, int, int]
    area: int


@dataclass(frozen=True)
class Picture:
    """An annotated picture of a side: the name of its file, its size, its boxes, and what it was cut from."""

    name: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    source: str | None = None


def write_side(folder: Path, side: str, pictures: Sequence[Picture], about: Mapping[str, Any]) -> None:
    """Write the annotations of a side as COCO's JSON; `about` has its `classes`, and what else stands in `info`."""
    names = list(about["classes"])
    boxes = [(number, box) for number, picture in enumerate(pictures, start=1) for box in picture.boxes]
    document = {
        "info": {key: value for key, value in about.items() if key != "classes"},
        "images": [
            {"id": number, "file_name": each.name, "width": each.width, "height": each.height, "source": each.source}
            for number, each in enumerate(pictures, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
        "annotations": [
            {
                "id": place,
                "image_id": number,
                "category_id": names.index(box.label) + 1,
                "bbox": [*box.corners[:2], box.corners[2] - box.corners[0], box.corners[3] - box.corners[1]],
                "area": box.area,
                "iscrowd": 0,
            }
            for place, (number, box) in enumerate(boxes, start=1)
        ],
    }
    place = folder / "annotations" / f"instances_{side}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8", newline="\n")


def read_info(folder: Path, side: str = "train") -> Mapping[str, Any]:
    """What `write_side` was told `about` a side, but its classes. Raises DataError."""
    info: Mapping[str, Any] = _document(folder, side)["info"]
    return info


def read_records(folder: Path) -> tuple[Record, ...]:
    """A record for each picture of all sides, with the side given, `source` as group, and targets that the kind `boxes`
    reads. Raises DataError naming the file that cannot be read, or is none of ours."""
    return tuple(record for side in SIDES for record in _side(folder, side))


def _side(folder: Path, side: str) -> list[Record]:
    document = _document(folder, side)
    try:
        names = {each["id"]: each["name"] for each in document["categories"]}
        boxes: dict[int, list[Mapping[str, Any]]] = {each["id"]: [] for each in document["images"]}
        for box in document["annotations"]:
            boxes[box["image_id"]].append(box)
        return [
            Record(
                f"{side}/{each['file_name']}",
                folder / side / each["file_name"],
                {
                    "corners": [_corners(*box["bbox"]) for box in boxes[each["id"]]],
                    "classes": [names[box["category_id"]] for box in boxes[each["id"]]],
                    "areas": [box["area"] for box in boxes[each["id"]]],
                },
                each["source"],
                side,
            )
            for each in document["images"]
        ]
    except (KeyError, TypeError) as exc:
        raise DataError(f"{_place(folder, side)} is not as it was made: {exc!r}", hint=AGAIN) from exc


def _corners(left: int, top: int, width: int, height: int) -> list[int]:
    return [left, top, left + width, top + height]


def _place(folder: Path, side: str) -> Path:
    return folder / "annotations" / f"instances_{side}.json"


def _document(folder: Path, side: str) -> Any:
    place = _place(folder, side)
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise DataError(f"{place} cannot be read: {exc}", hint=AGAIN) from exc
