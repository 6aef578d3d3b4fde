"""Answers that say one thing over and over and do not end, as decoders of speech may."""

from __future__ import annotations

from collections.abc import Sequence

TIMES, LEAST = 4, 12
"""How often a stretch is said, and how many tokens that are, for it to be a loop."""


def before_loop(ids: Sequence[int]) -> Sequence[int]:
    """Of the tokens of an answer that did not end, those up to the end of the first of the stretches that its last
    TIMES or more repeat, of at least LEAST tokens in all; all of them where there is no such loop.

    What was said many times and then ended is left as it is. Of several lengths of a stretch the shortest counts.
    """
    for length in range(1, len(ids) // TIMES + 1):
        place = len(ids) - 1
        while place >= length and ids[place] == ids[place - length]:
            place -= 1
        begin = place - length + 1  # everything behind it repeats what stands `length` before
        if len(ids) - begin >= max(TIMES * length, LEAST):
            return ids[: begin + length]
    return ids
