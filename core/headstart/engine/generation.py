"""Sequences from a head, one token after the other: greedy and beam search, the same on both backends.

A search is what it carries from step to step, tensors by name with an axis of rows, and three pure functions: `begin`,
`advance` by a token, `answer`. Everything has static shapes, so that JAX compiles a while loop of steps whole; PyTorch
runs it eagerly. Where rows have ended, the others go on in a smaller batch. Scores are those of the transformers
library: the sum of log p of the new tokens, the end among them, over their number to the power of the length penalty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from headstart.engine.device import compiles_each_shape, inference
from headstart.engine.network.network import TAP, Network
from headstart.engine.step import Forward
from headstart.specs import Generates, GeneratesOnVal, Search, Task
from headstart.specs.tasks import CERTAIN, FILLED, OF_ALL, OF_ROW

NEVER = float("-inf")
"""The log probability of what must not be taken, and the score where there is no answer yet."""
BLOCK = 64
"""Tokens that are looked at together for the likeliest of many."""
State = dict[str, Any]


def generator(network: Network, task: Generates, start: int = 0) -> Forward:
    """From the tensors (batch, ...) that enter stage `start` to {"tokens": (batch, most) int32, "score": (batch,)
    float32}, with an axis of answers behind the first where `Search.answers` asks for several.

    The stages below the head run once, then the head a token at a time. Rows that have ended are left out of the batch
    as soon as the others fit into the next smaller one.
    """
    last = len(network.stages) - 1
    head = network.stages[last].model

    def begin(tensors: Mapping[str, Any]) -> tuple[State, State]:
        alive = network.run(tensors, start, last)
        features = {name.removeprefix(TAP): tensor for name, tensor in alive.items() if name.startswith(TAP)}
        return _begun(task, head, features)

    def advance(kept: State, carried: State) -> tuple[State, State]:
        carried = _advanced(_Search(task, head, kept), carried, fewest=_next_size(len(carried["done"])))
        return carried, _answer(task.search, carried)

    def leave(kept: State, carried: State, rows: Mapping[str, Any]) -> tuple[State, State]:
        return _of_rows(task.search, kept, carried, rows["rows"])

    stages = network.stages
    beginning = inference(begin, stages, stays=True)
    advancing = inference(advance, stages[last:], stays=True)
    leaving = inference(leave, (), stays=True)

    def generated(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        kept, carried = beginning(batch)
        found: dict[str, np.ndarray] = {}
        places = np.arange(len(carried["done"]))
        while True:
            carried, answer = advancing(kept, carried)
            answers = {name: _on_host(each) for name, each in answer.items()}
            found = found or {name: np.empty_like(each) for name, each in answers.items()}
            for name, each in answers.items():
                found[name][places] = each  # those that go on are written again
            running = np.flatnonzero(~_on_host(carried["done"]))
            if not len(running) or int(_on_host(carried["position"])) >= task.search.most:
                return found
            # A batch that is not full is filled up with rows of it, which end together with themselves.
            rows = np.resize(running, _size_for(len(running), len(places)))
            kept, carried = leaving(kept, carried, {"rows": rows.astype(np.int32)})
            places = places[rows]

    return generated


def val_generator(network: Network, start: int, task: Task) -> Forward | None:
    """What answers val after each epoch, from the tensors that enter stage `start`; None where a task is judged by what
    its head gives. It reads the weights as they are at each call."""
    on_val = task.on_val() if isinstance(task, GeneratesOnVal) else None
    return None if on_val is None else generator(network, on_val, start)


def generate(task: Generates, head: keras.Model, features: Mapping[str, Any]) -> dict[str, Any]:
    """The search that `task` asks for, on backend tensors; each row is answered by itself.

    `tokens` (batch, most) int32 are the best sequence without the start, its end among them, padded behind it; `score`
    (batch,) float32 is its own; both with an axis of answers where several are asked for. A sequence may also end where
    `most` tokens are there.
    """
    kept, carried = _begun(task, head, features)
    return _answer(task.search, _advanced(_Search(task, head, kept), carried, fewest=0))


def _next_size(rows: int) -> int:
    """How many rows the next smaller batch has; each is a program more where shapes are compiled."""
    return rows // 4 if compiles_each_shape() else rows // 2


def _size_for(running: int, rows: int) -> int:
    """The smallest of the batches below `rows` that holds those that run."""
    while running <= _next_size(rows):
        rows = _next_size(rows)
    return rows


def _on_host(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor)) if not isinstance(tensor, int) else np.asarray(tensor)


@dataclass(frozen=True)
class _Search:
    """A search with what its steps read and do not change."""

    task: Generates
    head: keras.Model
    kept: State

    def step(self, state: State, last: Any, position: Any) -> tuple[State, Any]:
        """The next state of what steps change, and log p (sequence, vocabulary) of each next token."""
        following, logits = self.task.step(self.head, {**self.kept, **state}, last, position)
        return {name: following[name] for name in state}, _log_probabilities(logits, position, self.task.search)


def _begun(task: Generates, head: keras.Model, features: Mapping[str, Any]) -> tuple[State, State]:
    """What steps leave alone, and what a search carries before its first one: `state` among it, and `position`."""
    search = task.search
    state = task.start(head, features)
    kept = {name: each for name, each in state.items() if name.startswith((OF_ALL, OF_ROW))}
    changes = {name: each for name, each in state.items() if name not in kept}
    rows, beams = next(iter(features.values())).shape[0], search.beams
    position = ops.convert_to_tensor(0, "int32") if compiles_each_shape() else 0
    common = {"position": position, "done": ops.zeros((rows,), "bool")}
    if beams == 1:
        return kept, {
            **common,
            "state": changes,
            "last": ops.full((rows,), search.start, "int32"),
            "tokens": ops.full((rows, search.most), search.pad, "int32"),
            "total": ops.zeros((rows,), "float32"),
            "count": ops.zeros((rows,), "int32"),
        }
    sequences = ops.full((rows, beams, search.most), search.pad, "int32")
    first = ops.tile(ops.where(ops.arange(beams) == 0, 0.0, NEVER)[None], (rows, 1))
    return kept, {
        **common,
        # On PyTorch several sequences of a single row would be one piece of memory, which steps write to.
        "state": {name: ops.copy(ops.repeat(tensor, beams, axis=0)) for name, tensor in changes.items()},
        "last": ops.full((rows * beams,), search.start, "int32"),
        "tokens": sequences,
        "totals": first,
        "ended": sequences,
        "scores": ops.full((rows, beams), NEVER, "float32"),
    }


def _advanced(search: _Search, carried: State, *, fewest: int) -> State:
    """Steps until no more than `fewest` rows run, or all tokens are there."""
    most = search.task.search.most
    advance = _greedy if search.task.search.beams == 1 else _beams

    def goes_on(carried: State) -> Any:
        running = ops.sum(ops.cast(ops.logical_not(carried["done"]), "int32"))
        return ops.logical_and(carried["position"] < most, running > fewest)

    if compiles_each_shape():
        (carried,) = ops.while_loop(goes_on, lambda carried: (advance(search, carried),), (carried,))
        return carried
    while carried["position"] < most and int((~carried["done"]).sum()) > fewest:
        carried = advance(search, carried)
    return carried


def _answer(search: Search, carried: State) -> dict[str, Any]:
    if search.beams == 1:
        score = _score(carried["total"], ops.maximum(carried["count"], 1), search)
        return {"tokens": carried["tokens"], "score": score}
    if search.answers == 1:
        return {"tokens": carried["ended"][:, 0], "score": carried["scores"][:, 0]}
    return {"tokens": carried["ended"][:, : search.answers], "score": carried["scores"][:, : search.answers]}


def _of_rows(search: Search, kept: State, carried: State, rows: Any) -> tuple[State, State]:
    """The same for some rows of it alone."""
    followed = ops.reshape(rows[:, None] * search.beams + ops.arange(search.beams, dtype="int32"), (-1,))
    below = {name: each if name.startswith(OF_ALL) else ops.take(each, rows, axis=0) for name, each in kept.items()}
    above: State = {"position": carried["position"]}
    above["state"] = {name: ops.take(each, followed, axis=0) for name, each in carried["state"].items()}
    above["last"] = ops.take(carried["last"], followed, axis=0)
    return below, above | {name: ops.take(each, rows, axis=0) for name, each in carried.items() if name not in above}


def _greedy(search: _Search, carried: State) -> State:
    """The likeliest token of each row."""
    asked, done, position = search.task.search, carried["done"], carried["position"]
    state, likely = search.step(carried["state"], carried["last"], position)
    token = ops.cast(ops.argmax(likely, axis=-1), "int32")
    gained = ops.take_along_axis(likely, token[:, None], axis=1)[:, 0]
    return {
        "position": position + 1,
        "state": state,
        "last": token,
        "tokens": _put(carried["tokens"], ops.where(done, asked.pad, token), position),
        "total": ops.where(done, carried["total"], carried["total"] + gained),
        "count": ops.where(done, carried["count"], carried["count"] + 1),
        "done": ops.logical_or(done, token == asked.end),
    }


def _beams(search: _Search, carried: State) -> State:
    """The likeliest sequences of each row that go on, as many as there are beams, and the best ones that have ended."""
    asked, done, position = search.task.search, carried["done"], carried["position"]
    beams, rows = asked.beams, carried["done"].shape[0]
    state, likely = search.step(carried["state"], carried["last"], position)
    # Each sequence ends in one way, so that of twice as many candidates enough go on.
    values, origin, token = _candidates(likely, carried["totals"], 2 * beams)
    grown = ops.take_along_axis(carried["tokens"], origin[..., None], axis=1)
    grown = _put(grown, token, position)

    ends = ops.logical_or(token == asked.end, ops.equal(position + 1, asked.most))
    counts = ops.logical_and(ends, ops.arange(values.shape[1])[None] < beams)
    counts = ops.logical_and(counts, ops.logical_not(done)[:, None])
    found = ops.where(counts, _score(values, position + 1, asked), NEVER)
    scores, places = ops.top_k(ops.concatenate([carried["scores"], found], axis=1), beams)
    both = ops.concatenate([carried["ended"], grown], axis=1)
    ended = ops.take_along_axis(both, ops.cast(places, "int32")[..., None], axis=1)

    totals, places = ops.top_k(ops.where(token == asked.end, NEVER, values), beams)
    places = ops.cast(places, "int32")
    origin = ops.take_along_axis(origin, places, axis=1)
    flat = ops.reshape(origin + beams * ops.arange(rows, dtype="int32")[:, None], (rows * beams,))

    # Log p never rises, so that no sequence that runs becomes better than it would be at the length that suits it most.
    best = _score(totals[:, 0], asked.most if asked.length_penalty > 0 else position + 1, asked)
    stops = best <= scores[:, asked.answers - 1]
    if asked.until != CERTAIN:
        filled = scores[:, -1] > NEVER
        if asked.until != FILLED:
            filled = ops.logical_and(filled, _score(totals[:, 0], position + 1, asked) <= scores[:, -1])
        stops = ops.logical_or(stops, filled)
    return {
        "position": position + 1,
        "state": {name: ops.take(tensor, flat, axis=0) for name, tensor in state.items()},
        "last": ops.reshape(ops.take_along_axis(token, places, axis=1), (rows * beams,)),
        "tokens": ops.take_along_axis(grown, places[..., None], axis=1),
        "totals": totals,
        "ended": ended,
        "scores": scores,
        "done": ops.logical_or(done, stops),
    }


def _candidates(likely: Any, totals: Any, count: int) -> tuple[Any, Any, Any]:
    """Of log p (row * beam, vocabulary) after sequences of the sums `totals` (row, beam) the `count` best sums, best
    first, with the beam and the token of each: (row, count)."""
    rows, beams = totals.shape
    vocabulary = likely.shape[-1]
    values, tokens = _largest(likely, min(count, vocabulary))
    each = values.shape[-1]
    sums = ops.reshape(ops.reshape(totals, (-1, 1)) + values, (rows, beams * each))
    values, places = ops.top_k(sums, min(count, beams * each))
    token = ops.take_along_axis(ops.reshape(tokens, (rows, beams * each)), places, axis=1)
    return values, ops.cast(places // each, "int32"), ops.cast(token, "int32")


def _largest(numbers: Any, count: int) -> tuple[Any, Any]:
    """The `count` largest numbers of each row (row, number), largest first, and where they are.

    They lie in those blocks whose largest numbers are largest: one pass over all, where sorting takes many.
    """
    rows, width = numbers.shape
    blocks = width // BLOCK
    if blocks < 2 * count:
        return tuple(ops.top_k(numbers, count))
    inside = blocks * BLOCK
    by_block = ops.reshape(numbers[:, :inside], (rows, blocks, BLOCK))
    _, chosen = ops.top_k(ops.max(by_block, axis=-1), count)
    near = ops.reshape(ops.take_along_axis(by_block, chosen[..., None], axis=1), (rows, count * BLOCK))
    places = ops.reshape(chosen[..., None] * BLOCK + ops.arange(BLOCK, dtype=chosen.dtype), (rows, count * BLOCK))
    if inside < width:
        rest = ops.broadcast_to(ops.arange(inside, width, dtype=chosen.dtype)[None], (rows, width - inside))
        near, places = ops.concatenate([near, numbers[:, inside:]], 1), ops.concatenate([places, rest], 1)
    values, found = ops.top_k(near, count)
    return values, ops.take_along_axis(places, found, axis=1)


def _log_probabilities(logits: Any, position: Any, search: Search) -> Any:
    """(..., vocabulary) float32; what is banned is never taken, and keeps its share."""
    likely = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    if search.banned and not compiles_each_shape():
        likely[..., list(search.banned)] = NEVER  # in place: nobody else has these numbers
    elif search.banned:
        never = np.zeros(logits.shape[-1], np.float32)
        never[list(search.banned)] = NEVER
        likely = likely + ops.convert_to_tensor(never)
    for tokens, begin in ((search.banned_first, 1), ((search.end,), search.least)):
        if tokens and begin:
            never = np.zeros(logits.shape[-1], np.float32)
            never[list(tokens)] = NEVER
            likely = likely + ops.where(position < begin, ops.convert_to_tensor(never), 0.0)
    return likely


def _score(total: Any, count: Any, search: Search) -> Any:
    return total / ops.power(ops.cast(count, "float32"), search.length_penalty)


def _put(tokens: Any, token: Any, position: Any) -> Any:
    """`tokens` (..., most) with `token` (...,) at `position`."""
    return ops.where(ops.arange(tokens.shape[-1]) == position, token[..., None], tokens)
