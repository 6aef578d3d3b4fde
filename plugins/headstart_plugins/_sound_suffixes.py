"""Which files are taken for sounds by their names: of folders of classes, and of what is to be predicted."""

from __future__ import annotations

from pathlib import Path

READ = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".gsm", ".aif", ".aiff", ".au", ".caf", ".w64"})
"""In lower case: what libsndfile reads. Whether a file is a sound, the input kinds say when they read it."""
UNREAD = frozenset({".m4a", ".aac", ".wma", ".amr", ".mp4", ".webm"})
"""Sounds all the same, which it does not read: they are listed as unreadable, not passed over."""
SUFFIXES = READ | UNREAD


def is_sound(path: Path) -> bool:
    """By suffix."""
    return path.suffix.lower() in SUFFIXES
