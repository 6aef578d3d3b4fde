"""What was computed once and can be computed again, on disk: found by what it is, verified, kept below a limit.

An entry is the folder `KIND/DIGEST` below the root, with a manifest; its modification time is its last use. Any number
of processes may read, write and remove at once: an entry takes and loses its name by one rename, so that it is whole
where it is seen, and what a process has mapped into memory stays its own. One that is removed is hidden by one rename
first, so that nobody sees a part of it. Every byte of an entry is verified once a process, later only what the file
system knows of it. Standard library only.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.atomic import remove_unnamed, write_directory
from headstart.backend import cache_folder
from headstart.documents import read_object
from headstart.errors import DataError, HeadstartError, PluginError, UsageError
from headstart.manifest import CACHE, LARGEST_MANIFEST, MANIFEST, SEAL, read_manifest, write_manifest

COMPILED = "jax"
"""The folder that JAX keeps its compiled programs in; it removes none, and we remove all of them or none."""
ATTEMPTS = 3
DAY = 24 * 3600
LIMIT_VARIABLE = "HEADSTART_CACHE_LIMIT"
DEFAULT_LIMIT = "20GB"
WHAT_TO_DO = "free some space, set HEADSTART_CACHE to another folder, or run `headstart cache prune`"

_KIND = re.compile(r"[a-z][a-z0-9_-]*")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_HIDDEN = re.compile(rf"\.(?:[0-9a-f]{{32}}|{COMPILED})\.[0-9a-f]{{32}}(?P<removed>\.removed)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?", re.IGNORECASE | re.ASCII)

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size in bytes and time of change (ns) of everything in a folder. Writing to a file alters it."""

_verified: dict[Path, Fingerprint] = {}


@dataclass(frozen=True)
class Entry:
    """One thing in the cache. `size` is in bytes, `used` in seconds since the epoch."""

    kind: str
    digest: str
    path: Path
    size: int
    used: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the entry is called in listings; compiled programs are one entry without a digest."""
        return f"{self.kind}/{self.digest}" if self.digest else self.kind

    @property
    def is_leftover(self) -> bool:
        """Whether this is a part that a writer or remover has left."""
        return self.digest.startswith(".")


def open_cache(warn: Callable[[str], None] | None = None) -> Cache:
    """The user's cache: at HEADSTART_CACHE or in the user's cache folder, of at most HEADSTART_CACHE_LIMIT.

    Reads no file and makes no folder. `warn` hears of damage. Raises UsageError where the limit is no size.
    """
    limit = parse_size(os.environ.get(LIMIT_VARIABLE) or DEFAULT_LIMIT, LIMIT_VARIABLE)
    root = cache_folder()
    with suppress(FileNotFoundError):  # the working folder is gone: what is written below it says so
        root = root.absolute()
    return Cache(root, limit, warn)


def parse_size(text: str, origin: str) -> int:
    """`text` in bytes: "512MB", "1.5 GB", "2GiB" or plain bytes; a factor is 1000, with an `i` 1024.

    Raises UsageError naming `origin`, the flag or variable that said it.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise UsageError(
            f"{origin}: {text!r} is no size", hint="expected bytes, or a number with KB, MB, GB or TB, such as 20GB"
        )
    factor = 1024 if match[3] else 1000
    return int(float(match[1]) * factor ** " KMGT".index(match[2].upper() or " "))


