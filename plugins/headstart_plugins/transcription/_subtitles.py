"""Subtitles in SubRip's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def subtitles(segments: Sequence[Mapping[str, Any]]) -> bytes:
    """UTF-8: of each segment with a `text` its number, its `start` and `end` in seconds, and the text."""
    said = [each for each in segments if each["text"]]
    blocks = [
        f"{number}\n{_time(each['start'])} --> {_time(each['end'])}\n{each['text']}\n"
        for number, each in enumerate(said, 1)
    ]
    return "\n".join(blocks).encode()


def _time(seconds: float) -> str:
    whole = round(seconds * 1000)
    hours, rest = divmod(whole, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"
