"""Which paths hold texts in two languages, by names alone, so that each dataset of files knows what is another's."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TMX = ".tmx"
CATALOGUES = (".po", ".mo")
PACKED = ".gz"
LANGUAGE = re.compile(r"[a-z]{2,3}(?:[_-](?:[A-Za-z]{2}|[A-Za-z]{4}|[0-9]{3}))?|src|trg|tgt|source|target", re.ASCII)
"""What the end of a file's name says of its language, or its part."""
WORDS = ("src", "trg", "tgt")
UNTELLING = ("", ".md", ".txt", ".pot", ".in", ".am")
"""What lies beside catalogues and beside much else."""
SIDES_OF_NAMES = (("src", "tgt"), ("src", "trg"), ("source", "target"))
NOT_LANGUAGES = frozenset(
    {
        *(
            "csv",
            "tsv",
            "txt",
            "xml",
            "zip",
            "tar",
            "tgz",
            "bz2",
            "png",
            "jpg",
            "bmp",
            "gif",
            "tif",
            "wav",
            "mp3",
            "ogg",
        ),
        *("pdf", "doc", "htm", "css", "js", "py", "md", "sh", "ini", "cfg", "log", "bin", "dat", "npy", "npz", "tmx"),
        *("po", "mo", "pot", "xls", "oga", "aac", "aif", "svg", "ico", "bak", "old", "new", "tmp", "yml", "hdf", "pkl"),
    }
)


@dataclass(frozen=True)
class SideFile:
    """A file of one line a sentence: what it is about, such as `train`, and its language as the name says it."""

    path: Path
    stem: str
    language: str


def side_file(path: Path) -> SideFile | None:
    """How a file's name reads: `train.en`, `train.en.txt`, `Books.en-gl.en.gz`; None where it says no language."""
    parts = path.name.split(".")
    if len(parts) > 2 and parts[-1].lower() == PACKED[1:]:
        parts = parts[:-1]
    if len(parts) > 2 and parts[-1].lower() == "txt":
        parts = parts[:-1]
    if len(parts) < 2 or not LANGUAGE.fullmatch(parts[-1]) or parts[-1].lower() in NOT_LANGUAGES:
        return None
    return SideFile(path, ".".join(parts[:-1]), parts[-1])


def side_files(folder: Path) -> dict[str, list[SideFile]]:
    """The files of a folder that come in at least two languages, by what they are about."""
    found: defaultdict[str, list[SideFile]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.is_file() and (read := side_file(path)) is not None:
            found[read.stem].append(read)
    return {stem: files for stem, files in found.items() if len({each.language for each in files}) > 1}


def parallel_format(path: Path) -> str | None:
    """ "tmx", "catalogues" or "parallel", by the names of a file, or of the files in a folder; None for all else."""
    suffix = path.suffix.lower()
    if path.is_file():
        if suffix == TMX:
            return "tmx"
        if suffix in CATALOGUES:
            return "catalogues"
        read = side_file(path)
        beside = [] if read is None else side_files(path.parent).get(read.stem, [])
        return "parallel" if _is_telling(each.language for each in beside) else None
    if not path.is_dir():
        return None
    if _holds_catalogues(path):
        return "catalogues"
    languages = [each.language for files in side_files(path).values() for each in files]
    flat = not any(each.is_dir() and not each.name.startswith(".") for each in path.iterdir())
    return "parallel" if flat and _is_telling(languages) else None


def _holds_catalogues(folder: Path) -> bool:
    """Whether the first file below a folder that says something by its suffix is a catalogue. No more is looked at: the
    folder may hold a million pictures."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        suffixes = (Path(place, name).suffix.lower() for name in sorted(files) if not name.startswith("."))
        telling = next((suffix for suffix in suffixes if suffix not in UNTELLING), None)
        if telling is not None:
            return telling in CATALOGUES
    return False


def _is_telling(languages: Iterable[str]) -> bool:
    """Whether one of the ends of names is surely a language: other ends of three letters are those of many formats."""
    return any(len(re.split("[-_]", each)[0]) != 3 or each in (*WORDS, "eng") for each in languages)
