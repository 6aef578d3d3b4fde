"""What a Parquet file says of itself before its rows are read: its columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart_plugins._files.given import PARQUET
from headstart_plugins._files.names import SPLIT_NAMES, side_in

if TYPE_CHECKING:
    import pyarrow


def first_parquet(path: Path) -> Path | None:
    """The file itself, or the first one in a folder, in its folder `data` or in that of a side."""
    if path.suffix.lower() == PARQUET and path.is_file():
        return path
    if not path.is_dir():
        return None
    try:
        named = sorted(each for each in path.iterdir() if each.name.lower() in ("data", *SPLIT_NAMES))
    except OSError:  # whoever opens it says so
        return None
    return next((file for folder in (path, *named) for file in sorted(folder.glob(f"*{PARQUET}"))), None)


def holds_pictures(path: Path) -> bool:
    """Whether a file has pictures inside. Without pyarrow its name must do: that of a side, as the Hub names them."""
    try:
        import pyarrow.parquet
    except ImportError:
        return side_in(Path(path.name)) is not None
    try:
        schema = pyarrow.parquet.read_schema(path)
    except (OSError, ValueError, pyarrow.ArrowException):  # whoever opens it says so
        return False
    return not {"path", "text"} & set(schema.names) and bool(picture_columns(schema))


def picture_columns(schema: pyarrow.Schema) -> list[str]:
    """The columns that the Hub's libraries call images; where they call none anything, those that hold bytes."""
    from pyarrow import types

    features = features_of(schema)
    if features:
        return [name for name, each in features.items() if each.get("_type") == "Image"]

    def is_bytes(kind: pyarrow.DataType) -> bool:
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    found = []
    for column in schema:
        kind = column.type
        index = kind.get_field_index("bytes") if types.is_struct(kind) else -1
        if is_bytes(kind) or (index >= 0 and is_bytes(kind.field(index).type)):
            found.append(column.name)
    return found


def features_of(schema: pyarrow.Schema) -> Mapping[str, Mapping[str, Any]]:
    """What the Hub's libraries say of each column; nothing where they did not write the file."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: each for name, each in features.items() if isinstance(each, dict) and name in schema.names}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
