"""Prepared samples on disk: files that were read before, by the same kind of reading, are not decoded again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.cache import Cache
from headstart.data.array_folder import create_arrays, open_arrays, seal_arrays
from headstart.data.hashing import content_hash
from headstart.data.reading import Allocate, Reading
from headstart.data.storage import allocate
from headstart.errors import DataError, HeadstartError
from headstart.specs import Record, Skipped

KIND = "samples"
READING = "reading.json"


@dataclass(frozen=True)
class SampleStore:
    """Readings in the cache; below `scratch`, for this run alone, where the cache cannot be written.

    `read_by` says as plain values what reads: the input kind, its options, the weights' preprocessing, versions.
    """

    cache: Cache
    read_by: Mapping[str, Any]
    scratch: Path | None
    warn: Callable[[str], None]

    def fetch(self, items: Sequence[Record], read: Callable[[Allocate], Reading]) -> Reading:
        """The reading of `items`, from the cache or by `read`, which puts tensors where it is given room."""
        key = {"read_by": self.read_by, "files": _hash_contents(items), "count": len(items)}
        facts = {"input": self.read_by.get("input"), "rows": len(items)}
        with contextlib.suppress(FileNotFoundError):  # another process may clear the cache at any moment
            if found := self.cache.get(KIND, key):
                return _load(found, items)
        try:
            return _load(self.cache.add(KIND, key, lambda folder: _save(folder, items, read), facts), items)
        except HeadstartError as exc:
            if type(exc) is not HeadstartError:  # the data's fault, not the disk's
                raise
            self.warn(f"{exc.message}; samples are kept for this run alone")
        return read(lambda specs, count: allocate(specs, count, self.scratch))


def _hash_contents(items: Sequence[Record]) -> str:
    """One SHA-256 over the keys and contents of all records, in order; what cannot be read counts as such."""
    digest = hashlib.sha256()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for item, content in zip(items, pool.map(_content, items, chunksize=16), strict=True):
            digest.update(f"{item.key}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _content(item: Record) -> str:
    try:
        return content_hash(item.payload, item.key)
    except DataError:
        return "unreadable"


def _save(folder: Path, items: Sequence[Record], read: Callable[[Allocate], Reading]) -> None:
    reading = read(lambda specs, count: create_arrays(folder, specs, count))
    seal_arrays(folder, reading.tensors)
    document = {
        "keys": [item.key for item in reading.items],
        "hashes": list(reading.hashes),
        "fingerprints": dict(reading.fingerprints),
        "notes": dict(reading.notes),
        "skipped": [[each.where, each.reason] for each in reading.skipped],
    }
    (folder / READING).write_text(json.dumps(document), encoding="utf-8")


def _load(folder: Path, items: Sequence[Record]) -> Reading:
    document = json.loads((folder / READING).read_text(encoding="utf-8"))
    return Reading(
        items=tuple(_kept(items, document["keys"])),
        hashes=tuple(document["hashes"]),
        tensors=open_arrays(folder),
        fingerprints=document["fingerprints"],
        notes=document["notes"],
        skipped=tuple(Skipped(where, reason) for where, reason in document["skipped"]),
    )


def _kept(items: Sequence[Record], keys: Sequence[str]) -> Iterator[Record]:
    """The records with `keys`, which come in the same order."""
    wanted = iter(keys)
    following = next(wanted, None)
    for item in items:
        if item.key == following:
            yield item
            following = next(wanted, None)
