"""A phase that runs once for each rate factor begins each time where it began, and says and saves each end at once."""

import keras
import pytest

from headstart.engine.train import trainer
from headstart.engine.train.phases import run_phases
from headstart.eventlog import read_events
from headstart.events import CheckpointSaved, EpochDone, WeightsAveraged
from headstart.specs import Phase

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

FACTORS = (0.3, 1.0, 3.0)
PHASE = Phase(
    name="tune", train=("head",), solver="gradient", rates={"head": 1e-2}, epochs=2, rate_factors=FACTORS, patience=2
)


@pytest.fixture
def validated(monkeypatch):
    """The head's kernel at each pass over val."""
    kernels = []
    real = trainer.Trainer._validate

    def validate(self, **settings):
        kernels.append(keras.ops.convert_to_numpy(self._trainable.changed["head/0/kernel"]).copy())
        return real(self, **settings)

    monkeypatch.setattr(trainer.Trainer, "_validate", validate)
    return kernels


def test_the_start_of_all_trials_is_measured_once(network, training, validated):
    """Nothing is computed between a trial's last epoch and the checkpoint that keeps it."""
    made = training(network)
    start = keras.ops.convert_to_numpy(network.learned[-1].model.weights[0]).copy()
    run_phases([PHASE], made)

    assert [index for index, kernel in enumerate(validated) if (kernel == start).all()] == [0]
    soup = len(FACTORS) - 1
    assert len(validated) == 1 + PHASE.epochs * len(FACTORS) + soup
    events = [event for event in read_events(made.log._path) if isinstance(event, EpochDone | CheckpointSaved)]
    ends = [place for place, event in enumerate(events) if isinstance(event, EpochDone) and event.epoch == PHASE.epochs]
    assert len(ends) == len(FACTORS)
    assert all(isinstance(events[place + 1], CheckpointSaved) for place in ends)


def test_what_is_mixed_with_the_start_was_trained_even_where_the_start_is_better(network, training, monkeypatch):
    """Else every mixture would be the start."""
    tried = []
    real = trainer.best_share

    def listened(start, end, *rest):
        tried.append((start, end))
        return real(start, end, *rest)

    monkeypatch.setattr(trainer, "best_share", listened)
    made = training(network)
    phase = Phase(name="tune", train=("head",), solver="gradient", rates={"head": 30.0}, epochs=2, wise_ft=(0.25, 0.5))
    (result,) = run_phases([phase], made)

    ((start, end),) = tried
    assert end.metrics["loss"] > start.metrics["loss"]
    assert (end.arrays["head/0/kernel"] != start.arrays["head/0/kernel"]).any()
    assert result.best["loss"] <= start.metrics["loss"]
    (told,) = (event for event in read_events(made.log._path) if isinstance(event, WeightsAveraged))
    assert tuple(told.values) == tuple(result.averaged["share"])


def test_training_that_is_worse_than_its_start_is_no_best_epoch_and_is_warned_of(network, training):
    """Its epochs are what is mixed with the start all the same."""
    made = training(network)
    phase = Phase(name="tune", train=("head",), solver="gradient", rates={"head": 1e4}, epochs=2, wise_ft=(0.25, 0.5))
    (result,) = run_phases([phase], made)
    epochs = [event for event in read_events(made.log._path) if isinstance(event, EpochDone)]

    assert (result.averaged["share"], result.best_epoch) == ([0.0], 0)
    assert all(epoch.val["loss"] > result.best["loss"] for epoch in epochs)
    assert [epoch.best for epoch in epochs] == [False, False]
    assert "no epoch of phase 'tune' was better on val than its start, which is kept" in made.log.warnings


def test_training_that_is_better_than_its_start_is_marked_where_it_is_mixed_too(network, training):
    made = training(network)
    phase = Phase(name="tune", train=("head",), solver="gradient", rates={"head": 1e-2}, epochs=2, wise_ft=(0.25, 0.5))
    (result,) = run_phases([phase], made)
    epochs = [event for event in read_events(made.log._path) if isinstance(event, EpochDone)]

    assert result.averaged["share"] != [0.0]
    assert epochs[result.best_epoch - 1].best
    assert not [message for message in made.log.warnings if "no epoch" in message]


def test_a_soup_of_trainings_that_all_kept_the_start_says_so(network, training):
    made = training(network)
    phase = Phase(**{**vars(PHASE), "rates": {"head": 1e4}})
    (result,) = run_phases([phase], made)

    (told,) = (event for event in read_events(made.log._path) if isinstance(event, WeightsAveraged))
    assert (tuple(told.values), result.averaged["soup"], result.best_epoch) == ((), [], 0)


def test_a_trial_that_never_gets_better_keeps_the_start_with_its_metrics(network, training):
    """At a rate of almost nothing and one of too much no epoch is better than where both began."""
    made = training(network)
    (alone,) = run_phases([Phase(**{**vars(PHASE), "rates": {"head": 1e-12}, "rate_factors": (1.0,)})], made)
    other = training(network)
    phase = Phase(**{**vars(PHASE), "rates": {"head": 30.0}, "rate_factors": (1e-12, 1.0)})
    (result,) = run_phases([phase], other)

    assert result.best["loss"] == pytest.approx(alone.best["loss"], rel=1e-4)
    assert sum("no epoch of phase" in message for message in other.log.warnings) >= 1
