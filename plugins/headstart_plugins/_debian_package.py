"""Debian packages, read in place: nothing is unpacked, so that no name can write anywhere."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from headstart.errors import DataError, UsageError

ARCHIVE_HEAD = b"!<arch>\n"
MEMBER_HEAD = 60
LARGEST = 64 << 20
"""Bytes of a file that is read."""


def files_of(package: Path, name: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Path, from the root without a slash, and content of each `wanted` file of a .deb, in its order.

    Raises UsageError naming the package `name` where the file is none, DataError where it is damaged.
    """
    try:
        with package.open("rb") as file, tarfile.open(fileobj=_data_member(file, package, name), mode="r|*") as archive:
            for member in archive:
                path = PurePosixPath(member.name).as_posix().removeprefix("./")
                if not (member.isfile() and wanted(path)):
                    continue
                if member.size > LARGEST:
                    raise DataError(f"{package.name}: {path} has {member.size} bytes; at most {LARGEST} are read")
                content = archive.extractfile(member)
                assert content is not None  # of a regular file there is one
                yield path, content.read()
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError) as exc:
        raise DataError(f"{package.name} is damaged: {exc}", hint=f"bring {name} again") from exc


def _data_member(file: IO[bytes], package: Path, wanted: str) -> IO[bytes]:
    """`file`, a .deb, at the beginning of its member `data.tar.*`, which is its last: an `ar` archive of members with
    60 bytes of head each, name and size in ASCII, on even offsets (deb(5))."""
    if file.read(len(ARCHIVE_HEAD)) != ARCHIVE_HEAD:
        raise UsageError(f"{package} is no Debian package", hint=f"expected the .deb of {wanted}")
    while len(head := file.read(MEMBER_HEAD)) == MEMBER_HEAD:
        name, size = head[:16].decode("ascii", "replace").strip().rstrip("/"), int(head[48:58])
        if name.startswith("data.tar"):
            return file
        file.seek(size + size % 2, io.SEEK_CUR)
    raise UsageError(f"{package} has no data", hint=f"expected the .deb of {wanted}")
