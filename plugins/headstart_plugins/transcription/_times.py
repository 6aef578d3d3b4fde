"""Times that a decoder says among the words, as tokens of 20 ms: by which rules, and what they mean.

The rules are those of the reference (openai-whisper, `ApplyTimestampRules`; `WhisperTimeStampLogitsProcessor` of
transformers): times stand in pairs, the end of a stretch and the beginning of the next, or alone before the end; they
never go back; a transcript begins with one of the first second; and where all of them together are likelier than any
word, one of them is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.specs.tasks import OF_ALL

SECONDS = 0.02
"""Of a time token's unit."""
LATEST_FIRST = 50
"""The first time of a transcript, in units, at most: one second."""
BANNED = float("-inf")
ALLOWED, PAIRED, REACHED = f"{OF_ALL}times.allowed", "times.paired", "times.reached"
"""In the state of a search: 0 (token,) for what may be said at all and minus infinity for the rest; whether the token
before the last one is a time, or there is none (sequence,); and the last time (sequence,), a token."""


def begun(rows: int, vocabulary: int, *, first: int, banned: Sequence[int]) -> dict[str, Any]:
    """The state before anything is said; the token `first` is that of the time 0, `banned` are never said."""
    import numpy as np
    from keras import ops

    allowed = np.zeros(vocabulary, np.float32)
    allowed[list(banned)] = BANNED
    return {
        ALLOWED: ops.convert_to_tensor(allowed),
        PAIRED: ops.ones((rows,), "bool"),
        REACHED: ops.full((rows,), first - 1, "int32"),
    }


def by_rules(
    state: Mapping[str, Any], logits: Any, last: Any, position: Any, *, first: int, end: int
) -> tuple[dict[str, Any], Any]:
    """The next state, and the logits (sequence, token) of the token behind `last` (sequence,) int32, those that the
    rules forbid minus infinity. `position` counts from 0, where `last` is the token that all begin with."""
    from keras import ops

    paired, reached = state[PAIRED], state[REACHED]
    is_time = ops.logical_and(last >= first, position > 0)
    reached = ops.where(is_time, last, reached)
    opens = ops.logical_and(is_time, ops.logical_not(paired))  # an end alone: its beginning, or the transcript's end
    closed = ops.logical_and(is_time, paired)
    token = ops.arange(logits.shape[-1], dtype="int32")[None]
    of_time, of_text = token >= first, token < end
    lowest = ops.where(opens, reached, reached + 1)
    forbidden = ops.logical_and(of_time, ops.logical_or(closed[:, None], token < lowest[:, None]))
    forbidden = ops.logical_or(forbidden, ops.logical_and(of_text, opens[:, None]))
    at_first = ops.logical_or(token < first, token > first + LATEST_FIRST)
    forbidden = ops.logical_or(forbidden, ops.logical_and(at_first, ops.equal(position, 0)))
    logits = ops.where(forbidden, BANNED, logits + state[ALLOWED][None])
    times = ops.logsumexp(logits[:, first:], axis=-1)
    is_likelier = times > ops.max(logits[:, :first], axis=-1)
    logits = ops.where(ops.logical_and(is_likelier[:, None], token < first), BANNED, logits)
    said = ops.logical_or(is_time, ops.equal(position, 0))
    return {PAIRED: said, REACHED: reached}, logits


def stretches(ids: Sequence[int], *, first: int) -> list[tuple[float | None, float | None, list[int]]]:
    """The words between times, with these in seconds of the window; None where an end was not said."""
    found: list[tuple[float | None, float | None, list[int]]] = []
    begin: float | None = None
    words: list[int] = []
    for each in ids:
        if each < first:
            words.append(each)
            continue
        at = (each - first) * SECONDS
        if words:
            found.append((begin, at, words))
        begin, words = at, []
    return [*found, (begin, None, words)] if words else found
