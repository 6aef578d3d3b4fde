"""Zip and tar archives of pictures or texts, indexed once and read in place.

Nothing is unpacked by name, so no name can write anywhere; names that try are refused all the same. A zip and a plain
tar are read where they lie. A compressed tar has no random access: it is decompressed once into a file without a name
in the cache folder, or in that of the system for such files, which ends with the process.
"""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO

from headstart.atomic import make_folders
from headstart.backend import cache_folder
from headstart.data.folders import Walk, is_hidden
from headstart.errors import DataError
from headstart.specs import Finding, Skipped
from headstart_plugins._files.given import TARS, ZIP, Medium, archive_suffix
from headstart_plugins._files.tree import Tree, tree_of
from headstart_plugins.files._inside import AGAIN, require_size, require_unchanged, state_of

Compressed = type[gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]
OPENERS: Mapping[str, Compressed] = {"gz": gzip.GzipFile, "bz2": bz2.BZ2File, "xz": lzma.LZMAFile}
BLOCK = 1024**2
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, ValueError, NotImplementedError, RuntimeError, gzip.BadGzipFile),
)
"""What the standard library raises where an archive is not what it should be."""
DRIVE = re.compile(r"[A-Za-z]:[/\\]|\\")
"""Begins an absolute name on Windows."""
ENCRYPTED = 0x1
"""The bit of a zip's member that says so."""

Read = Callable[[], bytes]


@dataclass(frozen=True)
class Member:
    """One name in an archive. `read` is None for a folder; `left_out` says why a member is not taken."""

    name: str
    read: Read | None = None
    left_out: str | None = None


def read_archive(path: Path, medium: Medium) -> Tree:
    """The archive as the tree of a folder.

    Raises DataError naming the member for names that lead out of the archive or are there twice, and for encrypted
    ones; naming the archive where it is damaged or cut off.
    """
    files: dict[Path, Read] = {}
    folders: set[Path] = set()
    skipped: list[Skipped] = []
    findings: list[Finding] = []
    suffix = archive_suffix(path)
    for member in _zip_members(path, medium) if suffix == ZIP else _tar_members(path, TARS[suffix], findings):
        inner = PurePosixPath(member.name)
        if inner.is_absolute() or ".." in inner.parts or DRIVE.match(member.name):
            raise DataError(f"{path}: the name {member.name!r} leads out of the archive", hint=AGAIN)
        place = path / inner
        if place == path:  # the "./" of a tar
            continue
        if member.left_out is not None:
            skipped.append(Skipped(str(place), member.left_out))
            continue
        if member.read is None:
            folders.add(place)
        elif place in files and medium.holds(place):
            hint = "which of them is meant cannot be told: unpack it, and name the folder"
            raise DataError(f"{path}: {inner} is in it twice", hint=hint)
        else:
            files[place] = member.read
        while (place := place.parent) != path and place not in folders:
            folders.add(place)
    tree = tree_of(path, _walked(path, files, folders), medium)
    return dataclasses.replace(tree, members=files, skipped=tuple(skipped), findings=tuple(findings))


def _walked(path: Path, files: Iterable[Path], folders: Iterable[Path]) -> Walk:
    """What `walk` would find in the unpacked folder."""
    hidden: set[Path] = set()
    above = len(path.parts)

    def shown(places: Iterable[Path]) -> Iterator[Path]:
        for place in places:
            parts = place.parts[above:]
            depth = next((depth for depth, part in enumerate(parts, start=1) if is_hidden(part)), None)
            if depth is None:
                yield place
            else:
                hidden.add(path.joinpath(*parts[:depth]))

    by_parts = attrgetter("parts")
    found = tuple(shown(files)), tuple(shown(folders)), hidden
    return Walk(*(tuple(sorted(each, key=by_parts)) for each in found))


@dataclass(frozen=True, eq=False)
class _Source:
    """What members are read from. A lock stands before what they share; each is decompressed and decoded outside."""

    path: Path
    lock: Lock = field(default_factory=Lock)
    state: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", state_of(self.path))

    def verified(self, where: str, content: bytes, size: int) -> bytes:
        """`content` where it has the declared size and the archive is still the one that was opened."""
        require_unchanged(self.path, self.state)
        if len(content) != size:
            raise DataError(f"{where}: holds {len(content):,} bytes and declares {size:,}", hint=AGAIN)
        return content


