"""Reads and prepares every record once, in threads; memory beside the result does not grow with their number."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np

from headstart.data.array_store import Append, ArrayStore
from headstart.data.checks import WARNING
from headstart.data.facts import ENDS, Picked, facts_arrays, stored_facts
from headstart.data.hashing import content_hash
from headstart.data.lengths import Lengths
from headstart.data.payloads import in_memory
from headstart.documents import as_bytes
from headstart.errors import DataError, PluginError
from headstart.specs import Facts, InputKind, Prepared, PreparesSeveral, Record, Sample, Skipped, Trims
from headstart.threads import available_threads

OnProgress = Callable[[int, int], None]
"""Called with how many of how many records were read, in the calling thread."""
Verify = Callable[[Sequence[Skipped], int], None]
"""Called with the records that cannot be read and how many there are in all; raises DataError for too many."""

KIND = "samples"
"""What readings are called in the cache."""
LAYOUT = 5
"""Changes when readings lie otherwise in the cache."""
OWNERS, LENGTHS, READING = "/owners", "/lengths", "/reading"
"""Arrays beside the tensors: no tensor is called so."""
NO_LENGTH = -1
BLOCK = 64
"""Records handed to the threads at once: an interrupt waits for no more than these, and so many wait to be written."""
MAX_THREADS = 8


@dataclass(frozen=True)
class Reading:
    """What reading gave: the readable `items` in order with their content hashes, and their rows.

    `tensors` are (row, ...), `owners` (row,) int64 the position in `items` of the record that each row is of, `lengths`
    those of the rows where they differ, `facts` those of each row. Fingerprints are by key, notes counted; of those
    that warn, `warned` has the keys.
    """

    items: tuple[Record, ...]
    hashes: tuple[str, ...]
    tensors: Mapping[str, np.ndarray]
    owners: np.ndarray
    lengths: Lengths | None
    facts: Sequence[Facts]
    fingerprints: Mapping[str, int]
    notes: Mapping[str, int]
    warned: Mapping[str, Sequence[str]]
    skipped: tuple[Skipped, ...]

    def only(self, keys: Collection[str], store: ArrayStore) -> Reading:
        """What reading gave of the records with these `keys`; the arrays are written again as `store.keep` does."""
        kept = [place for place, item in enumerate(self.items) if item.key in keys]
        rows = np.flatnonzero(np.isin(self.owners, kept))

        def fill(append: Append) -> None:
            for start in range(0, max(1, len(rows)), BLOCK):
                block = rows[start : start + BLOCK]
                append({name: array[block] for name, array in self.tensors.items()})

        return replace(
            self,
            items=tuple(self.items[place] for place in kept),
            hashes=tuple(self.hashes[place] for place in kept),
            tensors=store.keep(fill),
            owners=np.searchsorted(kept, self.owners[rows]).astype(np.int64),
            lengths=None if self.lengths is None else self.lengths.only(rows),
            facts=Picked(self.facts.__getitem__, rows),
        )


@dataclass(frozen=True)
class _Read:
    content_hash: str
    fingerprint: int | None
    notes: tuple[str, ...]
    rows: Sequence[Prepared]


def prepared_of(kind: InputKind, sample: Sample, where: str) -> Sequence[Prepared]:
    """The rows of one sample: one, or several where the kind makes several. Raises PluginError naming `where` for
    none."""
    if not isinstance(kind, PreparesSeveral):
        return (kind.prepare(sample),)
    rows = kind.prepare_several(sample)
    if not rows:
        raise PluginError(
            f"{where}: the input kind made no row of it",
            hint="leave the sample out; the kind's author should give one row at least, or refuse it in `read`",
        )
    return rows


def read_all(
    items: Sequence[Record],
    kind: InputKind,
    *,
    store: ArrayStore,
    read_by: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
    verify: Verify | None = None,
) -> Reading:
    """Read `items`, or take what was read of the same contents before from `store`.

    `read_by` says as plain values what reads: the input kind, its options, the weights' preprocessing, versions;
    without it nothing is kept. What `verify` raises passes through, and nothing is kept then either; without it any
    number may be unreadable.
    """
    hashes = [None] * len(items) if read_by is None else _hashes(items)

    def fill(append: Append) -> None:
        skipped = _read_into(append, items, hashes, kind, on_progress)
        if verify is not None:
            verify(skipped, len(items))

    if read_by is None:
        arrays = store.keep(fill)
    else:
        files = hashlib.sha256()  # over the keys and contents of all records, in order
        for item, digest in zip(items, hashes, strict=True):
            files.update(as_bytes(f"{item.key}\0{digest or 'unreadable'}\n"))
        key = {"read_by": read_by, "files": files.hexdigest(), "count": len(items), "layout": LAYOUT}
        arrays = store.fetch(KIND, key, {"input": read_by.get("input"), "records": len(items)}, fill)
    document = json.loads(arrays[READING].tobytes())
    used = arrays[LENGTHS]
    lengths = None
    if isinstance(kind, Trims) and not (used == NO_LENGTH).all():
        lengths = Lengths(np.where(used == NO_LENGTH, kind.lengths[-1], used), kind.lengths)
    reading = Reading(
        items=tuple(items[place] for place in document["kept"]),
        hashes=tuple(document["hashes"]),
        tensors={name: arrays[name] for name in kind.tensors},
        owners=arrays[OWNERS],
        lengths=lengths,
        facts=stored_facts(arrays),
        fingerprints=document["fingerprints"],
        notes=document["notes"],
        warned=document["warned"],
        skipped=tuple(Skipped(*each) for each in document["skipped"]),
    )
    if verify is not None:  # it may have been read where more could be unreadable
        verify(reading.skipped, len(items))
    return reading


def _hashes(items: Sequence[Record]) -> list[str | None]:
    """The content hash of each record, by threads; None where it cannot be read."""
    with ThreadPoolExecutor(available_threads()) as pool:
        return list(pool.map(_hash, items))


def _hash(item: Record) -> str | None:
    try:
        return content_hash(item.payload, item.key)
    except DataError:
        return None


def _read_into(
    append: Append,
    items: Sequence[Record],
    known: Sequence[str | None],
    kind: InputKind,
    on_progress: OnProgress | None,
) -> list[Skipped]:
    """Append the rows of every record that can be read, and at last what reading them gave; those that cannot.

    `known` are the content hashes of those that are hashed already.
    """
    append({name: np.empty((0, *spec.shape), spec.dtype) for name, spec in kind.tensors.items()})
    append({**facts_arrays([], 0), OWNERS: np.empty(0, np.int64), LENGTHS: np.empty(0, np.int64)})
    hashes: dict[int, str] = {}  # by the record's place in `items`
    fingerprints: dict[str, int] = {}
    notes: Counter[str] = Counter()
    warned: defaultdict[str, list[str]] = defaultdict(list)
    skipped: list[Skipped] = []
    size = done = 0
    for block in _blocks(items, known, kind):
        rows: list[Prepared] = []
        owners: list[int] = []
        for place, (item, found) in enumerate(block, start=done):
            if isinstance(found, Skipped):
                skipped.append(found)
                continue
            rows += found.rows
            owners += [len(hashes)] * len(found.rows)
            hashes[place] = found.content_hash
            notes.update(found.notes)
            for note in found.notes:
                if note.startswith(WARNING):
                    warned[note].append(item.key)
            if found.fingerprint is not None:
                fingerprints[item.key] = found.fingerprint
        if rows:
            append(
                {
                    name: np.stack([np.asarray(row.tensors[name], spec.dtype) for row in rows])
                    for name, spec in kind.tensors.items()
                }
            )
            try:
                facts = facts_arrays([row.facts for row in rows], size)
            except (TypeError, ValueError) as exc:
                raise PluginError(
                    f"the input kind gives facts that are no plain JSON values, in {block[0][0].key} or the "
                    f"{len(block) - 1} records behind it: {exc}",
                    hint="its author should give numbers, texts, lists and mappings of Python's own",
                ) from exc
            size = int(facts[ENDS][-1])
            lengths = [NO_LENGTH if row.length is None else row.length for row in rows]
            append({**facts, OWNERS: np.array(owners, np.int64), LENGTHS: np.array(lengths, np.int64)})
        done += len(block)
        if on_progress is not None:
            on_progress(done, len(items))
    document = {
        "kept": list(hashes),
        "hashes": list(hashes.values()),
        "fingerprints": fingerprints,
        "notes": notes,
        "warned": warned,
        "skipped": [[each.where, each.reason, each.hint] for each in skipped],
    }
    append({READING: np.frombuffer(json.dumps(document).encode(), np.uint8)})
    return skipped


def _blocks(
    items: Sequence[Record], known: Sequence[str | None], kind: InputKind
) -> Iterator[list[tuple[Record, _Read | Skipped]]]:
    """The records in order with what reading each gave, so many at once as may wait for being written."""
    threads = min(MAX_THREADS, available_threads())
    size = threads if isinstance(kind, PreparesSeveral) else BLOCK
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(items), size):
            block = items[start : start + size]
            found = pool.map(_read, block, known[start : start + size], repeat(kind))
            yield list(zip(block, found, strict=True))


def _read(record: Record, known: str | None, kind: InputKind) -> _Read | Skipped:
    try:
        payload = in_memory(record.payload)
        digest = known or content_hash(payload, record.key)
        sample = kind.read(payload, record.key)
    except DataError as error:
        return Skipped(record.key, error.message, error.hint)
    return _Read(digest, kind.fingerprint(sample), sample.notes, prepared_of(kind, sample, record.key))
