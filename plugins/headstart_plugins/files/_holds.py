"""Whether a folder or an archive holds texts, sounds or pictures, by the names of its files."""

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
from headstart_plugins._files.given import PICTURES, SOUNDS, TEXTS, ZIP, Medium, archive_suffix

MOST_MEMBERS = 5_000
"""So many names of a tar, which are found by reading it, are looked at."""
ENOUGH = 20
"""So many pictures are no chance."""
FEW = 0.1
"""So few pictures for each text or sound are no data, but drawings beside it."""


def held_medium(path: Path) -> Medium:
    """Sounds or texts where there are some and hardly any pictures, else pictures. Texts beside at least as many sounds
    are what is said in them. Pictures for what cannot be read: whoever opens it says so."""
    texts = sounds = pictures = 0
    try:
        for name in _names(path):
            texts += TEXTS.holds(name)
            sounds += SOUNDS.holds(name)
            pictures += PICTURES.holds(name)
            if pictures >= ENOUGH:
                break
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError):
        pass
    most = max(texts, sounds)
    if not most or pictures > FEW * most or pictures >= ENOUGH:
        return PICTURES
    return SOUNDS if sounds >= texts else TEXTS


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