@dataclass(frozen=True, eq=False, kw_only=True)
class _Zip(_Source):
    archive: zipfile.ZipFile

    def read(self, info: zipfile.ZipInfo) -> bytes:
        where = f"{self.path}/{info.filename}"
        require_size(where, info.file_size)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # zipfile sets the others no bound on what comes out of a few bytes
            hint = "pack it again, stored or deflated"
            raise DataError(f"{where}: packed by method {info.compress_type}; expected 0 or 8", hint=hint)
        with _explained(where, "damaged in the archive"):
            with self.lock:  # zipfile locks its reads, but counts what is open without a lock
                member = self.archive.open(info)
            try:
                content = member.read(info.file_size + 1)
            finally:
                with self.lock:
                    member.close()
        return self.verified(where, content, info.file_size)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Tar(_Source):
    file: IO[bytes]

    def read(self, name: str, offset: int, size: int) -> bytes:
        where = f"{self.path}/{name}"
        require_size(where, size)
        with self.lock:
            self.file.seek(offset)
            content = self.file.read(size)
        return self.verified(where, content, size)


def _zip_members(path: Path, medium: Medium) -> Iterator[Member]:
    with _explained(path, "no readable zip archive"):
        source = _Zip(path, archive=zipfile.ZipFile(path))
    for info in source.archive.infolist():
        name = info.filename
        if info.create_system == 0 and "/" not in name:  # some tools for Windows write these, against the format
            name = name.replace("\\", "/")
        if name.endswith("/"):
            yield Member(name)
        elif stat.S_ISLNK(info.external_attr >> 16):
            yield Member(name, left_out="a link")
        elif info.flag_bits & ENCRYPTED and medium.holds(Path(name)):
            raise DataError(f"{path}: {name} is encrypted", hint="unpack it with its password, and name the folder")
        else:
            yield Member(name, partial(source.read, info))


def _tar_members(path: Path, compression: str, findings: list[Finding]) -> Iterator[Member]:
    with _explained(path, "no readable tar archive"):
        file = _decompressed(path, OPENERS[compression]) if compression else path.open("rb")
        source = _Tar(path, file=file)
        weakref.finalize(source, file.close)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # or every header stays in memory
                if info.isdir():
                    yield Member(info.name)
                elif not info.isfile() or info.issparse():
                    yield Member(info.name, left_out="a link" if info.issym() or info.islnk() else "no plain file")
                else:
                    yield Member(info.name, partial(source.read, info.name, info.offset_data, info.size))
            file.seek(archive.offset)
        rest = file.read(tarfile.BLOCKSIZE)
    if rest.strip(b"\0"):  # tarfile takes what it cannot read for the end
        raise DataError(f"{path}: no readable tar archive beyond byte {archive.offset:,}", hint=AGAIN)
    if not rest:
        message = f"{path} has no mark at its end and may be cut off"
        findings.append(Finding("warning", message, hint="compare its size with that of the original"))


def _decompressed(path: Path, opened: Compressed) -> IO[bytes]:
    """What a compressed file holds, in a file without a name. Raises DataError where that would take more than half of
    what is free."""
    folder = cache_folder()
    with suppress(OSError):
        make_folders(folder)
    if not os.access(folder, os.W_OK):
        folder = Path(tempfile.gettempdir())
    limit = shutil.disk_usage(folder).free // 2
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # its members read it later
    try:
        with opened(path) as packed:
            while block := packed.read(BLOCK):
                if file.tell() + len(block) > limit:
                    hint = "decompress it yourself and name the .tar, or set HEADSTART_CACHE to a larger place"
                    raise DataError(f"{path}: decompressed it takes more than half of what {folder} has", hint=hint)
                file.write(block)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


@contextmanager
def _explained(where: Path | str, what: str) -> Iterator[None]:
    """Raise what the standard library finds wrong with an archive as a DataError."""
    try:
        yield
    except DAMAGE as exc:
        raise DataError(f"{where}: {what}: {exc}", hint=AGAIN) from exc
    except OSError as exc:
        raise DataError(f"{where}: cannot be read: {exc.strerror or exc}") from exc
