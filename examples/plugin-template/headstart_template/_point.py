"""Reads points of pictures, and moves them as their pictures move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from headstart.errors import DataError
from headstart.specs import Change, Facts, Finding, Recognised, Record, Records, TargetRequest


def build(request: TargetRequest) -> Point:
    """The kind has no options."""
    return Point()


class Point:
    """A target is a text such as "0.25 0.5": shares of width and height, from the upper left corner.

    A value is the tuple of both. A task for it encodes them as "point" (2,) float32.
    """

    noun = "point"
    exclusive = False
    moves = True

    def recognise(self, records: Records) -> Recognised | None:
        """Never: two numbers could mean anything, so a dataset of points says so."""
        return None

    def check(self, items: Sequence[Record]) -> Iterable[Finding]:
        """An error for each target that cannot be read."""
        for record in items:
            try:
                self.read(record.target, record.key)
            except DataError as error:
                yield Finding("error", error.message, hint=error.hint)

    def names(self, target: Any) -> tuple[str, ...]:
        """Nothing: a point that train lacks can be learned from its neighbours."""
        return ()

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """The quarter of the picture that each lies in."""
        points = [self.read(target, "a target") for target in targets]
        return [("lower" if y > 0.5 else "upper", "right" if x > 0.5 else "left") for x, y in points]

    def words(self, target: Any) -> str:
        """As it was written."""
        return str(target)

    def read(self, target: Any, where: str) -> tuple[float, float]:
        """Both shares. Raises DataError where there are not two numbers from 0 to 1."""
        try:
            x, y = map(float, target.split())
        except (AttributeError, ValueError) as exc:
            raise DataError(f"{where}: {target!r} is no point", hint="write two numbers, as 0.25 0.5") from exc
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise DataError(f"{where}: the point {target!r} lies outside of the picture", hint="write shares of 0 to 1")
        return x, y

    def transform(
        self, targets: Mapping[str, np.ndarray], changes: Sequence[Change], facts: Facts
    ) -> Mapping[str, np.ndarray]:
        """Moved by each matrix; other changes of pictures move nothing."""
        point = targets["point"]
        for change in changes:
            if change.name == "matrix":  # it maps the new picture to the old one
                x, y, _ = np.linalg.solve(np.array(change.value), (*(point - 0.5), 1.0))
                point = np.array((x + 0.5, y + 0.5), np.float32)
        return {**targets, "point": point}
