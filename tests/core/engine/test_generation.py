"""Greedy and beam search against every sequence that there is, on tiny random models."""

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from headstart.specs import Generates, Search, Stage

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

VOCABULARY, STEPS, WIDTH, ROWS = 5, 4, 6, 3
START, END, PAD = 0, 1, 2
ALL = VOCABULARY**STEPS
SEARCH = Search(START, END, PAD, STEPS)


def head_model():
    """From a hidden state and the last token to the next state and logits, with weights as a head has them."""
    import keras

    hidden = keras.Input((WIDTH,), name="hidden")
    last = keras.Input((VOCABULARY,), name="last")
    position = keras.Input((1,), name="position")
    joined = keras.layers.Concatenate()([hidden, last, position])
    following = keras.layers.Dense(WIDTH, activation="tanh")(joined)
    logits = keras.layers.Dense(VOCABULARY)(following)
    model = keras.Model({"hidden": hidden, "last": last, "position": position}, {"hidden": following, "logits": logits})
    rng = np.random.default_rng(5)
    for variable in model.weights:
        variable.assign(1.5 * rng.normal(size=variable.shape))
    return model


@dataclass(frozen=True)
class Continues:
    """A task that continues sequences; `biased` is added to the logits of the end."""

    search: Search
    biased: float = 0.0

    def start(self, head, features):
        return {"hidden": features["source"]}

    def step(self, head, state, last, position):
        from keras import ops

        rows = last.shape[0]
        given = {
            "hidden": state["hidden"],
            "last": ops.one_hot(last, VOCABULARY),
            "position": ops.broadcast_to(ops.reshape(ops.cast(position, "float32"), (1, 1)), (rows, 1)),
        }
        outputs = head(given, training=False)
        return {"hidden": outputs["hidden"]}, outputs["logits"] + self.biased * ops.one_hot(END, VOCABULARY)


@pytest.fixture(scope="module")
def head():
    return head_model()


@pytest.fixture(scope="module")
def sources():
    return np.random.default_rng(1).normal(size=(ROWS, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def search(head):
    """Runs a task's search on sources (batch, width); numpy out."""
    from headstart.engine.generation import generator
    from headstart.engine.network.network import Network
    from headstart.specs import FeatureSpec

    def run(task, sources):
        import keras

        entry = keras.Input((WIDTH,), name="x")
        below = [Stage(name, keras.Model({"x": entry}, {"x": entry})) for name in ("input", "low")]
        feature = FeatureSpec("source", "low", "x", ("batch", "channel"), WIDTH)
        return generator(Network((*below, Stage("head", head)), (feature,)), task)({"x": sources})

    return run


class Everything:
    """The same model in numpy, with every sequence that ends or has the most tokens."""

    def __init__(self, head):
        import keras

        arrays = [keras.ops.convert_to_numpy(variable).astype(np.float64) for variable in head.weights]
        (self.first, self.first_bias), (self.second, self.second_bias) = arrays[:2], arrays[2:]

    def after(self, hidden, last, position):
        """The next state, and log p of each token."""
        joined = np.concatenate([hidden, np.eye(VOCABULARY)[last], [position]])
        hidden = np.tanh(joined @ self.first + self.first_bias)
        logits = hidden @ self.second + self.second_bias
        return hidden, logits - np.log(np.exp(logits).sum())

    def log_probability(self, source, sequence):
        total, hidden, last = 0.0, source.astype(np.float64), START
        for position, token in enumerate(sequence):
            hidden, likely = self.after(hidden, last, position)
            total, last = total + likely[token], token
        return total

    def sequences(self, source, banned=()):
        """(tokens, log p)."""
        waiting = [((), source.astype(np.float64), 0.0)]
        while waiting:
            tokens, hidden, total = waiting.pop()
            hidden, likely = self.after(hidden, tokens[-1] if tokens else START, len(tokens))
            for token in set(range(VOCABULARY)) - set(banned):
                grown = ((*tokens, token), hidden, total + likely[token])
                if token == END or len(tokens) + 1 == STEPS:
                    yield grown[0], grown[2]
                else:
                    waiting.append(grown)

    def scored(self, source, penalty, banned=()):
        """(tokens, score), best first."""
        found = [(tokens, total / len(tokens) ** penalty) for tokens, total in self.sequences(source, banned)]
        return sorted(found, key=lambda each: -each[1])

    def best(self, source, penalty, banned=()):
        return self.scored(source, penalty, banned)[0]


@pytest.fixture(scope="module")
def everything(head):
    return Everything(head)


def padded(tokens):
    return [*tokens, *[PAD] * (STEPS - len(tokens))]


def test_the_task_of_this_test_is_one_that_generates():
    assert isinstance(Continues(SEARCH), Generates)


def test_greedy_takes_the_likeliest_token_at_each_step(everything, sources, search):
    found = search(Continues(SEARCH), sources)

    for source, tokens, score in zip(sources, found["tokens"], found["score"], strict=True):
        path, hidden = [], source.astype(np.float64)
        while len(path) < STEPS and path[-1:] != [END]:
            hidden, likely = everything.after(hidden, path[-1] if path else START, len(path))
            path.append(int(likely.argmax()))
        assert tokens.tolist() == padded(path)
        assert score == pytest.approx(everything.log_probability(source, path) / len(path), abs=1e-5)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 0.6, -0.5])
