"""Texts are answered alike at every static length, and a few of these are all that is ever compiled."""

import os

import numpy as np
import pytest

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
WORDS = ["the", "film", "was", "good", "not", "bad", "play", "playing", "a", "b", "c", "d", "e"]


class AtFullLength:
    """A text kind whose batches are never cut."""

    def __init__(self, kind):
        self._kind = kind
        self.lengths = kind.lengths[-1:]

    def __getattr__(self, name):
        return getattr(self._kind, name)


def predictors(kind):
    """Of a small network of BERT's sort: with cut batches, and without."""
    from headstart.engine.device import forward
    from headstart.predictor import Predictor
    from headstart.registry import load_registry
    from headstart.testing.backbones.network import SmallNetwork

    registry = load_registry()
    spec = registry.get("backbones", "hf_text/transformer")
    options = spec.options(**{**spec.tiny, "positions": kind.lengths[-1]})
    small = SmallNetwork.build(registry.load_target(spec, spec.build), options, spec, kind)
    headed = small.headed(registry, 8)
    run = forward(headed.network, 0, len(headed.network.stages))
    return [Predictor(each, headed.task, run) for each in (kind, AtFullLength(kind))]


def texts(counts, seed):
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, count)) for count in counts]


def compilations():
    """A list that grows by one with each program that JAX compiles."""
    import jax

    found = []

    def heard(event, duration, **details):
        if event.endswith("backend_compile_duration"):
            found.append(details)

    jax.monitoring.register_event_duration_secs_listener(heard)
    return found


def test_answers_are_the_same_at_every_static_length(make_kind):
    kind = make_kind(length=128)
    assert kind.lengths == (8, 16, 32, 64, 128)
    cut, whole = predictors(kind)
    for count in (0, 1, 6, 7, 12, 14, 15, 30, 62, 63, 126, 300):
        given = texts([count, count // 2], count)
        found, expected = (each.outputs(given)["logits"] for each in (cut, whole))
        assert expected.std() > 0.01
        assert np.abs(found - expected).max() <= 1e-5 * max(1.0, expected.std())


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="PyTorch compiles nothing")
def test_texts_of_any_length_compile_no_more_than_a_program_a_static_length(make_kind):
    kind = make_kind(length=64)
    cut, _ = predictors(kind)
    heard = compilations()
    for count in (3, 10, 20, 60):  # one batch of each static length
        cut.outputs(texts([count] * 32, count))
    first = len(heard)
    assert first >= 4
    for count in range(1, 60, 7):
        cut.outputs(texts(range(count, count + 32), count))
    assert len(heard) == first
