"""Arrays under our names in safetensors files: data with a JSON header, nothing that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.atomic import explained
from headstart.errors import MissingWeightsError, WrongWeightsError

SUFFIX = ".safetensors"
MAX_HEADER = 64 << 20
HINT = "expected a .safetensors file of arrays named stage/index/role"


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` by name to `path`, each in its own shape and dtype.

    Neither atomic nor durable by itself: write into a folder that is renamed afterwards
    (`headstart.atomic.write_directory`).
    Raises HeadstartError with path and reason where the disk is full or permission is missing.
    """
    from safetensors.numpy import save

    data = save({name: np.require(array, requirements="C") for name, array in arrays.items()})
    with explained(path):
        path.write_bytes(data)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of `path` by name.

    Raises MissingWeightsError, WrongWeightsError for a broken file, OSError where the system does not let it be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        _check_header(path)
        return dict(load_file(path))
    except FileNotFoundError as exc:
        raise MissingWeightsError(f"there is no weights file {path}", hint="check the path") from exc
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise WrongWeightsError(f"{path} cannot be read as safetensors: {exc}", hint=HINT) from exc


def _check_header(path: Path) -> None:
    """Refuse a header whose length cannot be true before anything is allocated for it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MAX_HEADER):
        raise ValueError(f"its header claims {length} bytes in a file of {size}")
