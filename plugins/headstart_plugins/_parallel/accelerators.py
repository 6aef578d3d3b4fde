"""Marks of the letters that a keyboard reaches, in menus and dialogs: `~File`, `_File`, `&File`, `檔案(~F)`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart_plugins._placeholders import PLACEHOLDER

MARKS = "~_&"
"""LibreOffice's, GTK's and Qt's."""
ENTITY = re.compile(r"&(?:#\d+|\w+);")
BEHIND = r"\s*\({mark}[A-Za-z0-9]\)"
"""How languages without such letters write it: behind the text, in brackets, a letter of the source."""


def without_accelerators(source: str, target: str, marks: str = MARKS) -> tuple[str, str]:
    """Both texts without the mark that says which letter a key reaches.

    One of `marks` is such where it stands once in the source before a letter or digit, at most once in the target, and
    not inside a placeholder or an entity. Inside a word it is none where the target holds that word too, as with
    file_name, but for words that begin with a capital alone, as V_ertical; and & inside a word is one only where the
    target has one as well, and never between capitals (R&D, Q&A). One that the target alone has is such where it begins
    a word.
    """
    for mark in marks:
        if mark not in source and mark not in target:
            continue
        ours, theirs = _places(source, mark), _places(target, mark)
        if len(ours) > 1 or len(theirs) > 1:
            continue
        if not ours:
            alone = bool(theirs) and mark not in source and _word_at(target, theirs[0])[1]
            target = _without(target, theirs) if alone else target
            continue
        word, begins = _word_at(source, ours[0])
        if not begins and ((word in target.split() and not _is_title(word, mark)) or (mark == "&" and not theirs)):
            continue
        source = _without(source, ours)
        behind = re.compile(BEHIND.format(mark=re.escape(mark)))
        target = behind.sub("", target) if behind.search(target) else _without(target, theirs)
    return source, target


def _places(text: str, mark: str) -> list[int]:
    """Where a mark stands before a letter or digit; two of them are the sign itself, as is & between capitals."""
    hidden = [match.span() for pattern in (PLACEHOLDER, ENTITY) for match in pattern.finditer(text)]
    pattern = re.compile(rf"(?<!{re.escape(mark)}){re.escape(mark)}(?=[^\W_])")
    return [
        match.start()
        for match in pattern.finditer(text)
        if not any(start <= match.start() < end for start, end in hidden)
        and not (mark == "&" and text[: match.start()][-1:].isupper() and text[match.end()].isupper())
    ]


def _word_at(text: str, place: int) -> tuple[str, bool]:
    """The word between spaces that holds a place, and whether no letter stands before the place in it."""
    before = re.split(r"\s", text[:place])[-1]
    word = re.split(r"\s", text[place - len(before) :], maxsplit=1)[0]
    return word, not any(map(str.isalnum, before))


def _is_title(word: str, mark: str) -> bool:
    """Whether a word is written as one in a menu is, and a name of something in a program is not."""
    letters = "".join(filter(str.isalpha, word.replace(mark, "")))
    return letters[:1].isupper() and letters[1:].islower()


def _without(text: str, places: Sequence[int]) -> str:
    return "".join(letter for place, letter in enumerate(text) if place not in places)
