"""Reads the boxes of a picture, spreads their classes over a split, and moves them as the picture moves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.specs import Change, Facts, Finding, Recognised, Record, Records, TargetRequest
from headstart_plugins._affine import STILL, Matrix, after
from headstart_plugins._boxes import LEAST_LEFT, Boxes, cut_to_input
from headstart_plugins._class_names import odd_names

ALL, EMPTY = "all", "no box"
"""Strata of every picture, and of those without a box. A class' begins with "class "."""
PARTS = ("areas", "crowd", "difficult")
"""What a target may hold beside corners and classes, one value a box."""
MOST_LETTERS = 150
SHAPE = '{"corners": [[left, top, right, bottom], ...], "classes": ["cat", ...]}'


def build(request: TargetRequest) -> BoxTargets:
    """The kind has no options."""
    return BoxTargets()


class BoxTargets:
    """A target is a mapping, or its JSON as a table's column `boxes` has it: `corners` (box, 4) in pixels of the
    upright picture, `classes` (box,), and if known `areas`, `crowd` and `difficult` (box,). A value is `Boxes`.

    Encoded targets that `transform` moves are `boxes` (most, 4) float32, left, top, right, bottom as shares of width
    and height of the tensor, and `valid` (most,) bool.
    """

    noun = "class"
    exclusive = False
    moves = True

    def recognise(self, records: Records) -> Recognised | None:
        """Where each target has corners and classes."""
        targets = [record.target for record in records.items if record.target is not None]
        try:
            sound = bool(targets) and all({"corners", "classes"} <= _parts(each, "").keys() for each in targets)
        except DataError:
            return None
        return Recognised(f"all {len(targets)} targets are boxes with classes", 1.0) if sound else None

    def check(self, items: Sequence[Record]) -> Iterable[Finding]:
        """Errors for what cannot be read, one for each way; for odd names of classes, and where there is no box."""
        failed: dict[str, list[DataError]] = {}
        names: Counter[str] = Counter()
        for record in items:
            try:
                names.update(self.read(record.target, record.key).classes)
            except DataError as error:
                reason = error.message.partition(";")[2] or error.message  # what is said of every such box
                failed.setdefault(reason, []).append(error)
        yield from (Finding("error", same[0].message, len(same), same[0].hint) for same in failed.values())
        yield from odd_names(names)
        if not names and not failed:
            hint = "check the path of the annotations"
            yield Finding("error", f"none of {len(items)} pictures has a box; there is nothing to learn", 1, hint)

    def names(self, target: Any) -> tuple[str, ...]:
        """The classes, each once, by name."""
        return tuple(sorted(set(_classes(target))))

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """All, and each class or none: of every class, and of pictures without boxes, each side gets its share."""
        named = [tuple(f"class {name}" for name in self.names(each)) for each in targets]
        return [(ALL, *(classes or (EMPTY,))) for classes in named]

    def words(self, target: Any) -> str:
        """How many of each class: "2 cat, 1 dog"; "no boxes"."""
        counts = sorted(Counter(_classes(target)).items(), key=lambda each: (-each[1], each[0]))
        told = ", ".join(f"{count} {name}" for name, count in counts) or "no boxes"
        return told if len(told) <= MOST_LETTERS else f"{told[:MOST_LETTERS].rpartition(', ')[0]}, ..."

    def read(self, target: Any, where: str) -> Boxes:
        """The boxes. Raises DataError naming `where` and the box, for what is no list of boxes with a class, corners
        that are not finite, and a box without area or with its right before its left."""
        parts = _parts(target, where)
        if not {"corners", "classes"} <= parts.keys():
            raise DataError(f"{where}: these are no boxes; there is no corners and classes", hint=f"expected {SHAPE}")
        if not isinstance(parts["classes"], list | tuple | np.ndarray):
            raise DataError(f"{where}: its classes are {parts['classes']!r}; expected a list", hint=f"expected {SHAPE}")
        classes = tuple(parts["classes"])
        count = len(classes)
        if not all(isinstance(name, str) and name.strip() for name in classes):
            raise DataError(f"{where}: {classes!r}; each box needs the name of a class", hint="give each a text")
        corners = _numbers(parts["corners"], where, "corners")
        sizes = corners[:, 2:] - corners[:, :2]
        areas = sizes[:, 0] * sizes[:, 1] if parts.get("areas") is None else _numbers(parts["areas"], where, "areas")
        crowd, difficult = (
            np.zeros(count, bool) if parts.get(name) is None else _flags(parts[name], where, name) for name in PARTS[1:]
        )
        lengths = {len(each) for each in (corners, areas, crowd, difficult)}
        if lengths != {count}:
            told = f"{count} classes, and other numbers of {', '.join(('corners', *PARTS))}: {sorted(lengths)}"
            raise DataError(f"{where}: {told}; expected one of each a box", hint=f"expected {SHAPE}")
        if flat := np.flatnonzero((sizes <= 0).any(1)).tolist():
            box = corners[flat[0]].tolist()
            hint = "corners are left, top, right and bottom, in this order"
            raise DataError(f"{where}: box {flat[0] + 1} ({classes[flat[0]]}) {box}; it has no area", hint=hint)
        return Boxes(corners, classes, areas, crowd, difficult)

    def transform(
        self, targets: Mapping[str, np.ndarray], changes: Sequence[Change], facts: Facts
    ) -> Mapping[str, np.ndarray]:
        """`boxes` as all matrices together move them: the upright hull of the moved corners, cut to the picture.

        One of which less than LEAST_LEFT of the hull's area is left inside is no longer `valid`, and all zeros. Colours
        and what is erased leave boxes alone.
        """
        matrix: Matrix = STILL
        for change in changes:
            if change.name == "matrix":
                matrix = after(matrix, change.value)
        if matrix == STILL:
            return targets
        boxes, left = moved(targets["boxes"], matrix)
        valid = targets["valid"] & (left >= LEAST_LEFT)
        return {**targets, "boxes": np.where(valid[:, None], boxes, 0).astype(np.float32), "valid": valid}

    def examples(self, count: int) -> Sequence[Mapping[str, Any]]:
        """None, one or two boxes of four classes, within 16 pixels."""
        boxes = ([2.0, 3.0, 9.0, 12.0], [1.0, 1.0, 6.0, 5.0])
        return [
            {
                "corners": [list(box) for box in boxes[: number % 3]],
                "classes": [str((number + each) % 4) for each in range(number % 3)],
            }
            for number in range(1, count + 1)
        ]


