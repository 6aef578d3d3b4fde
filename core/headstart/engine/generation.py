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

from headstart.engine.device import arithmetic, compiles_each_shape, inference, quick_stages
from headstart.engine.network.network import TAP, Network
from headstart.engine.step import Forward
from headstart.specs import Generates, GeneratesOnVal, Search, Task
from headstart.specs.tasks import ANCESTORS, CERTAIN, FILLED, OF_ALL, OF_ROW, OF_SLOT

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
    below = quick_stages(network, start, last)

    def begin(tensors: Mapping[str, Any]) -> tuple[State, State]:
        alive = below(tensors)
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
            size = _size_for(len(running), len(places)) if compiles_each_shape() else len(running)
            rows = np.resize(running, size)
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
    """How many rows the next smaller batch has at most; each is a program more where shapes are compiled."""
    return rows // 4 if compiles_each_shape() else rows * 7 // 8


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
        following = {name: following[name] for name in state if name != ANCESTORS}
        return following, _log_probabilities(logits, position, self.task.search)

    def followed(self, state: State, origin: Any, position: Any) -> State:
        """What each sequence goes on with, whose `origin` (row, beam) is one of its row."""
        quick = arithmetic()
        rows, beams = origin.shape
        flat = (origin + beams * quick.arange(rows, origin)[:, None]).reshape(-1)
        found = {
            name: each if name.startswith(OF_SLOT) else quick.rows_of(each, flat)
            for name, each in state.items()
            if name != ANCESTORS
        }
        if ANCESTORS in state:
            held = state[ANCESTORS]
            taken = quick.rows_of(held.reshape(rows * beams, -1), flat).reshape(held.shape)
            found[ANCESTORS] = quick.where(quick.arange(held.shape[-1], held) <= position, taken, held)
        return found


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
    if any(name.startswith(OF_SLOT) for name in changes):
        own = ops.arange(beams, dtype="int32")[None, :, None]
        changes[ANCESTORS] = ops.copy(ops.broadcast_to(own, (rows, beams, search.most)))
    sequences = ops.full((rows, beams, search.most), search.pad, "int32")
    first = ops.tile(ops.where(ops.arange(beams) == 0, 0.0, NEVER)[None], (rows, 1))
    return kept, {
        **common,
        # On PyTorch several sequences of a single row would be one piece of memory, which steps write to.
        "state": {
            name: tensor if _is_of_row(name) else ops.copy(ops.repeat(tensor, beams, axis=0))
            for name, tensor in changes.items()
        },
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


def _is_of_row(name: str) -> bool:
    """Whether the first axis of what steps change is one of rows, however many sequences are followed."""
    return name == ANCESTORS or name.startswith(OF_SLOT)


def _of_rows(search: Search, kept: State, carried: State, rows: Any) -> tuple[State, State]:
    """The same for some rows of it alone."""
    take = arithmetic().rows_of
    followed = (rows[:, None] * search.beams + ops.arange(search.beams, dtype="int32")).reshape(-1)
    below = {name: each if name.startswith(OF_ALL) else take(each, rows) for name, each in kept.items()}
    above: State = {"position": carried["position"]}
    above["state"] = {
        name: take(each, rows if _is_of_row(name) else followed) for name, each in carried["state"].items()
    }
    above["last"] = take(carried["last"], followed)
    return below, above | {name: take(each, rows) for name, each in carried.items() if name not in above}


def _greedy(search: _Search, carried: State) -> State:
    """The likeliest token of each row."""
    quick = arithmetic()
    asked, done, position = search.task.search, carried["done"], carried["position"]
    state, likely = search.step(carried["state"], carried["last"], position)
    token = _likeliest(likely)
    gained = quick.along(likely, token[:, None], 1)[:, 0]
    token = quick.whole(token)
    return {
        "position": position + 1,
        "state": state,
        "last": token,
        "tokens": _put(carried["tokens"], quick.where(done, asked.pad, token), position),
        "total": quick.where(done, carried["total"], carried["total"] + gained),
        "count": carried["count"] + quick.whole(~done),
        "done": done | (token == asked.end),
    }


def _beams(search: _Search, carried: State) -> State:
    """The likeliest sequences of each row that go on, as many as there are beams, and the best ones that have ended."""
    quick = arithmetic()
    asked, done, position = search.task.search, carried["done"], carried["position"]
    beams, rows = asked.beams, carried["done"].shape[0]
    state, likely = search.step(carried["state"], carried["last"], position)
    # Each sequence ends in one way, so that of twice as many candidates enough go on.
    values, origin, token = _candidates(likely, carried["totals"], 2 * beams)
    written = quick.whole(token)
    grown = _put(quick.along(carried["tokens"], origin[..., None], 1), written, position)

    ends = token == asked.end
    if isinstance(position, int):
        finished = ends if position + 1 < asked.most else ends | True
    else:
        finished = ends | (position + 1 == asked.most)
    counts = finished & (quick.arange(values.shape[1], token) < beams) & ~done[:, None]
    found = quick.where(counts, _score(values, position + 1, asked), NEVER)
    scores, places = quick.top_k(quick.concatenate([carried["scores"], found], 1), beams)
    ended = quick.along(quick.concatenate([carried["ended"], grown], 1), places[..., None], 1)

    totals, places = quick.top_k(quick.where(ends, NEVER, values), beams)
    # Log p never rises, so that no sequence that runs becomes better than it would be at the length that suits it most.
    best = _score(totals[:, 0], asked.most if asked.length_penalty > 0 else position + 1, asked)
    stops = best <= scores[:, asked.answers - 1]
    if asked.until != CERTAIN:
        filled = scores[:, -1] > NEVER
        if asked.until != FILLED:
            filled = filled & (_score(totals[:, 0], position + 1, asked) <= scores[:, -1])
        stops = stops | filled
    return {
        "position": position + 1,
        "state": search.followed({**carried["state"], **state}, quick.along(origin, places, 1), position),
        "last": quick.along(written, places, 1).reshape(rows * beams),
        "tokens": quick.along(grown, places[..., None], 1),
        "totals": totals,
        "ended": ended,
        "scores": scores,
        "done": done | stops,
    }


def _candidates(likely: Any, totals: Any, count: int) -> tuple[Any, Any, Any]:
    """Of log p (row * beam, vocabulary) after sequences of the sums `totals` (row, beam) the `count` best sums, best
    first, with the beam and the token of each: (row, count)."""
    rows, beams = totals.shape
    vocabulary = likely.shape[-1]
    values, places = _largest(likely.reshape(rows, beams, vocabulary), totals, min(count, beams * vocabulary))
    return values, places // vocabulary, places % vocabulary


def _largest(numbers: Any, added: Any, count: int) -> tuple[Any, Any]:
    """Of `numbers` (row, part, number), to which what is `added` to their part (row, part) is added, the `count`
    largest of each row, largest first, and where they are among all of the row.

    They lie in those blocks whose largest numbers are largest: one pass over all, where sorting takes many.
    """
    quick = arithmetic()
    rows, parts, width = numbers.shape
    flat = numbers.reshape(rows, parts * width)
    blocks, rest = divmod(width, BLOCK)
    if parts * blocks < 2 * count:
        values, places = quick.top_k((numbers + added[..., None]).reshape(rows, -1), count)
        return values, places
    by_block = numbers[:, :, : blocks * BLOCK].reshape(rows, parts, blocks, BLOCK)
    highest = quick.largest(by_block) + added[..., None]
    _, chosen = quick.top_k(highest.reshape(rows, parts * blocks), count)
    begins = chosen // blocks * width + chosen % blocks * BLOCK
    places = (begins[..., None] + quick.arange(BLOCK, chosen)).reshape(rows, count * BLOCK)
    if rest:
        behind = quick.arange(parts, chosen)[:, None] * width + quick.arange(rest, chosen) + blocks * BLOCK
        behind = behind.reshape(1, -1) + quick.arange(rows, chosen)[:, None] * 0
        places = quick.concatenate([places, behind], 1)
    near = quick.along(flat, places, 1) + quick.along(added, places // width, 1)
    values, found = quick.top_k(near, count)
    return values, quick.along(places, found, 1)


def _likeliest(likely: Any) -> Any:
    """Where the largest number of each row (row, number) is, the first of equal ones: as `_largest` finds it."""
    quick = arithmetic()
    rows, width = likely.shape
    blocks, rest = divmod(width, BLOCK)
    if blocks < 2:
        return quick.place_of_largest(likely)
    highest = quick.largest(likely[:, : blocks * BLOCK].reshape(rows, blocks, BLOCK))
    if rest:
        highest = quick.concatenate([highest, quick.largest(likely[:, blocks * BLOCK :])[:, None]], 1)
    begin = quick.place_of_largest(highest)[:, None] * BLOCK
    begin = quick.where(begin > width - BLOCK, width - BLOCK, begin)  # the last block overlaps the one before it
    near = quick.along(likely, begin + quick.arange(BLOCK, begin), 1)
    return begin[:, 0] + quick.place_of_largest(near)


def _log_probabilities(logits: Any, position: Any, search: Search) -> Any:
    """(..., vocabulary) float32, in memory of its own; what is banned is never taken, and keeps its share."""
    quick = arithmetic()
    likely = quick.log_softmax(logits)
    if search.banned:
        likely = quick.without(likely, search.banned, NEVER)
    for tokens, begin in ((search.banned_first, 1), ((search.end,), search.least)):
        if not tokens or not begin:
            continue
        if isinstance(position, int):
            likely = quick.without(likely, tokens, NEVER) if position < begin else likely
        else:
            never = np.zeros(logits.shape[-1], np.float32)
            never[list(tokens)] = NEVER
            likely = likely + ops.where(position < begin, ops.convert_to_tensor(never), 0.0)
    return likely


def _score(total: Any, count: Any, search: Search) -> Any:
    if isinstance(count, int):
        return total / count**search.length_penalty
    return total / ops.power(ops.cast(count, "float32"), search.length_penalty)


def _put(tokens: Any, token: Any, position: Any) -> Any:
    """`tokens` (..., most) with `token` (...,) at `position`."""
    quick = arithmetic()
    return quick.where(quick.arange(tokens.shape[-1], tokens) == position, token[..., None], tokens)