def test_with_room_for_every_sequence_beams_find_the_best_one(everything, sources, search, penalty):
    found = search(Continues(replace(SEARCH, beams=ALL, length_penalty=penalty)), sources)

    assert (found["tokens"].dtype, found["score"].dtype) == (np.int32, np.float32)
    for source, tokens, score in zip(sources, found["tokens"], found["score"], strict=True):
        best, expected = everything.best(source, penalty)
        assert tokens.tolist() == padded(best)
        assert score == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("until", ["judged", "certain"])
def test_several_answers_come_best_first(everything, sources, search, until):
    found = search(Continues(replace(SEARCH, beams=ALL, answers=6, until=until, length_penalty=0.6)), sources)

    assert (found["tokens"].shape, found["score"].shape) == ((ROWS, 6, STEPS), (ROWS, 6))
    for source, tokens, score in zip(sources, found["tokens"], found["score"], strict=True):
        best = everything.scored(source, 0.6)[:6]
        assert tokens.tolist() == [padded(each) for each, _ in best]
        assert score == pytest.approx([each for _, each in best], abs=1e-5)


def test_answers_that_there_are_none_of_have_no_score(sources, search):
    found = search(Continues(replace(SEARCH, beams=3, answers=3, banned=(1, 2, 3, 4))), sources[:1])

    assert found["tokens"][0, 0].tolist() == [START] * STEPS  # all that can be said
    assert np.isfinite(found["score"][0]).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="4 answers of 3 beams"):
        replace(SEARCH, beams=3, answers=4)
    with pytest.raises(ValueError, match="until 'bored'"):
        replace(SEARCH, until="bored")


@pytest.mark.parametrize("beams", [1, 3])
def test_the_end_waits_for_the_least_number_of_tokens(sources, search, beams):
    task = Continues(replace(SEARCH, beams=beams, least=2), biased=8.0)
    found = search(task, sources)["tokens"]

    assert not (found[:, :2] == END).any()
    assert (found[:, 2] == END).all()


@pytest.mark.parametrize("beams", [1, 3])
def test_what_is_banned_as_the_first_token_may_come_later(sources, search, beams):
    free = search(Continues(replace(SEARCH, beams=beams, banned_first=(END,)), biased=8.0), sources)["tokens"]

    assert not (free[:, 0] == END).any()
    assert (free[:, 1] == END).all()


@pytest.mark.parametrize("width", [5, 16 * 64, 20 * 64 + 7])
def test_the_largest_of_many_numbers_are_found_block_by_block(width):
    from keras import ops

    from headstart.engine.generation import BLOCK, _largest

    assert BLOCK == 64
    random = np.random.default_rng(2)
    numbers = random.normal(size=(4, 3, width)).astype(np.float32)
    numbers[0, 1, -3:] = [7, 9, 8]
    added = np.array([[0, 0, 0], [0, 2, -1], [0, -np.inf, -np.inf], [-3, 0, 1]], np.float32)
    values, places = _largest(ops.convert_to_tensor(numbers), ops.convert_to_tensor(added), min(8, width))
    sums = (numbers + added[..., None]).reshape(4, -1)
    expected = np.argsort(-sums, axis=1, kind="stable")[:, : min(8, width)]
    assert np.array_equal(ops.convert_to_numpy(places), expected)
    assert np.array_equal(ops.convert_to_numpy(values), np.take_along_axis(sums, expected, axis=1))


@pytest.mark.parametrize("width", [5, 2 * 64, 20 * 64 + 7])
def test_the_likeliest_is_the_first_of_the_largest(width):
    from keras import ops

    from headstart.engine.generation import _likeliest

    numbers = np.random.default_rng(3).normal(size=(40, width)).astype(np.float32)
    numbers[np.arange(40), np.arange(40) * 37 % width] = 9
    numbers[np.arange(0, 40, 2), np.arange(0, 40, 2) * 91 % width] = 9  # two that are equal
    found = ops.convert_to_numpy(_likeliest(ops.convert_to_tensor(numbers)))
    assert np.array_equal(found, numbers.argmax(1))


def test_few_beams_are_no_worse_than_greedy_and_their_score_is_that_of_their_tokens(everything, sources, search):
    greedy = search(Continues(replace(SEARCH, length_penalty=0.0)), sources)["score"]
    found = search(Continues(replace(SEARCH, beams=3, length_penalty=0.0)), sources)

    assert (found["score"] >= greedy - 1e-6).all()
    for source, tokens, score in zip(sources, found["tokens"].tolist(), found["score"], strict=True):
        sequence = tokens[: tokens.index(END) + 1] if END in tokens else tokens
        assert score == pytest.approx(everything.log_probability(source, sequence), abs=1e-5)


