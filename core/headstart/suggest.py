"""Near misses: what a user who typed an unknown name probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from headstart.lists import in_line

MAX_SUGGESTED = 3
MAX_LISTED = 12
CUTOFF = 0.6
NEARLY = 0.2
"""How much less like it than the nearest name another one may be to be named beside it."""


def near_misses(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The known names closest to `name`, best first; a full name is also compared by its part after the
    slash.
    """
    by_spelling: dict[str, str] = {}
    for full in sorted(known):
        by_spelling.setdefault(full.lower(), full)
        by_spelling.setdefault(full.rpartition("/")[2].lower(), full)
    close = difflib.get_close_matches(name.lower(), by_spelling, n=2 * MAX_SUGGESTED, cutoff=CUTOFF)
    alike = [difflib.SequenceMatcher(None, spelling, name.lower()).ratio() for spelling in close]
    near = [spelling for spelling, ratio in zip(close, alike, strict=True) if ratio >= alike[0] - NEARLY]
    return tuple(dict.fromkeys(by_spelling[spelling] for spelling in near))[:MAX_SUGGESTED]


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """A hint for an unknown `name`: its near misses, else what there is; None where nothing is known."""
    names = sorted(known)
    if close := near_misses(name, names):
        return f"did you mean {' or '.join(close)}?"
    return f"known: {in_line(names, MAX_LISTED)}" if names else None
