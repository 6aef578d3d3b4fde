"""What a folder of pictures holds besides them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from headstart.specs import Skipped
from headstart_plugins._picture_suffixes import is_picture


def other_files(files: Iterable[Path], root: Path) -> list[Skipped]:
    """What is no picture by its suffix, counted by suffix: folders often hold thousands of such files."""
    counts = Counter(path.suffix.lower() for path in files if not is_picture(path))
    return [
        Skipped(str(root), f"{count} file{'s' if count > 1 else ''} {_ending(suffix)}: no pictures")
        for suffix, count in sorted(counts.items())
    ]


def _ending(suffix: str) -> str:
    return f"ending in {suffix}" if suffix else "without an ending"
