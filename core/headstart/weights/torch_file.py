"""Reads the tensors of a torch file, legacy or zip form, as numpy arrays: without torch, running nothing.

The legacy form is five pickles (magic number, protocol 1001, facts about the machine, the object, the
storages' keys) and then, for each key, an int64 count and the little-endian numbers. The zip form keeps the
object in `data.pkl` and each storage in `data/KEY`. Checked against `torch.load` of the same files.
"""

from __future__ import annotations

import reprlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from headstart.errors import MissingWeightsError, WrongWeightsError
from headstart.weights.pickled_data import PickledDataError, Storage, TensorView, read_pickled_data

MAX_BYTES = 16 << 30
MAX_TENSORS = 100_000
MAX_DEPTH = 8
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
UNREADABLE = (PickledDataError, zipfile.BadZipFile, EOFError, RuntimeError, OSError)
HINT = "expected a state dict saved by torch.save: names and tensors only"


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Every tensor in `path` by name, in the file's order, as read-only arrays of the file's dtype.

    Names of nested dicts are joined by "/" (`model_state/linear.weight`); values that are not tensors
    (counts, settings) are left out. Each array is a view of its storage, so memory stays below the size of
    the file.

    Raises MissingWeightsError where there is no such file, and WrongWeightsError, naming what was found, for
    anything that is not plain tensors: unknown opcodes or names, truncation, strides beyond the storage.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PickledDataError(f"{size} bytes; at most {MAX_BYTES} are read")
        with path.open("rb") as file:
            return _read_zip(file, size) if zipfile.is_zipfile(file) else _read_legacy(file, size)
    except FileNotFoundError as exc:
        raise MissingWeightsError(f"there is no weights file {path}", hint="check the path") from exc
    except UNREADABLE as exc:
        raise WrongWeightsError(f"{path} cannot be read as a torch weights file: {exc}", hint=HINT) from exc


def _read_legacy(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    file.seek(0)
    _expect("magic number", read_pickled_data(file), LEGACY_MAGIC)
    _expect("protocol", read_pickled_data(file), LEGACY_PROTOCOL)
    machine = read_pickled_data(file)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise PickledDataError("numbers that are not little-endian")
    tensors = _flatten(read_pickled_data(file))
    storages = _storages(tensors)
    keys = read_pickled_data(file)
    texts = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not texts or len(set(keys)) != len(keys) or not storages.keys() <= set(keys):
        raise PickledDataError("a list of storages that does not match the tensors")
    numbers = {key: _read_run(file, storages.get(key), size) for key in keys}
    return {name: _array(view, numbers[view.storage.key]) for name, view in tensors.items()}


def _expect(what: str, found: Any, expected: int) -> None:
    if found != expected:
        raise PickledDataError(f"the {what} is {reprlib.repr(found)}, expected {expected}")


def _read_run(file: BinaryIO, storage: Storage | None, size: int) -> np.ndarray:
    """One storage of the legacy form: its count, then its numbers."""
    if storage is None:
        raise PickledDataError("a storage that no tensor uses, so its dtype is unknown")
    (count,) = np.frombuffer(_read_exactly(file, 8, size), "<i8")
    if count != storage.count:
        raise PickledDataError(f"storage {storage.key} holds {count} numbers, its tensors say {storage.count}")
    wanted = storage.count * np.dtype(storage.dtype).itemsize
    return np.frombuffer(_read_exactly(file, wanted, size), storage.dtype)


def _read_exactly(file: BinaryIO, count: int, size: int) -> bytes:
    """`count` bytes, asked for only after the file is known to hold them."""
    left = size - file.tell()
    if count > left:
        raise PickledDataError(f"the file is truncated: {count} bytes expected, {left} left")
    return file.read(count)


def _read_zip(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        entries = _entries(archive, size)
        if "data.pkl" not in entries:
            raise PickledDataError("a zip archive without data.pkl")
        order = archive.read(entries["byteorder"]) if "byteorder" in entries else b"little"
        if order != b"little":
            raise PickledDataError("numbers that are not little-endian")
        with archive.open(entries["data.pkl"]) as stream:
            tensors = _flatten(read_pickled_data(stream))  # type: ignore[arg-type]  # reads, tells: all that is used
        numbers = {key: _read_entry(archive, entries, storage) for key, storage in _storages(tensors).items()}
    return {name: _array(view, numbers[view.storage.key]) for name, view in tensors.items()}


def _entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries without their common folder, refused where they could unpack to more."""
    listed = archive.infolist()
    packed = [entry.filename for entry in listed if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in listed) > size:
        raise PickledDataError(f"compressed or overlapping entries ({', '.join(packed[:3])})")
    return {entry.filename.partition("/")[2]: entry for entry in listed}


def _read_entry(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], storage: Storage) -> np.ndarray:
    entry = entries.get(f"data/{storage.key}")
    wanted = storage.count * np.dtype(storage.dtype).itemsize
    if entry is None or entry.file_size != wanted:
        found = "absent" if entry is None else f"{entry.file_size} bytes"
        raise PickledDataError(f"storage {storage.key} is {found}, its tensors need {wanted} bytes")
    return np.frombuffer(archive.read(entry), storage.dtype)


def _flatten(root: Any) -> dict[str, TensorView]:
    """The tensors of nested dicts by joined name. Refuses none, too many, or a name twice."""
    if not isinstance(root, dict):
        raise PickledDataError(f"a {type(root).__name__} instead of a dict of tensors")
    found: dict[str, TensorView] = {}
    for count, (name, value) in enumerate(_walk(root, "", MAX_DEPTH)):
        if count > MAX_TENSORS or name in found:
            raise PickledDataError(f"more than {MAX_TENSORS} values, or the name {name!r:.80} twice")
        if isinstance(value, TensorView):
            found[name] = value
    if not found:
        raise PickledDataError("no tensor in it")
    return found


def _walk(branch: dict[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every value below `branch`, dicts opened; a dict inside itself ends at `depth`."""
    if depth == 0:
        raise PickledDataError(f"dicts nested more than {MAX_DEPTH} deep")
    for key, value in branch.items():
        yield f"{prefix}{key}", None if isinstance(value, dict) else value
        if isinstance(value, dict):
            yield from _walk(value, f"{prefix}{key}/", depth - 1)


def _storages(tensors: Mapping[str, TensorView]) -> dict[str, Storage]:
    """The storages that the tensors use, by key; one key must mean one storage."""
    storages: dict[str, Storage] = {}
    for view in tensors.values():
        if storages.setdefault(view.storage.key, view.storage) != view.storage:
            raise PickledDataError(f"storage {view.storage.key} with two dtypes or sizes")
    return storages


def _array(view: TensorView, numbers: np.ndarray) -> np.ndarray:
    strides = tuple(stride * numbers.itemsize for stride in view.strides)
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides, writeable=False)
