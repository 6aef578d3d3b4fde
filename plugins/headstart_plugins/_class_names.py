"""Names of classes that a reader, or a file, could not tell apart. For kinds of targets; no plugin."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator

from headstart.specs import Finding

WITHOUT_WIDTH = "\u200b\u2060\ufeff"
"""Spaces that nobody sees, which copied texts bring with them."""


def odd_names(names: Collection[str]) -> Iterator[Finding]:
    """An error for each two names that differ only by case, spaces around them or Unicode form, and one for those that
    are no UTF-8."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        plain = "".join(letter for letter in folded if letter not in WITHOUT_WIDTH).strip()
        if plain in seen:
            yield Finding(
                "error",
                f"the classes {seen[plain]!r} and {name!r} differ only by case, spaces or Unicode form "
                f"({seen[plain]!a}, {name!a})",
                hint="give both the same name, or names that a reader can tell apart",
            )
        seen[plain] = name
    odd = [name for name in sorted(names) if any("\ud800" <= letter <= "\udfff" for letter in name)]
    if odd:
        yield Finding(
            "error",
            f"the class {odd[0]!a} is not valid UTF-8, so no model file could name it",
            len(odd),
            "rename its folder, or convert the label file to UTF-8",
        )
