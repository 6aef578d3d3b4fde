"""What a checkpoint says of the state of a phase, in facts and arrays, is that state."""

import json

import numpy as np
import pytest

from headstart.engine.scoring import ScoredRows, Scores
from headstart.engine.train.epochs import EpochRecord
from headstart.engine.train.state import PhaseResult, TrainState
from headstart.engine.train.weight_averaging import Outcome

pytestmark = pytest.mark.backend


def test_a_long_epoch_that_was_begun_comes_back_and_its_facts_stay_small():
    """A manifest of more than a mebibyte is refused; the losses of 100,000 steps are arrays."""
    losses = np.random.default_rng(0).random(100_000)
    state = TrainState(epoch=3, taken=7, record=EpochRecord(losses=losses.tolist()))
    facts = json.loads(json.dumps(state.facts()))
    again = TrainState.of(facts, state.groups(), EpochRecord())

    assert len(json.dumps(facts)) < 2_000
    assert np.array_equal(again.record.losses, losses)
    assert (again.epoch, again.taken, again.record.steps) == (3, 7, 100_000)
    assert TrainState.of(TrainState().facts(), TrainState().groups(), EpochRecord()).record.steps == 0


def test_running_scores_come_back_and_go_on_to_the_same_bits(bench):
    draw = np.random.default_rng(0)
    steps = [
        (bench.targets("train", np.arange(8)), {"logits": draw.normal(size=(8, 10)).astype(np.float32)}, draw.random(8))
        for _ in range(4)
    ]
    record = EpochRecord(Scores(bench.task, running=True))
    for targets, outputs, losses in steps[:2]:
        record.add(float(losses.mean()), ScoredRows(targets, outputs, losses))
    saved = TrainState(record=record)
    groups = {name: {key: array.copy() for key, array in each.items()} for name, each in saved.groups().items()}
    again = TrainState.of(saved.facts(), groups, EpochRecord(Scores(bench.task, running=True))).record
    for targets, outputs, losses in steps[2:]:
        for each in (record, again):
            each.add(float(losses.mean()), ScoredRows(targets, outputs, losses))

    assert again.losses == record.losses
    assert again.metrics() == record.metrics()


def test_the_best_epochs_of_trials_come_back_with_metrics_that_are_no_numbers():
    arrays = {"head/0/kernel": np.ones((2, 2), np.float32)}
    trials = [Outcome(arrays, {"loss": 1.0, "auc": float("nan")}, 2), Outcome(arrays, {"loss": 0.5, "auc": 1.0}, 0)]
    state = TrainState(trial=2, best=trials[0], trials=trials)
    again = TrainState.of(json.loads(json.dumps(state.facts())), state.groups(), EpochRecord())

    assert [each.epoch for each in (again.best, *again.trials)] == [2, 2, 0]
    assert np.isnan(again.trials[0].metrics["auc"])
    assert again.trials[1].metrics == trials[1].metrics
    assert np.array_equal(again.trials[1].arrays["head/0/kernel"], arrays["head/0/kernel"])


def test_a_result_comes_back_as_it_was_saved():
    result = PhaseResult(
        "probe", ("head",), 2, {"loss": 0.5}, "all epochs", 10, averaged={"soup": [1.0]}, found={"temperature": 2.0}
    )
    assert PhaseResult.of(json.loads(json.dumps(result.saved()))) == result