def moved(boxes: np.ndarray, matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """`boxes` (box, 4), shares of width and height from 0 to 1, in the picture that `matrix` makes, output to input
    about the centre as in `_affine`: the upright hulls of their corners, float64, cut to 0..1; and the share (box,) of
    each hull's area that is left."""
    left, top, right, bottom = (np.asarray(side, np.float64) - 0.5 for side in boxes.T)
    corners = np.array([(x, y) for x in (left, right) for y in (top, bottom)])  # (corner, 2, box)
    whole = np.asarray(matrix, np.float64)
    back = np.linalg.inv(whole[:2, :2])
    places = np.einsum("ij,kjb->kib", back, corners - whole[:2, 2][None, :, None]) + 0.5
    hull = np.concatenate([places.min(0), places.max(0)]).T
    return cut_to_input(hull)


def _parts(target: Any, where: str) -> Mapping[str, Any]:
    """A target as a mapping, read where it is JSON. Raises DataError where it is none."""
    if isinstance(target, str):
        try:
            target = json.loads(target) if target.strip() else {"corners": [], "classes": []}
        except (ValueError, RecursionError) as exc:
            raise DataError(f"{where}: its boxes are no JSON: {exc}", hint=f"expected {SHAPE}") from exc
    if not isinstance(target, Mapping):
        told = f"{where}: its boxes are {type(target).__name__}; expected a mapping"
        raise DataError(told, hint=f"expected {SHAPE}")
    return target


def _classes(target: Any) -> tuple[str, ...]:
    """The class of each box; none where they cannot be read, which `check` tells."""
    try:
        return tuple(name for name in _parts(target, "").get("classes", ()) if isinstance(name, str))
    except (DataError, TypeError):
        return ()


def _numbers(values: Any, where: str, what: str) -> np.ndarray:
    """Finite float64. Raises DataError."""
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError) as exc:
        raise DataError(f"{where}: its {what} are no numbers; {exc}", hint=f"expected {SHAPE}") from exc
    if what == "corners" and numbers.shape == (0,):
        numbers = numbers.reshape(0, 4)
    is_odd = numbers.ndim != 2 or numbers.shape[1] != 4 if what == "corners" else numbers.ndim != 1
    if is_odd or not np.isfinite(numbers).all():
        told = f"its {what} have shape {numbers.shape}; expected {4 if what == 'corners' else 1} a box"
        told = told if is_odd else f"some of its {what} are not finite; expected numbers"
        raise DataError(f"{where}: {told}", hint=f"expected {SHAPE}")
    return numbers


def _flags(values: Any, where: str, what: str) -> np.ndarray:
    """Truth values (box,) bool, also of 0 and 1. Raises DataError."""
    flags = np.asarray(values, object)
    if flags.ndim != 1 or not all(isinstance(each, bool | int | np.bool_ | np.integer) for each in flags):
        hint = f'"{what}": [true, false] for two boxes'
        raise DataError(f"{where}: its {what} is {values!r}; expected true or false a box", hint=hint)
    return flags.astype(bool)
