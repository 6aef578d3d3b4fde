"""Long texts split at the ends of sentences, in parts that a network takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

BREAKS = (
    re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n+"),  # noqa: RUF001  # ends of sentences in Chinese and Japanese
    re.compile(r"(?<=[,;:，；、])\s*|\s+[-–—]\s+"),  # noqa: RUF001  # and their commas
    re.compile(r"\s+"),
)
"""Where a text may be split: at ends of sentences or lines; where one of these is too long, at commas; at spaces."""
Count = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens each of some texts has."""


def parts_that_fit(text: str, most: int, count: Count) -> list[str]:
    """`text` as parts of at most `most` tokens, as few as there can be: whole sentences, one after the other.

    A text that fits is one part and stays as it is to the letter. What has no place to be split at, such as a word of
    more tokens, is a part by itself, too long as it is.
    """
    return _parts(text, most, count, BREAKS)


def _parts(text: str, most: int, count: Count, breaks: Sequence[re.Pattern[str]]) -> list[str]:
    if count([text])[0] <= most or not breaks:
        return [text]
    pieces: list[str] = []
    for sentence in _split(text, breaks[0]):
        pieces += _parts(sentence, most, count, breaks[1:])
    found: list[str] = []
    for piece in pieces:
        longer = f"{found[-1]} {piece}" if found else piece
        if found and count([longer])[0] <= most:
            found[-1] = longer
        else:
            found.append(piece)
    return found or [text]


def _split(text: str, at: re.Pattern[str]) -> list[str]:
    """What stands between two places to split at; marks that belong to the end of a sentence stay with it."""
    found, begun = [], 0
    for place in at.finditer(text):
        stop = place.end()
        found.append(text[begun:stop].strip())
        begun = stop
    found.append(text[begun:].strip())
    return [each for each in found if each]
