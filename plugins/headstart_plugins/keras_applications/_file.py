"""Reads Keras' weight files as data: the legacy `.h5`, `.weights.h5` and the one inside `.keras`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from headstart.errors import WrongWeightsError

MAX_BYTES = 8 * 1024**3
"""Beyond any network of keras.applications; a larger member of a `.keras` file is refused."""


@dataclass(frozen=True)
class Entry:
    """One layer of a file: its name there and its arrays, trainable ones first as Keras writes them."""

    name: str
    arrays: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class WeightFile:
    """The weighted layers of a file. `ordered`: in the model's order, a nested model being one layer."""

    entries: tuple[Entry, ...]
    ordered: bool


def read_file(path: Path) -> WeightFile:
    """Every array in `path`. Raises WrongWeightsError where it is no weight file of Keras."""
    try:
        with h5py.File(_open(path), "r") as file:
            return _read(file.get("model_weights", file))
    except (OSError, KeyError, zipfile.BadZipFile) as exc:
        raise WrongWeightsError(
            f"{path}: expected a weight file of Keras (.h5, .weights.h5 or .keras), received something else",
            hint="get the file again, or name another one",
        ) from exc


def _open(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("model.weights.h5")
        if member.file_size > MAX_BYTES:
            raise WrongWeightsError(f"{path}: its weights claim {member.file_size} bytes, at most {MAX_BYTES}")
        return io.BytesIO(archive.read(member))


def _read(group: Any) -> WeightFile:
    names = _attribute(group, "layer_names")
    if names:
        return WeightFile(tuple(_legacy_entries(group, names)), ordered=True)
    return WeightFile(tuple(_new_entries(group)), ordered=False)


def _legacy_entries(group: Any, names: list[str]) -> Iterator[Entry]:
    for name in names:
        arrays = tuple(np.asarray(group[name][weight]) for weight in _attribute(group[name], "weight_names"))
        if arrays:
            yield Entry(name, arrays)


def _attribute(group: Any, name: str) -> list[str]:
    """A list of strings; Keras spreads long ones over `name0`, `name1`, ..."""
    if name in group.attrs:
        chunks = [group.attrs[name]]
    else:
        count = 0
        while f"{name}{count}" in group.attrs:
            count += 1
        chunks = [group.attrs[f"{name}{i}"] for i in range(count)]
    return [item.decode() if isinstance(item, bytes) else str(item) for chunk in chunks for item in chunk]


def _new_entries(group: Any) -> Iterator[Entry]:
    """Depth first over `layers/KIND_INDEX/.../vars/0, 1, ...`; the layer's own name is an attribute."""
    for key, child in group.items():
        if not isinstance(child, h5py.Group) or key == "optimizer":
            continue
        if "vars" in child and len(child["vars"]):
            arrays = tuple(np.asarray(child["vars"][i]) for i in sorted(child["vars"], key=int))
            yield Entry(str(child.attrs.get("name") or child["vars"].attrs.get("name") or key), arrays)
        yield from _new_entries(child)
