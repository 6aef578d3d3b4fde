"""Files of what was made: a JSON object a line, each a frozen dataclass whose fields are texts or None."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headstart.errors import DataError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


def write_lines(path: Path, rows: Iterable[DataclassInstance]) -> None:
    """Write each row as a line, UTF-8. Raises OSError."""
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)


def read_lines(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of `kind` in `path`. Raises DataError naming the file, and the line that is none."""
    found: list[Row] = []
    try:
        with path.open(encoding="utf-8") as file:
            found.extend(_row(line, kind) for line in file)
    except (OSError, ValueError) as exc:
        hint = "remove its folder, and make the data again"
        raise DataError(f"{path}, line {len(found) + 1}: cannot be read: {exc}", hint=hint) from exc
    return found


def _row(line: str, kind: type[Row]) -> Row:
    values: Any = json.loads(line)
    names = {field.name for field in fields(kind)}
    if not isinstance(values, dict) or values.keys() != names:
        raise ValueError(f"expected an object with {', '.join(sorted(names))}")
    if not all(isinstance(each, str | None) for each in values.values()):
        raise ValueError("expected texts alone")
    return kind(**values)
