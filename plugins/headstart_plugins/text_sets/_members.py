"""Members of compressed tar archives by name: nothing is unpacked, so that no name can write anywhere."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from headstart.errors import DataError

LARGEST = 16 << 20
"""Bytes of a member that is read; the largest that is wanted has 2.4 MB."""
LARGEST_SUM = 256 << 20
"""Bytes of an archive's members, unpacked, wanted or not; the largest that is read has 73 MB."""


def read_members(file: BinaryIO, wanted: re.Pattern[str], name: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every regular file of a .tar.gz whose whole name `wanted` matches, in the archive's order.

    Raises DataError naming the archive, `name`, where it is damaged or larger than this reads.
    """
    total = 0
    try:
        with tarfile.open(fileobj=file, mode="r|gz") as archive:
            for member in archive:
                total += member.size
                if total > LARGEST_SUM:
                    raise DataError(f"{name}: more than {LARGEST_SUM} bytes unpacked")
                if not (member.isreg() and wanted.fullmatch(member.name)):
                    continue
                if member.size > LARGEST:
                    raise DataError(f"{name}: {member.name} has {member.size} bytes; at most {LARGEST} are read")
                content = archive.extractfile(member)
                assert content is not None  # of a regular file there is one
                yield member.name, content.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as exc:
        raise DataError(f"{name} is damaged: {exc}", hint="fetch it again") from exc
