"""Whether a folder or an archive holds texts or pictures, by the names of its files."""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from headstart.data.folders import is_hidden
from headstart_plugins._files.given import PICTURES, TEXTS, ZIP, archive_suffix

MOST_MEMBERS = 5_000
"""So many names of a tar, which are found by reading it, are looked at."""
ENOUGH = 20
"""So many pictures are no chance."""
FEW = 0.1
"""So few pictures for each text are no data, but drawings beside it."""


def holds_texts(path: Path) -> bool:
    """Whether there are texts and hardly any pictures. False for what cannot be read: whoever opens it says so."""
    texts = pictures = 0
    try:
        for name in _names(path):
            texts += TEXTS.holds(name)
            pictures += PICTURES.holds(name)
            if pictures >= ENOUGH:
                break
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError):
        pass
    return texts > 0 and pictures <= FEW * texts and pictures < ENOUGH


def _names(path: Path) -> Iterator[Path]:
    suffix = archive_suffix(path) if path.is_file() else ""
    if suffix == ZIP:
        with zipfile.ZipFile(path) as packed:
            names = [Path(name) for name in packed.namelist()]
    elif suffix:
        with tarfile.open(path, "r|*") as archive:
            names = [Path(member.name) for member in islice(archive, MOST_MEMBERS)]
    else:
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(each for each in folders if not is_hidden(each))
            yield from (Path(folder, name) for name in files if not is_hidden(name))
        return
    yield from (name for name in names if not any(map(is_hidden, name.parts)))
