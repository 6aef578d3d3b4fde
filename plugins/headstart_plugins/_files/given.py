"""The path that a dataset is opened from, and what the ends of names say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import UsageError
from headstart_plugins._picture_suffixes import SUFFIXES, is_picture
from headstart_plugins._sound_suffixes import SUFFIXES as SOUND_SUFFIXES
from headstart_plugins._sound_suffixes import is_sound
from headstart_plugins._text_suffixes import SUFFIXES as TEXT_SUFFIXES
from headstart_plugins._text_suffixes import is_text

PARQUET = ".parquet"
TABLES = (".csv", ".tsv", ".jsonl", PARQUET)
ZIP = ".zip"
TARS: Mapping[str, str] = {
    ".tar": "",
    **{f".{short}": name for short, name in (("tgz", "gz"), ("tbz2", "bz2"), ("txz", "xz"))},
    **{f".tar.{name}": name for name in ("gz", "bz2", "xz")},
}
"""What a tar is compressed by, by how its name ends; empty where it is not."""

MEDIA: Mapping[str, frozenset[str]] = {
    "image": SUFFIXES,
    "audio": SOUND_SUFFIXES,
    "text": TEXT_SUFFIXES,
}
"""What files of a suffix, in lower case, hold."""


@dataclass(frozen=True)
class Medium:
    """What class folders hold: the name of the medium, what messages call one file of it, such as `example`, and which
    files are of it, by name."""

    name: str
    noun: str
    example: str
    holds: Callable[[Path], bool]

    def counted(self, count: int) -> str:
        """So many, in words."""
        return f"{count} {self.noun}{'' if count == 1 else 's'}"


PICTURES = Medium("image", "picture", ".jpg and .png", is_picture)
TEXTS = Medium("text", "text", ".txt and .md", is_text)
SOUNDS = Medium("audio", "sound", ".wav and .flac", is_sound)


def archive_suffix(path: Path) -> str:
    """How the name of an archive ends, in lower case; empty for other names."""
    name = path.name.lower()
    return next((suffix for suffix in (ZIP, *TARS) if name.endswith(suffix)), "")


def given_path(reference: str | None, *, usage: str) -> Path:
    """The path of what a dataset is opened from. Raises UsageError for none, with the hint `usage`, and for one that is
    absent."""
    if reference is None:
        raise UsageError(f"{usage.partition(':')[0]} needs a path", hint=usage)
    path = Path(reference).expanduser()
    if not path.exists():
        raise UsageError(f"no such path: {path}")
    return path