@pytest.mark.parametrize("beams", [1, ALL])
def test_banned_tokens_are_never_taken(everything, sources, search, beams):
    free = search(Continues(replace(SEARCH, beams=beams)), sources)["tokens"]
    banned = tuple(sorted({int(token) for token in free[:, 0]} - {END}))
    found = search(Continues(replace(SEARCH, beams=beams, banned=banned)), sources)

    assert banned
    assert not np.isin(found["tokens"], [each for each in banned if each != PAD]).any()
    if beams > 1:
        for source, tokens in zip(sources, found["tokens"], strict=True):
            assert tokens.tolist() == padded(everything.best(source, 1.0, banned)[0])


@pytest.mark.parametrize("beams", [1, 4])
def test_behind_the_end_comes_padding_and_no_further_step(head, sources, beams):
    from headstart.engine.generation import generate

    steps = []

    class Counted(Continues):
        def step(self, head, state, last, position):
            steps.append(1)
            return super().step(head, state, last, position)

    import keras

    with eagerly():
        task = Counted(replace(SEARCH, beams=beams, length_penalty=0.0), biased=40.0)
        found = generate(task, head, {"source": keras.ops.convert_to_tensor(sources)})
    tokens = keras.ops.convert_to_numpy(keras.ops.stop_gradient(found["tokens"]))

    assert tokens.tolist() == [padded([END])] * ROWS
    assert len(steps) == 1


@contextmanager
def eagerly():
    import keras

    if keras.backend.backend() == "jax":
        import jax

        context = jax.disable_jit()
    else:
        context = nullcontext()
    with context:
        yield


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("biased", [0.0, 3.0])
def test_what_else_is_in_the_batch_does_not_matter(sources, search, beams, biased):
    task = Continues(replace(SEARCH, beams=beams, length_penalty=0.6), biased=biased)
    together = search(task, sources)
    alone = [search(task, source[None]) for source in sources]

    assert np.array_equal(together["tokens"], np.concatenate([each["tokens"] for each in alone]))
    np.testing.assert_allclose(together["score"], np.concatenate([each["score"] for each in alone]), atol=1e-6)


@dataclass(frozen=True)
class Remembers:
    """A task whose next token depends on all tokens before it, which are kept with each sequence or, in `slots`, where
    they were written."""

    search: Search
    slots: bool

    def start(self, head, features):
        from keras import ops

        rows, beams = features["source"].shape[0], self.search.beams
        if self.slots:
            return {"row.source": features["source"], "slot.seen": ops.zeros((rows, beams, STEPS), "int32")}
        return {"row.source": features["source"], "seen": ops.zeros((rows, STEPS), "int32")}

    def step(self, head, state, last, position):
        from keras import ops

        source = state["row.source"]
        rows, beams = source.shape[0], self.search.beams
        at_position = ops.equal(ops.arange(STEPS), position)
        if self.slots:
            seen = ops.where(at_position, ops.reshape(last, (rows, beams, 1)), state["slot.seen"])
            history, following = seen, {"slot.seen": seen}
            if beams > 1:
                history = ops.take_along_axis(seen, state["ancestors"], 1)
            history = ops.reshape(history, (rows * beams, STEPS))
        else:
            history = ops.where(at_position, last[:, None], state["seen"])
            following = {"seen": history}
        table = np.random.default_rng(6).normal(size=(STEPS, VOCABULARY, VOCABULARY)).astype(np.float32)
        told = ops.one_hot(history, VOCABULARY) * ops.cast(ops.arange(STEPS) <= position, "float32")[:, None]
        told = ops.einsum("bsv,svw->bw", told, ops.convert_to_tensor(table))
        return following, told + ops.repeat(source[:, :VOCABULARY], beams, axis=0)


@pytest.mark.parametrize("beams", [1, 3, 7])
def test_what_stays_where_it_was_written_is_found_by_ancestors(sources, search, beams):
    several = np.concatenate([sources, -sources, 2 * sources])
    asked = replace(SEARCH, beams=beams, answers=min(beams, 2))
    copied, kept = (search(Remembers(asked, slots), several) for slots in (False, True))

    assert np.array_equal(kept["tokens"], copied["tokens"])
    np.testing.assert_allclose(kept["score"], copied["score"], atol=1e-5)
    assert len({tuple(each) for each in copied["tokens"].reshape(-1, STEPS).tolist()}) > 2


def test_a_task_that_generates_is_scored_by_what_its_head_gives(bench, network):
    """Its answers have no loss, whether or not the head is fed targets."""
    from headstart.artefact import Artefact

    class Task(Continues):
        def loss(self, targets, outputs, *, training):
            return bench.task.loss(targets, outputs, training=training)

    artefact = object.__new__(Artefact)
    blueprint = SimpleNamespace(backbone=SimpleNamespace(any_length=False))
    vars(artefact).update(network=network, task=Task(SEARCH), kind=bench.kind, blueprint=blueprint)
    rows, targets = bench.batch(np.arange(32)), bench.targets("train", slice(0, 32))
    assert artefact.predictor.score(rows, targets).losses.shape == (32,)
