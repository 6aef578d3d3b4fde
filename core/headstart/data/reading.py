"""Reads and prepares every record once, in threads; memory beside the result does not grow with their
number."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.checks import check_unreadable
from headstart.data.hashing import content_hash
from headstart.data.storage import allocate, compact
from headstart.errors import DataError
from headstart.specs import InputKind, Record, Skipped, TensorSpec

if TYPE_CHECKING:
    from headstart.data.sample_store import SampleStore

OnProgress = Callable[[int, int], None]
"""Called with how many of how many records were read, in the calling thread."""
Allocate = Callable[[Mapping[str, TensorSpec], int], dict[str, np.ndarray]]
"""Room for so many prepared samples."""

BLOCK = 64
"""Records handed to the threads at once: an interrupt waits for no more than these."""
MAX_THREADS = 8


@dataclass(frozen=True)
class Reading:
    """What reading gave: the readable `items` in order, their content hashes and `tensors` (rows, ...) in
    that order."""

    items: tuple[Record, ...]
    hashes: tuple[str, ...]
    tensors: Mapping[str, np.ndarray]
    fingerprints: Mapping[str, int]
    notes: Mapping[str, int]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class _Read:
    content_hash: str
    fingerprint: int | None
    notes: tuple[str, ...]


def read_all(
    items: Sequence[Record],
    kind: InputKind,
    *,
    scratch: Path | None,
    on_progress: OnProgress | None,
    store: SampleStore | None = None,
    any_unreadable: bool = False,
) -> Reading:
    """Read `items`, or take what was read of the same files before from `store`.

    Raises DataError listing the first few where more than 1 % are unreadable, unless `any_unreadable` may be.
    """

    def read(allocate: Allocate) -> Reading:
        found = _read(items, kind, allocate(kind.tensors, len(items)), on_progress)
        if not any_unreadable:
            check_unreadable(found.skipped, len(items))
        return found

    if store is not None:
        return store.fetch(items, read)
    return read(lambda specs, count: allocate(specs, count, scratch))


def _read(
    items: Sequence[Record], kind: InputKind, tensors: dict[str, np.ndarray], on_progress: OnProgress | None
) -> Reading:
    def read(index: int) -> _Read | Skipped:
        return _read_into(tensors, index, items[index], kind)

    results: list[_Read | Skipped] = []
    for block in _blocks(read, len(items)):
        results.extend(block)
        if on_progress is not None:
            on_progress(len(results), len(items))
    skipped = tuple(result for result in results if isinstance(result, Skipped))
    return _reading(items, results, tensors, skipped)


def _blocks(read: Callable[[int], _Read | Skipped], count: int) -> Iterator[list[_Read | Skipped]]:
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, count, BLOCK):
            yield list(pool.map(read, range(start, min(start + BLOCK, count))))


def _read_into(tensors: Mapping[str, np.ndarray], index: int, record: Record, kind: InputKind) -> _Read | Skipped:
    try:
        digest = content_hash(record.payload, record.key)
        sample = kind.read(record.payload, record.key)
    except DataError as error:
        return Skipped(record.key, error.message)
    for name, array in kind.prepare(sample).items():
        tensors[name][index] = array
    return _Read(digest, kind.fingerprint(sample), sample.notes)


def _reading(
    items: Sequence[Record],
    results: Sequence[_Read | Skipped],
    tensors: Mapping[str, np.ndarray],
    skipped: tuple[Skipped, ...],
) -> Reading:
    good = [(index, result) for index, result in enumerate(results) if isinstance(result, _Read)]
    kept = np.array([index for index, _ in good], np.int64)
    return Reading(
        items=tuple(items[index] for index, _ in good),
        hashes=tuple(result.content_hash for _, result in good),
        tensors=compact(tensors, kept),
        fingerprints={items[i].key: r.fingerprint for i, r in good if r.fingerprint is not None},
        notes=Counter(note for _, result in good for note in result.notes),
        skipped=skipped,
    )