class Cache:
    """The entries below `root`; what is added is kept within `limit` bytes. `warn` hears of damage."""

    def __init__(self, root: Path, limit: int, warn: Callable[[str], None] | None = None) -> None:
        self.root = root
        self.limit = limit
        self._warn = warn or (lambda message: None)

    def get(self, kind: str, key: Mapping[str, Any]) -> Path | None:
        """The folder of a complete entry, every byte verified once a process, its use noted; None without one.

        A damaged entry is removed and told. Another process may remove the folder at any time: open its files at
        once, and take FileNotFoundError for None.
        """
        folder = self._folder(kind, key)
        for _ in range(ATTEMPTS):
            known = _fingerprint(folder)
            if known is None:
                return None
            try:
                if _verified.get(folder) != known:
                    read_manifest(folder, schema=CACHE)
                    _verified[folder] = known
            except (DataError, PluginError, OSError) as problem:
                if _fingerprint(folder) == known:  # or else another process has just removed or replaced it
                    self._give_up(folder, problem)
                    return None
            else:
                with suppress(OSError):  # on a disk that only others may write to, its use is not noted
                    os.utime(folder)
                return folder if folder.is_dir() else None
        return None

    def add(
        self,
        kind: str,
        key: Mapping[str, Any],
        fill: Callable[[Path], None],
        facts: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write what `fill` puts into an empty folder; where that is. `key` and `facts` are plain JSON values.

        What another process has written meanwhile is taken instead. Then the least recently used others are removed
        until the limit holds. What `fill` raises passes through; HeadstartError where the disk is full or the place
        cannot be written. Either leaves nothing behind.
        """
        folder = self._folder(kind, key)
        filling = False

        def write(empty: Path) -> None:
            nonlocal filling
            filling = True
            fill(empty)
            write_manifest(empty, schema=CACHE, facts={**(facts or {}), "key": _digest(key)})
            filling = False

        lost: HeadstartError | None = None
        for _ in range(ATTEMPTS):
            if theirs := self.get(kind, key):
                return theirs
            try:
                write_directory(folder, write, hint=WHAT_TO_DO)
            except HeadstartError as exc:
                if filling or not _is_taken(exc):
                    raise
                lost = exc
                continue
            try:
                self.prune(keep=folder)
            except HeadstartError as exc:  # what was to be written is written
                self._warn(exc.message)
            return folder
        raise HeadstartError(f"cannot write {folder}: something is in its place", hint=WHAT_TO_DO) from lost

    def kinds(self) -> list[str]:
        """The kinds that there is a folder for, by name. Raises HeadstartError where the root cannot be read."""
        try:
            return sorted(path.name for path in self.root.iterdir() if _KIND.fullmatch(path.name) and path.is_dir())
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise HeadstartError(
                f"cannot read the cache {self.root}: {exc.strerror or exc}", hint="set HEADSTART_CACHE to a folder"
            ) from exc

    def entries(self) -> list[Entry]:
        """Everything complete, last used first; compiled programs are one entry. Nothing is verified, and folders of
        other programs are passed over. Raises as `kinds` does."""
        found: list[Entry] = []
        for kind in self.kinds():
            folder = self.root / kind
            if kind == COMPILED:
                if files := list(_files(folder)):
                    size = sum(facts.st_size for facts in files)
                    found.append(Entry(COMPILED, "", folder, size, max(facts.st_mtime for facts in files)))
                continue
            for path in _folders(folder):
                if _DIGEST.fullmatch(path.name) and (path / MANIFEST).is_file():
                    found += _measured(kind, path, _read_facts(path / MANIFEST))
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def leftovers(self, *, older_than: float = 0) -> list[Entry]:
        """Parts of entries whose writer or remover was killed at it, last changed `older_than` seconds ago or before.

        Without `older_than` that includes what a living process is just writing. What was already being removed is
        given whatever its age.
        """
        latest = time.time() - older_than
        found: list[Entry] = []
        for folder in (self.root, *(self.root / kind for kind in self.kinds())):
            kind = COMPILED if folder == self.root else folder.name
            for path in _folders(folder):
                match = _HIDDEN.fullmatch(path.name)
                if match and (match["removed"] or _last_change(path) <= latest):
                    found += _measured(kind, path, {})
        return found

    def size(self) -> int:
        """Bytes of everything of ours, leftovers too."""
        return sum(entry.size for entry in (*self.entries(), *self.leftovers()))

    def sizes(self) -> dict[str, int]:
        """Bytes of the complete entries by kind, the largest first."""
        total: Counter[str] = Counter()
        for entry in self.entries():
            total[entry.kind] += entry.size
        return dict(total.most_common())

    def prune(self, limit: int | None = None, *, keep: Path | None = None) -> list[Entry]:
        """Remove the least recently used, never `keep`, until the rest has at most `limit` bytes, and leftovers; what
        was removed.

        Compiled programs are neither counted nor removed. A leftover is removed once nothing in it has changed for a
        day. Raises HeadstartError where something may not be removed.
        """
        removed = [entry for entry in self.leftovers(older_than=DAY) if _remove(entry)]
        entries = [entry for entry in self.entries() if entry.kind != COMPILED]
        total = sum(entry.size for entry in entries)
        for entry in reversed(entries):
            if total <= (self.limit if limit is None else limit):
                break
            if entry.path != keep:
                total -= entry.size
                removed += [entry] if _remove(entry) else []
        return removed

    def clear(self, kind: str | None = None) -> list[Entry]:
        """Remove everything, or everything of one kind, and leftovers as `prune` does; what was removed.

        What processes are writing just now stays. Raises HeadstartError where something may not be removed.
        """
        found = (*self.entries(), *self.leftovers(older_than=DAY))
        return [entry for entry in found if kind in (None, entry.kind) and _remove(entry)]

    def _folder(self, kind: str, key: Mapping[str, Any]) -> Path:
        if not _KIND.fullmatch(kind) or kind == COMPILED:
            raise ValueError(f"{kind!r} cannot be a kind of entry")
        return self.root / kind / _digest(key)[:32]

    def _give_up(self, folder: Path, problem: Exception) -> None:
        if isinstance(problem, OSError):
            self._warn(f"the cache entry {folder} cannot be read: {problem.strerror or problem}")
            return
        self._warn(f"a damaged cache entry is removed: {problem}")
        try:
            _discard(folder)
        except HeadstartError as exc:
            self._warn(exc.message)


def _digest(key: Mapping[str, Any]) -> str:
    """The SHA-256 (hex) of a key: the key itself can be larger than any manifest, as with a vocabulary in it."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_taken(error: HeadstartError) -> bool:
    """Whether a folder could not be written because its name was taken, before or meanwhile; it may be free again."""
    cause = error.__cause__
    return cause is None or (isinstance(cause, OSError) and cause.errno in (errno.EEXIST, errno.ENOTEMPTY))


def _fingerprint(folder: Path) -> Fingerprint | None:
    """The fingerprint of `folder`; None where it is not there, cannot be read, or vanishes meanwhile."""
    try:
        os.listdir(folder)
        found = [(path.relative_to(folder).as_posix(), path.lstat()) for path in sorted(folder.rglob("*"))]
    except OSError:
        return None
    return tuple((name, facts.st_ino, facts.st_size, facts.st_ctime_ns) for name, facts in found)


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _measured(kind: str, path: Path, facts: Mapping[str, Any]) -> Iterator[Entry]:
    with suppress(FileNotFoundError):  # removed by another process
        used = path.stat().st_mtime
        yield Entry(kind, path.name, path, sum(each.st_size for each in _files(path)), used, facts)


def _files(folder: Path) -> Iterator[os.stat_result]:
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield os.lstat(os.path.join(parent, name))


def _last_change(folder: Path) -> float:
    with suppress(OSError):
        return max([folder.stat().st_mtime, *(facts.st_mtime for facts in _files(folder))])
    return time.time()


def _read_facts(path: Path) -> dict[str, Any]:
    """What stands in a manifest, unverified; empty where it is damaged: then it can be listed and removed still."""
    with suppress(DataError):
        document = read_object(path, LARGEST_MANIFEST)
        return {key: value for key, value in document.items() if key not in ("schema", "files", SEAL)}
    return {}


def _remove(entry: Entry) -> bool:
    """Remove an entry or a leftover; False where another process was faster. Raises as `_discard` does."""
    if not _discard(entry.path):
        return False
    if entry.kind == COMPILED and not entry.is_leftover:
        entry.path.mkdir(exist_ok=True)  # a process that compiles now can still write there
    return True


def _discard(path: Path) -> bool:
    """Take the name from what `path` is, then remove it; False where another process was faster.

    Raises HeadstartError where it may not be removed.
    """
    hidden = (
        path
        if path.name.endswith(".removed")
        else path.with_name(f".{path.name.lstrip('.')[:32].partition('.')[0]}.{uuid.uuid4().hex}.removed")
    )
    try:
        if hidden != path:
            os.rename(path, hidden)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise HeadstartError(f"cannot remove {path}: {exc.strerror or exc}") from exc
    remove_unnamed(hidden)
    return True
