"""The range test on a small network: the real start of a phase, and nothing moved afterwards."""

from types import SimpleNamespace

import numpy as np
import pytest

from headstart.data.order import batches
from headstart.engine.network.stages import read_arrays
from headstart.engine.train import lr_test
from headstart.engine.train.epochs import Examples
from headstart.engine.train.lr_test import measure_rates, sweeping
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.trainable import select_trainable
from headstart.engine.train.update_rules import Adam, RmsProp, Sgd
from headstart.rate_curve import STOP, smoothed_so_far
from headstart.specs import LowRank, Phase

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

RATES = np.geomspace(1e-5, 10.0, 60)
PLANNED = {"low": 1e-3, "middle": 2e-3, "top": 4e-3, "head": 8e-3}


def phase(*train, **settings):
    return Phase(
        name="tune", train=train, solver="gradient", rates={stage: PLANNED[stage] for stage in train}, **settings
    )


def test_batches_are_put_together_as_those_of_a_run(network, training):
    """Rows of like length are: here the first of them all."""
    examples = SimpleNamespace(batches=lambda order, batch_size, statistics_move: batches(np.sort(order), batch_size))
    _, rows, _ = next(lr_test._endless(training(network), examples, statistics_move=False))
    assert rows.tolist() == list(range(8))


def test_the_loss_falls_and_then_rises_until_it_is_stopped(network, training):
    rates = np.geomspace(1e-4, 10.0, 150)
    found = measure_rates(phase("low", "middle", "top", "head"), training(network), rates, planned=4e-3)
    curve = found.curve

    assert found.reason == f"the loss rose to more than {STOP:g} times its least"
    assert len(curve.rates) < len(rates)
    assert smoothed_so_far(curve.losses)[-1] > STOP * smoothed_so_far(curve.losses).min()
    assert curve.smoothed[curve.least] < 0.8 * curve.smoothed[0]
    assert rates[0] < curve.steepest < curve.rates[curve.least] < curve.rates[-1]


@pytest.mark.parametrize(
    "tested",
    [
        phase("low", "middle", "top", "head"),
        phase("top", "head"),
        phase("middle", "top", "head", adapter=LowRank(rank=2)),
        phase("low", "middle", "top", "head", roles=("gamma", "beta")),
        phase("low", "middle", "top", "head", pick=1),
    ],
    ids=["everything", "the upper part", "an adapter", "norms", "picked"],
)
def test_every_weight_is_afterwards_as_it_was(network, training, tested):
    before = read_arrays(network.learned)
    found = measure_rates(tested, training(network), RATES[:20], planned=4e-3)
    after = read_arrays(network.learned)

    assert len(found.curve.losses) == 20
    assert len(set(found.curve.losses)) > 10  # it did train
    assert {name for name in before if not np.array_equal(before[name], after[name])} == set()


def test_statistics_that_move_are_put_back_too(network, training):
    before = read_arrays(network.learned)
    tested = phase("low", "middle", "top", "head")
    measure_rates(tested, training(network, batch_norm="trainable"), RATES[:20], planned=4e-3)
    after = read_arrays(network.learned)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == set()


def test_equal_seeds_give_equal_curves(bench, training):
    tested = phase("middle", "top", "head")
    one, other = (measure_rates(tested, training(bench.network()), RATES[:20], planned=4e-3).curve for _ in range(2))
    assert np.array_equal(one.losses, other.losses)


def test_the_first_losses_are_those_of_a_run_at_such_rates(network, training):
    """Rates too low to change anything: the loss of each batch as the untouched network gives it."""
    from headstart.data.order import batches
    from headstart.engine.device import forward

    made = training(network)
    rates = np.full(8, 1e-12) * (1 + np.arange(8) / 100)
    losses = measure_rates(phase("low", "middle", "top", "head"), made, rates, planned=4e-3).curve.losses

    samples = made.source.plain(0, "train").samples
    answer, expected = forward(network, 0, len(network.stages)), []
    for epoch in (1, 2):
        for rows, mask in batches(made.order(epoch), made.batch_size):
            logits = answer(samples.take(epoch, rows))["logits"].astype(np.float64)
            logs = (
                np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(rows)), made.targets["train"]["class"][rows]]
            )
            expected.append((logs * mask).sum() / mask.sum())
    assert losses == pytest.approx(expected[1:9], abs=1e-4)


def test_stages_keep_their_ratios_at_every_rate(network):
    tested = phase("low", "middle", "top", "head")
    named = select_trainable(network, tested, seed=0, batch_norm="frozen").variables
    swept = sweeping(named, tested, np.array([0.5, 2.0]))
    stages = [name.partition("/")[0] for name in named]

    for count, factor in enumerate((0.5, 2.0)):
        of_weights = [swept.rates(count)[group] for group in swept.groups]
        assert of_weights == pytest.approx([factor * PLANNED[stage] for stage in stages])
    assert swept.rates(np.arange(2)).shape == (2, 4)


@pytest.mark.parametrize(
    ("settings", "update"),
    [({}, Adam()), ({"optimizer": "sgd", "momentum": 0.9}, Sgd(0.9)), ({"optimizer": "rmsprop"}, RmsProp())],
    ids=["adamw", "momentum", "rmsprop"],
)
def test_at_a_constant_rate_its_update_is_that_of_the_runs_optimizer(bench, apply, settings, update):
    tested, updated = phase("top", "head", weight_decay=0.1, clip=0.5, **settings), []
    for swept in (True, False):
        made = bench.network()
        named = select_trainable(made, tested, seed=0, batch_norm="frozen").variables
        if swept:
            optimizer = sweeping(named, tested, np.array([1.0]))
        else:
            optimizer = GroupedOptimizer(named, PLANNED, Schedule(1), update=update, rules=Rules(0.1, clip=0.5))
        draw = np.random.default_rng(0)
        apply(optimizer, [draw.normal(size=variable.shape).astype(np.float32) for variable in named.values()])
        updated.append(read_arrays(made.learned))
    for name, array in updated[0].items():
        assert np.array_equal(array, updated[1][name]), name


def test_values_are_of_the_setting_and_not_of_a_stage(bench, training):
    """At twice the value that is planned, all rates are half as high."""
    tested = phase("middle", "top", "head")
    one = measure_rates(tested, training(bench.network()), RATES[:20], planned=4e-3).curve
    other = measure_rates(tested, training(bench.network()), 2 * RATES[:20], planned=8e-3).curve
    assert np.array_equal(other.losses, one.losses)
    assert np.array_equal(other.rates, 2 * one.rates)


def test_statistics_that_move_see_the_batches_that_a_run_has(network, training, monkeypatch):
    """The last batch of an epoch is filled up with other samples, not with one of them many times."""
    made = training(network, batch_size=7, batch_norm="trainable")
    asked, given = [], Examples.batches

    def recorded(examples, *order, statistics_move):
        for rows, mask in given(examples, *order, statistics_move=statistics_move):
            asked.append(rows)
            yield rows, mask

    monkeypatch.setattr(Examples, "batches", recorded)
    measure_rates(phase("top", "head"), made, RATES[:10], planned=4e-3)
    assert len(asked) >= 10
    assert all(len(set(rows)) == 7 for rows in asked)
    plain = training(network, batch_size=7)
    asked.clear()
    measure_rates(phase("top", "head"), plain, RATES[:10], planned=4e-3)
    assert any(len(set(rows)) < 7 for rows in asked)
