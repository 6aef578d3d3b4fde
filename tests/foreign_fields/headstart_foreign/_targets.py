"""The three target kinds."""

import numpy as np

from headstart.errors import DataError
from headstart.specs import Finding
from headstart_foreign._data import KINDS

CLASSES = ("ground", *KINDS)
VOID = 255


class _Kind:
    exclusive = False
    moves = True

    def __init__(self, request):
        pass

    def recognise(self, records):
        return None  # their datasets say so

    def names(self, target):
        return ()

    def strata(self, targets):
        return [()] * len(targets)


class Boxes(_Kind):
    """Tuples (kind, left, top, right, bottom) in pixels of the original. Encoded: shares of width and height."""

    noun = "box"

    def check(self, items):
        for record in items:
            for kind, left, top, right, bottom in record.target or ():
                if kind not in KINDS:
                    yield Finding("error", f"{record.key}: unknown kind {kind!r}", hint=f"expected {KINDS}")
                if right <= left or bottom <= top:
                    yield Finding("error", f"{record.key}: box {left, top, right, bottom} has no area")

    def names(self, target):
        return tuple(sorted({box[0] for box in target}))

    def strata(self, targets):
        return [self.names(target) or ("none",) for target in targets]

    def words(self, target):
        return f"{len(target)} boxes"

    def read(self, target, where):
        try:
            return tuple((kind, *map(float, (left, top, right, bottom))) for kind, left, top, right, bottom in target)
        except (TypeError, ValueError) as exc:
            raise DataError(f"{where}: {target!r} is no list of (kind, left, top, right, bottom)") from exc

    def transform(self, targets, changes, facts):
        boxes = targets["boxes"].copy()
        for _ in changes:
            boxes[:, [0, 2]] = np.where(targets["valid"][:, None], 1 - boxes[:, [2, 0]], 0)
        return {**targets, "boxes": boxes}


class Mask(_Kind):
    """The path of a (height, width) uint8 array; VOID counts for nothing."""

    noun = "mask"

    def check(self, items):
        return ()

    def words(self, target):
        return target.name

    def read(self, target, where):
        try:
            mask = np.load(target)
        except (OSError, TypeError, ValueError) as exc:
            raise DataError(f"{where}: its mask {target} cannot be read: {exc}") from exc
        if not np.isin(mask, (*range(len(CLASSES)), VOID)).all():
            raise DataError(f"{where}: {target} holds classes beyond {len(CLASSES) - 1}")
        return mask

    def transform(self, targets, changes, facts):
        mask = targets["mask"]
        for _ in changes:
            mask = mask[:, ::-1]
        return {"mask": np.ascontiguousarray(mask)}


class Phrase(_Kind):
    noun = "text"
    moves = False

    def check(self, items):
        for record in items:
            if not record.target:
                yield Finding("error", f"{record.key}: no text")

    def words(self, target):
        return target

    def read(self, target, where):
        if not isinstance(target, str):
            raise DataError(f"{where}: {target!r} is no text")
        return target

    def transform(self, targets, changes, facts):
        return targets
