"""Phases that learn from pairs of samples, against loops over pairs in float64."""

import os

import keras
import numpy as np
import pytest

from headstart.engine.contrast import pair_losses, showing_features
from headstart.engine.device import forward, train_step
from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.phases import run_phases
from headstart.eventlog import read_events
from headstart.events import EpochDone
from headstart.specs import Phase

pytestmark = pytest.mark.backend
ON_JAX = [pytest.mark.slow] * (os.environ.get("KERAS_BACKEND") == "jax")
"""JAX compiles each network anew."""


def by_loop(features, likeness):
    """Over every two rows of (row, channel)."""
    rows = len(features)
    expected = np.zeros(rows)
    for one in range(rows):
        for other in set(range(rows)) - {one}:
            lengths = np.linalg.norm(features[one]) * np.linalg.norm(features[other])
            expected[one] += (features[one] @ features[other] / lengths - likeness[one][other]) ** 2
    return expected / max(rows - 1, 1)


@pytest.mark.parametrize("shapes", [[(5,)], [(3, 2, 5)], [(4,), (2, 3, 5)]], ids=["pooled", "map", "two features"])
@pytest.mark.parametrize("rows", [1, 6])
def test_each_row_is_compared_with_every_other(shapes, rows):
    draw = np.random.default_rng(0)
    features = [draw.normal(size=(rows, *shape)).astype(np.float32) for shape in shapes]
    likeness = (draw.integers(0, 2, (rows, rows))).astype(np.float32)
    found = pair_losses([keras.ops.convert_to_tensor(each) for each in features], keras.ops.convert_to_tensor(likeness))
    flat = [each.astype(np.float64).mean(axis=tuple(range(1, each.ndim - 1))) for each in features]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found), by_loop(np.concatenate(flat, axis=1), likeness), atol=1e-5
    )


@pytest.mark.parametrize("share", [pytest.param(1.0, marks=ON_JAX), 0.25])
def test_a_step_learns_from_the_pairs_of_its_batch(bench, share):
    """What it says of each row is the mean of both losses; updates make pairs more like what they are to be."""
    network = bench.network()
    rows, mask = np.arange(12), np.ones(12, np.float32)
    targets, start = bench.targets("train", rows), network.index("top")
    entering = forward(network, 0, start)(bench.batch(rows))
    shown = showing_features(network)
    trainable = trainable_variables(network, ("top", "head"))
    optimizer = GroupedOptimizer(trainable, dict.fromkeys(("top", "head"), 3e-3), Schedule(9), rules=Rules())
    step = train_step(Step(shown, start, trainable, optimizer, bench.task, contrast=share))

    def expected():
        outputs = forward(shown, start, len(network.stages))(entering)
        same = targets["class"][:, None] == targets["class"]
        pairs = by_loop(outputs["@pooled"].astype(np.float64), same.astype(np.float64))
        logits = {"logits": keras.ops.convert_to_tensor(outputs["logits"])}
        encoded = {"class": keras.ops.convert_to_tensor(targets["class"])}
        plain = keras.ops.convert_to_numpy(bench.task.loss(encoded, logits, training=True))
        return share * pairs + (1 - share) * plain

    before = expected()
    losses = []
    for _ in range(8):
        seen = step(entering, targets, mask)
        losses.append(seen.loss)
        if len(losses) == 1:
            np.testing.assert_allclose(seen.losses, before, atol=1e-4)
    step.sync()
    assert set(seen.outputs) == {"logits"}
    assert losses[-1] < losses[0]
    assert expected().mean() < losses[-1]


def test_the_head_is_solved_for_on_what_the_pairs_made_of_the_features(bench, network, training):
    """The last epoch is kept whatever val says of a head that nobody has fitted yet."""
    made = training(network)
    before = read_arrays(network.learned)
    rates = dict.fromkeys(("top", "head"), 1e-3)
    teach = Phase(name="contrast", train=("top", "head"), solver="gradient", rates=rates, epochs=3, contrast=1.0)
    solve = Phase(name="head", train=("head",), solver="closed_form", strengths=(0.01, 1.0))
    taught, solved = run_phases([teach, solve], made)

    assert (taught.best_epoch, taught.reason) == (3, "all epochs")
    after = read_arrays(network.learned)
    assert not np.array_equal(before["top/0/kernel"], after["top/0/kernel"])
    events = [event for event in read_events(made.log._path) if isinstance(event, EpochDone)]
    assert [event.best for event in events if event.phase == "contrast"] == [True] * 3
    rows = bench.data.indices("val")
    answers = forward(network, 0, len(network.stages))(bench.batch(rows))["logits"].argmax(1)
    assert solved.best["accuracy"] == pytest.approx((answers == bench.targets("val")["class"]).mean())
