"""Sequences from a head, one token after the other: greedy and beam search, the same on both backends.

Everything is written in keras.ops with static shapes and one while loop, so that JAX compiles it whole and PyTorch runs
it eagerly. Scores are those of the transformers library: the sum of log p of the new tokens, the end among them, over
their number to the power of the length penalty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from headstart.engine.device import inference
from headstart.engine.network.network import TAP, Network
from headstart.engine.step import Forward
from headstart.specs import Generates, Search

NEVER = float("-inf")
"""The log probability of what must not be taken, and the score where there is no answer yet."""
State = dict[str, Any]


def generator(network: Network, task: Generates) -> Forward:
    """From (batch, ...) input tensors to {"tokens": (batch, most) int32, "score": (batch,) float32}.

    The stages below the head run once, then the head a token at a time.
    """
    head = len(network.stages) - 1

    def generated(tensors: Mapping[str, Any]) -> dict[str, Any]:
        alive = network.run(tensors, 0, head)
        features = {name.removeprefix(TAP): tensor for name, tensor in alive.items() if name.startswith(TAP)}
        return generate(task, network.stages[head].model, features)

    return inference(generated, network.stages)


def generate(task: Generates, head: keras.Model, features: Mapping[str, Any]) -> dict[str, Any]:
    """The search that `task` asks for, on backend tensors; each row is answered by itself.

    `tokens` (batch, most) int32 are the best sequence without the start, its end among them, padded behind it; `score`
    (batch,) float32 is its own. A sequence may also end where `most` tokens are there.
    """
    rows = next(iter(features.values())).shape[0]
    search = task.search
    if search.beams == 1:
        return _greedy(task, head, task.start(head, features), search, rows)
    return _beams(task, head, task.start(head, features), search, rows)


def _greedy(task: Generates, head: keras.Model, state: State, search: Search, rows: int) -> dict[str, Any]:
    """The likeliest token at each step."""

    def goes_on(position: Any, state: State, last: Any, tokens: Any, total: Any, count: Any, done: Any) -> Any:
        return ops.logical_and(position < search.most, ops.logical_not(ops.all(done)))

    def advance(position: Any, state: State, last: Any, tokens: Any, total: Any, count: Any, done: Any) -> Any:
        state, logits = task.step(head, state, last, position)
        likely = _log_probabilities(logits, search)
        token = ops.cast(ops.argmax(likely, axis=-1), "int32")
        total = ops.where(done, total, total + ops.max(likely, axis=-1))
        count = ops.where(done, count, count + 1)
        tokens = _put(tokens, ops.where(done, search.pad, token), position)
        return position + 1, state, token, tokens, total, count, ops.logical_or(done, token == search.end)

    begin = (
        ops.convert_to_tensor(0, "int32"),
        state,
        ops.full((rows,), search.start, "int32"),
        ops.full((rows, search.most), search.pad, "int32"),
        ops.zeros((rows,), "float32"),
        ops.zeros((rows,), "int32"),
        ops.zeros((rows,), "bool"),
    )
    _, _, _, tokens, total, count, _ = ops.while_loop(goes_on, advance, begin)
    return {"tokens": tokens, "score": _score(total, count, search)}


def _beams(task: Generates, head: keras.Model, state: State, search: Search, rows: int) -> dict[str, Any]:
    """The best of the sequences that have ended and of those that run, as many as `beams` of these a row.

    A row is done as soon as no sequence that runs could still become better than the best one that has ended.
    """
    beams = search.beams

    def goes_on(position: Any, state: State, last: Any, running: Any, best: Any, done: Any) -> Any:
        return ops.logical_and(position < search.most, ops.logical_not(ops.all(done)))

    def advance(position: Any, state: State, last: Any, running: Any, best: Any, done: Any) -> Any:
        tokens, totals = running
        state, logits = task.step(head, state, ops.reshape(last, (rows * beams,)), position)
        vocabulary = logits.shape[-1]
        likely = ops.reshape(_log_probabilities(logits, search), (rows, beams, vocabulary))
        # Each sequence ends in one way, so that of twice as many candidates enough go on.
        each = ops.reshape(totals[..., None] + likely, (rows, beams * vocabulary))
        values, places = ops.top_k(each, min(2 * beams, beams * vocabulary))
        origin, token = places // vocabulary, ops.cast(places % vocabulary, "int32")
        grown = ops.take_along_axis(tokens, ops.cast(origin, "int32")[..., None], axis=1)
        grown = _put(grown, token, position)

        has_ended = token == search.end
        counts = ops.logical_and(has_ended, ops.arange(values.shape[1])[None] < beams)
        best = _better(best, (grown, ops.where(counts, _score(values, position + 1, search), NEVER)), done)

        kept, places = ops.top_k(ops.where(has_ended, NEVER, values), beams)
        places = ops.cast(places, "int32")
        origin = ops.take_along_axis(ops.cast(origin, "int32"), places, axis=1)
        running = (ops.take_along_axis(grown, places[..., None], axis=1), kept)
        flat = ops.reshape(origin + beams * ops.arange(rows, dtype="int32")[:, None], (rows * beams,))
        state = {name: ops.take(tensor, flat, axis=0) for name, tensor in state.items()}

        longest = search.most if search.length_penalty > 0 else ops.minimum(position + 2, search.most)
        done = ops.logical_or(done, _score(kept[:, 0], longest, search) <= best[1])
        return position + 1, state, ops.take_along_axis(token, places, axis=1), running, best, done

    one = ops.full((rows, beams, search.most), search.pad, "int32")
    begin = (
        ops.convert_to_tensor(0, "int32"),
        {name: ops.repeat(tensor, beams, axis=0) for name, tensor in state.items()},
        ops.full((rows, beams), search.start, "int32"),
        (one, ops.tile(ops.where(ops.arange(beams) == 0, 0.0, NEVER)[None], (rows, 1))),
        (one[:, 0], ops.full((rows,), NEVER, "float32")),
        ops.zeros((rows,), "bool"),
    )
    _, _, _, (tokens, totals), best, done = ops.while_loop(goes_on, advance, begin)
    tokens, score = _better(best, (tokens, _score(totals, search.most, search)), done)
    return {"tokens": tokens, "score": score}


def _log_probabilities(logits: Any, search: Search) -> Any:
    """(..., vocabulary) float32; what is banned is never taken, and keeps its share."""
    likely = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    banned = np.zeros(logits.shape[-1], np.float32)
    banned[list(search.banned)] = NEVER
    return likely + ops.convert_to_tensor(banned)


def _score(total: Any, count: Any, search: Search) -> Any:
    return total / ops.power(ops.cast(count, "float32"), search.length_penalty)


def _put(tokens: Any, token: Any, position: Any) -> Any:
    """`tokens` (..., most) with `token` (...,) at `position`."""
    return ops.where(ops.arange(tokens.shape[-1]) == position, token[..., None], tokens)


def _better(best: tuple[Any, Any], found: tuple[Any, Any], done: Any) -> tuple[Any, Any]:
    """The better of `best`, (row, most) tokens and (row,) scores, and the best of `found`, (row, candidate, ...), but
    `best` where the row is done or they are equal."""
    tokens, scores = found
    place = ops.cast(ops.argmax(scores, axis=1), "int32")[:, None]
    score = ops.take_along_axis(scores, place, axis=1)[:, 0]
    is_new = ops.logical_and(score > best[1], ops.logical_not(done))
    sequence = ops.take_along_axis(tokens, place[..., None], axis=1)[:, 0]
    return ops.where(is_new[:, None], sequence, best[0]), ops.where(is_new, score, best[1])
