"""Reads the mask of a picture, spreads its classes over a split, and moves it as the picture moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Change, Facts, Finding, Recognised, Record, Records, TargetRequest
from headstart_plugins._affine import STILL, Matrix, after
from headstart_plugins._annotations.told import Told
from headstart_plugins._class_names import odd_names
from headstart_plugins._mask import VOID, Mask
from headstart_plugins._masks.described import Described
from headstart_plugins._masks.judged import fault_of
from headstart_plugins._masks.legend import Legend

ALL, NOTHING = "all", "no class"
"""Strata of every picture, and of those whose mask is void only. A class' begins with "class "."""
MOST_LETTERS = 150
EXAMPLE_SIDE = 16


def build(request: TargetRequest) -> MaskTargets:
    """The kind has no options."""
    return MaskTargets()


class MaskTargets:
    """A target is a mapping, see `headstart_plugins._masks.described.Described`. A value is a `Mask`.

    A mask is in pixels of the upright picture, and of its size; that of a picture which EXIF turns is turned along only
    where the target says so. The encoded target that `transform` moves is `mask` (height, width) uint8, in the geometry
    of the input tensor.
    """

    noun = "class"
    exclusive = False
    moves = True

    def recognise(self, records: Records) -> Recognised | None:
        """Where each target is a mapping with a legend, and with a mask or shapes."""
        targets = [record.target for record in records.items if record.target is not None]
        try:
            for target in targets:
                Described.of(target, "")
        except DataError:
            return None
        return Recognised(f"all {len(targets)} targets are masks", 1.0) if targets else None

    def check(self, items: Sequence[Record]) -> Iterable[Finding]:
        """Errors for masks that cannot be read, have another size than their pictures, or values of no class; warnings
        for masks that are void only, and for classes that are in none; and for odd names of classes.

        A file is read only where its target does not say what it holds.
        """
        told = Told()
        failed: dict[str, list[DataError]] = {}
        names: dict[str, None] = {}
        present: Counter[str] = Counter()
        for record in items:
            try:
                mask = Described.of(record.target, record.key).counted(record.key)
            except DataError as error:
                failed.setdefault(_reason(error, record), []).append(error)
                continue
            names |= dict.fromkeys(mask.legend.names)
            present.update(mask.present)
            if found := fault_of(mask):
                told.add(found[0], found[1] if mask.file else f"{record.key}: {found[1]}")
        for same in failed.values():
            cases = tuple(error.message for error in same)
            yield Finding("error", same[0].message, len(same), same[0].hint, cases)
        yield from told.all()
        yield from odd_names(names)
        if names and not present:
            hint = "check the values of void and of the classes"
            yield Finding("error", f"none of {len(items)} masks has a pixel of any class", len(items), hint)
        elif unseen := [name for name in names if name not in present]:
            message = f"{len(unseen)} of {len(names)} classes are in no mask: {in_line(unseen)}"
            hint = "nothing is learned of them; leave them out, or correct the values of the classes"
            yield Finding("warning", message, len(unseen), hint, tuple(unseen))

    def names(self, target: Any) -> tuple[str, ...]:
        """The classes that a mask has, in the order of the data."""
        return _present(target)

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """All, and each class that a mask has, or none: of every class each side gets its share of pictures."""
        named = [tuple(f"class {name}" for name in _present(each)) for each in targets]
        return [(ALL, *(classes or (NOTHING,))) for classes in named]

    def words(self, target: Any) -> str:
        """The share of each class, the largest first, void left out: "road 60 %, sky 39.5 %"; of shapes how many: "2
        cat"; "void" for nothing."""
        try:
            mask = Described.of(target, "").counted("")
        except DataError:
            return "no readable mask"
        if mask.shapes is not None:
            objects = Counter(each.name for each in mask.shapes if not each.crowd)
            found = [f"{count} {name}" for name, count in objects.most_common()] or [mask.ground or "void"]
        else:
            named = dict(zip(mask.legend.values, mask.legend.names, strict=True))
            counts = [(named[value], count) for value, count in mask.counts or () if value in named]
            total = sum(count for _, count in counts)
            found = [f"{name} {100 * count / total:.3g} %" for name, count in counts] or ["void"]
        told = ", ".join(found)
        return told if len(told) <= MOST_LETTERS else f"{told[:MOST_LETTERS].rpartition(', ')[0]}, ..."

    def read(self, target: Any, where: str) -> Mask:
        """The mask, upright. Raises DataError naming `where` and the file for what cannot be read, is a JPEG, has
        values of no class, or another size than the picture."""
        return Described.of(target, where).read(where)

    def transform(
        self, targets: Mapping[str, np.ndarray], changes: Sequence[Change], facts: Facts
    ) -> Mapping[str, np.ndarray]:
        """`mask` as all matrices together move it; what comes from outside is VOID. Colours and what is erased leave
        it alone."""
        matrix: Matrix = STILL
        for change in changes:
            if change.name == "matrix":
                matrix = after(matrix, change.value)
        return targets if matrix == STILL else {**targets, "mask": moved(targets["mask"], matrix)}

    def examples(self, count: int) -> Sequence[Mapping[str, Any]]:
        """Squares and stripes of four classes on 16 x 16 pixels, some with void."""
        legend = Legend(("0", "1", "2", "3"), (0, 1, 2, 3)).target()
        found = []
        for number in range(count):
            mask = np.full((EXAMPLE_SIDE, EXAMPLE_SIDE), number % 4, np.uint8)
            mask[2:9, 3:12] = (number + 1) % 4
            mask[10:14] = (number + 2 + number // 4) % 4
            mask[0] = VOID if number % 3 == 0 else 0
            found.append({"mask": mask, "legend": legend})
        return found


def moved(mask: np.ndarray, matrix: Matrix) -> np.ndarray:
    """`mask` (height, width) uint8 in the picture that `matrix` makes, output to input about the centre as in
    `_affine`: each pixel has the class of the one that its middle comes from, VOID where that lies outside.

    The middle of the pixel in column x is x + 0.5, and what lies on an edge between two belongs to the right or lower.
    """
    height, width = mask.shape
    (a, b, c), (d, e, f) = matrix[:2]
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    across = a * x + b * width / height * y + width * (c + 0.5 - 0.5 * a - 0.5 * b)
    down = d * height / width * x + e * y + height * (f + 0.5 - 0.5 * d - 0.5 * e)
    for places, side in ((across, width), (down, height)):
        np.floor(places, out=places)
        np.clip(places, -1, side, out=places)
    framed = np.full((height + 2, width + 2), VOID, np.uint8)  # one look-up for all, which is three times as fast
    framed[1:-1, 1:-1] = mask
    down += 1
    down *= width + 2
    down += across + 1
    found: np.ndarray = framed.ravel()[down.astype(np.int32)]
    return found


def _present(target: Any) -> tuple[str, ...]:
    """None where it cannot be read, which `check` tells."""
    try:
        return Described.of(target, "").present
    except DataError:
        return ()


def _reason(error: DataError, record: Record) -> str:
    """What is said of every such mask: the message without the record and the file."""
    file = record.target.get("mask") if isinstance(record.target, Mapping) else None
    return error.message.replace(record.key, "").replace(str(file), "")
