"""Reads safetensors of any float type, in one file or in the shards that an index lists, as float32."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.documents import read_object
from headstart.errors import UsageError, WrongWeightsError

if TYPE_CHECKING:
    import numpy as np

INDEX = ".index.json"
WEIGHTS = ("model.safetensors", f"model.safetensors{INDEX}")
"""What transformers saves them in: one file, or the index of several."""
FLOATS: Mapping[str, str] = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
LARGEST_HEADER = 100 * 2**20


class StoredArrays:
    """The arrays of a safetensors file, or of the shards that an index lists; each is read when it is asked for.

    Written out here since `safetensors.numpy` 0.8 knows bfloat16 only where `ml_dtypes` was imported before. Raises
    WrongWeightsError for what is no such file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._places: dict[str, tuple[Path, int, Mapping[str, Any]]] = {}
        for shard in _shards(file) if file.name.endswith(INDEX) else [file]:
            begin, header = _header(shard)
            self._places |= {name: (shard, begin, facts) for name, facts in header.items()}

    @property
    def names(self) -> frozenset[str]:
        """Of all arrays."""
        return frozenset(self._places)

    def read(self, name: str) -> np.ndarray:
        """One array as float32, of its own shape. Raises WrongWeightsError for one that holds no floats."""
        import numpy as np  # folders are looked at where no array is read

        file, begin, facts = self._places[name]
        kind, shape, (start, stop) = facts["dtype"], tuple(facts["shape"]), facts["data_offsets"]
        dtype = "<u2" if kind == "BF16" else FLOATS.get(kind)
        if dtype is None:
            raise WrongWeightsError(f"{file}: {name} holds {kind}", hint=f"expected BF16, {', '.join(FLOATS)}")
        count = math.prod(shape)
        if stop - start != count * np.dtype(dtype).itemsize or begin + stop > file.stat().st_size:
            raise WrongWeightsError(f"{file}: {name} is cut short", hint="get another copy of the weights")
        raw = np.fromfile(file, dtype, count, offset=begin + start).reshape(shape)
        if kind == "BF16":  # the upper half of a float32
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32, copy=False)


def weights_in(folder: Path) -> str:
    """Which of WEIGHTS a folder has. Raises UsageError where it has neither."""
    found = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        others = sorted(each.name for each in folder.glob("*.bin")) or sorted(each.name for each in folder.glob("*.h5"))
        had = f", it has {others[0]}" if others else ""
        raise UsageError(
            f"{folder} has no {WEIGHTS[0]}{had}", hint="save the model again with transformers: save_pretrained(FOLDER)"
        )
    return found


def _shards(index: Path) -> list[Path]:
    listed = read_object(index, LARGEST_HEADER, WrongWeightsError).get("weight_map")
    files = sorted(set(listed.values())) if isinstance(listed, dict) and _all_of(str, listed.values()) else []
    if not files or any("/" in name or "\\" in name for name in files):
        raise WrongWeightsError(
            f"{index} is no index of shards", hint="expected an object whose `weight_map` has a file beside it an array"
        )
    return [index.parent / name for name in files]


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Where the data of a file begins, and what its header says of each array."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > min(LARGEST_HEADER, file.stat().st_size - 8):
                raise ValueError(f"its header claims {length} bytes")
            header = json.loads(stream.read(length).decode("utf-8"))
        header.pop("__metadata__", None)
        for name, facts in header.items():
            start, stop = facts["data_offsets"]
            numbers = [*facts["shape"], start, stop - start]
            if not _all_of(int, numbers) or min(numbers) < 0 or not isinstance(facts["dtype"], str):
                raise ValueError(f"{name} has {facts}")
    except FileNotFoundError as exc:
        raise WrongWeightsError(f"there is no {file}", hint="the folder is not whole: get it again") from exc
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise WrongWeightsError(f"{file} cannot be read as safetensors: {exc}", hint="get another copy") from exc
    return 8 + length, header


def _all_of(kind: type, values: Iterable[Any]) -> bool:
    return all(isinstance(value, kind) for value in values)
