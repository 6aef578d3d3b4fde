"""Features on disk: found by what they are, written once, mapped into memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.cache import Cache
from headstart.data.array_folder import create_arrays, open_arrays, seal_arrays
from headstart.data.storage import allocate
from headstart.engine.features.extract import Allocate
from headstart.errors import HeadstartError

KIND = "features"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class FeatureStore:
    """Arrays (count, ...) in the cache; below `scratch`, for this run alone, where the cache cannot be written."""

    cache: Cache
    scratch: Path
    warn: Callable[[str], None]

    def fetch(
        self, key: Mapping[str, Any], count: int, facts: Mapping[str, Any], extract: Callable[[Allocate], Arrays]
    ) -> Arrays:
        """The arrays of `key`, from the cache or by `extract`, which fills what it is given room for.

        `facts` say to a person what they are.
        """
        with contextlib.suppress(FileNotFoundError):  # another process may clear the cache at any moment
            if found := self.cache.get(KIND, key):
                return open_arrays(found)
        try:
            return open_arrays(self.cache.add(KIND, key, lambda folder: self._fill(folder, count, extract), facts))
        except HeadstartError as exc:
            if type(exc) is not HeadstartError:  # the data's or the engine's fault, not the disk's
                raise
            self.warn(f"{exc.message}; features are kept for this run alone")
        return extract(lambda specs: allocate(specs, count, self.scratch))

    def _fill(self, folder: Path, count: int, extract: Callable[[Allocate], Arrays]) -> None:
        seal_arrays(folder, extract(lambda specs: create_arrays(folder, specs, count)))
