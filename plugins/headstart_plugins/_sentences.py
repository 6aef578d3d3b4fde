"""Long texts split at the ends of sentences, in parts that a network takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

BREAKS = (
    re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n+"),  # noqa: RUF001  # ends of sentences in Chinese and Japanese
    re.compile(r"(?<=[,;:，；、])\s*|\s+[-–—]\s+"),  # noqa: RUF001  # and their commas
    re.compile(r"\s+"),
)
"""Where a text may be split: at ends of sentences or lines; where one of these is too long, at commas; at spaces; and
where there is none of these, between any two letters."""
Count = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens each of some texts has."""


def parts_that_fit(text: str, most: int, count: Count) -> list[str]:
    """`text` as parts of at most `most` tokens, as few as there can be: whole sentences, one after the other.

    A text that fits is one part and stays as it is to the letter. What has no place to be split at, such as a word of
    more tokens or a language without spaces, is split where it fills a part. A letter alone is one whatever it has.
    """
    return _parts(text, most, count, BREAKS)


def _parts(text: str, most: int, count: Count, breaks: Sequence[re.Pattern[str]]) -> list[str]:
    if count([text])[0] <= most or len(text) < 2:
        return [text]
    if not breaks:
        return list(_beginnings(text, most, count))
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


def _beginnings(text: str, most: int, count: Count) -> Iterator[str]:
    """A text letter for letter, each part as long as `most` tokens allow: looked for in steps that double, then halve,
    since to count all that is left would take the square of the length."""
    while text:
        fits, beyond = 1, 2
        while beyond <= len(text) and count([text[:beyond]])[0] <= most:
            fits, beyond = beyond, 2 * beyond
        beyond = min(beyond, len(text) + 1)
        while beyond - fits > 1:
            middle = (fits + beyond) // 2
            fits, beyond = (middle, beyond) if count([text[:middle]])[0] <= most else (fits, middle)
        yield text[:fits]
        text = text[fits:]


def _split(text: str, at: re.Pattern[str]) -> list[str]:
    """What stands between two places to split at; marks that belong to the end of a sentence stay with it."""
    found, begun = [], 0
    for place in at.finditer(text):
        stop = place.end()
        found.append(text[begun:stop].strip())
        begun = stop
    found.append(text[begun:].strip())
    return [each for each in found if each]
