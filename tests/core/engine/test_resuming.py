"""A phase that was stopped anywhere and went on ends with the bits of one that was not."""

import dataclasses
import functools
import os
import signal

import numpy as np
import pytest

from headstart.engine.device import score_step
from headstart.engine.network.stages import read_arrays
from headstart.engine.scoring import ScoredRows, Scores
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.device_epochs import DeviceEpochs, Pace
from headstart.engine.train.phases import run_phases
from headstart.engine.train.recovery import MOST
from headstart.errors import HeadstartError, InterruptedRunError
from headstart.eventlog import read_events
from headstart.events import CheckpointSaved, EpochDone, PhaseDone, PhaseStarted, WeightsAveraged, WentBack
from headstart.specs import LowRank, Phase, TaskRequest

pytestmark = pytest.mark.backend

EVERY = 2


class Fixed(Pace):
    """So many steps a call, however long they take."""

    def observe(self, seconds):
        pass


class Stopped(Exception):
    """Stands for whatever ends a process."""


class Stopping(Checkpoints):
    """Ends training right after so many checkpoints."""

    left = 0

    def save(self, *args, **kwargs):
        path = super().save(*args, **kwargs)
        self.left -= 1
        if self.left == 0:
            raise Stopped
        return path


def phase_of(*train, rate=1e-2, name="tune", **settings):
    settings = {"epochs": 2, "clip": 1.0, "weight_decay": 0.01, **settings}
    return Phase(name=name, train=train, solver="gradient", rates=dict.fromkeys(train, rate), **settings)


@dataclasses.dataclass(frozen=True)
class Case:
    """Phases, and what else they are run with; `stops` count the checkpoints of one go before it is stopped."""

    phases: tuple[Phase, ...]
    stops: tuple[int, ...]
    head: str = "linear"
    dropout: float = 0.0
    augmented: bool = False
    settings: dict = dataclasses.field(default_factory=dict)


PROBE = Phase(name="probe", train=("head",), solver="closed_form", strengths=(1.0, 0.1))
SOUP = {"rate_factors": (1.0, 0.3, 3.0), "wise_ft": (0.25, 0.5), "epochs": 1}
CASES = {
    "linear head": Case((phase_of("head"),), (2, 1)),
    "sgd": Case((phase_of("head", optimizer="sgd", schedule="constant"),), (2, 1)),
    "momentum": Case((phase_of("head", optimizer="sgd", momentum=0.9, average=0.5),), (2, 1)),
    "rmsprop": Case((phase_of("head", optimizer="rmsprop"),), (2, 1)),
    "dropout": Case((phase_of("head"),), (3, 1), head="mlp:64,64", dropout=0.4),
    "average": Case((phase_of("head", average=0.9, patience=1),), (2, 2)),
    "soup and share": Case((phase_of("head", **SOUP),), (3, 2, 1), head="mlp:16", dropout=0.4),
    "whole stages": Case((phase_of("top", "head", l2_sp=0.1),), (3, 2)),
    "adapter": Case((phase_of("middle", "top", "head", adapter=LowRank(rank=2), average=0.5),), (2, 3)),
    "moving statistics": Case((phase_of("top", "head"),), (2, 2), settings={"batch_norm": "trainable"}),
    "drawn anew": Case((phase_of("head"),), (2, 3), augmented=True),
    "two phases": Case((PROBE, phase_of("top", "head", epochs=1)), (1, 2)),
    "pairs, then the head": Case((phase_of("top", "head", contrast=1.0), PROBE), (2, 1)),
    "picked": Case((phase_of("low", "middle", "top", "head", epochs=1, pick=1),), (2,)),
}
ON_BOTH = ("dropout", "two phases")
"""What is tried on JAX too where time is short: each of its cases compiles its own functions."""
PLAIN = ("linear head", "sgd", "momentum", "rmsprop")
"""Of which others have all that is kept and more, and the test below the moments."""


def _marked(names):
    """PLAIN ones are slow, and on JAX all but ON_BOTH."""
    on_jax = os.environ.get("KERAS_BACKEND") == "jax"
    slow = [name in PLAIN or (on_jax and name not in ON_BOTH) for name in names]
    return [
        pytest.param(name, marks=(pytest.mark.slow,) if is_slow else ())
        for name, is_slow in zip(names, slow, strict=True)
    ]


class Runs:
    """Runs of one case; each network, log and folder is its own unless a run goes on."""

    def __init__(self, bench, training, case):
        self._bench, self._training, self._case = bench, training, case
        spec = bench.registry.get("tasks", "classification")
        self._task = bench.registry.load_target(spec, spec.build)(
            TaskRequest(spec.options(dropout=case.dropout), targets=bench.data.values)
        )

    def _made(self):
        network = self._bench.network(self._case.head) if not self._case.dropout else self._with_dropout()
        view = self._bench.view() if self._case.augmented else None
        made = self._training(network, view, **{"checkpoint_every": EVERY, **self._case.settings})
        return dataclasses.replace(made, task=self._task)

    def _with_dropout(self):
        from headstart.engine.network.network import Network
        from headstart.specs import Stage

        network = self._bench.network(self._case.head)
        head = Stage("head", self._task.head(self._case.head, {"pooled": (None, 12)}, 0))
        return Network((*network.stages[:-1], head), network.features)

    def whole(self):
        """A run that nothing stops: (training, results)."""
        made = self._made()
        return made, run_phases(self._case.phases, made)

    def stopped(self):
        """A run that was stopped and went on as often as the case says: (training, results)."""
        folder = None
        for left in (*self._case.stops, 0):
            made = self._made()
            made.checkpoints = Stopping(folder or made.checkpoints.folder)
            made.checkpoints.left, folder = left, made.checkpoints.folder
            if left:
                with pytest.raises(Stopped):
                    self.go_on(made)
        return made, self.go_on(made)

    def go_on(self, made, damage=lambda loaded: loaded):
        """Run from the last checkpoint of `made`, or from the start where there is none."""
        loaded = made.checkpoints.load_last(pytest.fail)
        return run_phases(self._case.phases, made, loaded if loaded is None else damage(loaded))


def last_state(made):
    """The arrays of the last checkpoint, and of the network."""
    groups = made.checkpoints.load(made.checkpoints.last).groups
    arrays = {f"{group}/{name}": array for group, found in groups.items() for name, array in found.items()}
    return {**arrays, **read_arrays(made.network.learned)}


def told_of(made):
    """Losses and rates of each epoch."""
    events = [event for event in read_events(made.log._path) if isinstance(event, EpochDone)]
    return {(event.phase, event.epoch): (dict(event.train), dict(event.rates)) for event in events}


@pytest.mark.parametrize("name", _marked(CASES))
def test_a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not(bench, training, backend, name):
    runs = Runs(bench, training, CASES[name])
    (whole, expected), (made, results) = runs.whole(), runs.stopped()
    ours, theirs = last_state(made), last_state(whole)

    assert set(ours) == set(theirs)
    assert [key for key in ours if not np.array_equal(ours[key], theirs[key])] == []
    assert [result.facts() for result in results] == [result.facts() for result in expected]
    assert made.checkpoints.last == whole.checkpoints.last
    seen, wanted = told_of(made), told_of(whole)
    assert seen  # what the last go trained again, whole epochs of which the beginning was before it was stopped
    assert all(wanted[key] == told for key, told in seen.items())
    start = read_arrays(runs._made().network.learned)
    assert any(np.abs(start[key] - ours[key]).max() > 1e-3 for key in start)


@pytest.mark.parametrize(("name", "held"), [("sgd", set()), ("momentum", {"first"}), ("rmsprop", {"second"})])
def test_a_checkpoint_holds_the_moments_that_the_optimizer_has_and_no_others(bench, training, backend, name, held):
    if backend == "jax":
        pytest.skip("the state is the same; each case would be compiled once more")
    made = Runs(bench, training, CASES[name])._made()
    made.checkpoints = Stopping(made.checkpoints.folder)
    made.checkpoints.left = 2
    with pytest.raises(Stopped):
        run_phases(CASES[name].phases, made)
    groups = made.checkpoints.load(made.checkpoints.last).groups
    assert set(groups) & {"first", "second"} == held


def test_a_phase_that_goes_on_is_not_begun_again_and_ends_once(bench, training):
    """What it said at its start is among the events that its checkpoint counts."""
    made, _ = Runs(bench, training, CASES["linear head"]).stopped()
    kinds = [type(event) for event in read_events(made.log._path)]
    assert kinds.count(PhaseStarted) == 0
    assert kinds.count(PhaseDone) == 1


def zeroed(*groups):
    """A checkpoint whose arrays in these groups are 0."""

    def damage(loaded):
        assert all(any(array.any() for array in loaded.groups[group].values()) for group in groups)
        cleared = {
            group: {name: np.zeros_like(array) for name, array in loaded.groups[group].items()} for group in groups
        }
        return dataclasses.replace(loaded, groups={**loaded.groups, **cleared})

    return damage


def without(group):
    """A checkpoint that lacks this group."""

    def damage(loaded):
        assert loaded.group(group)
        return dataclasses.replace(loaded, groups={name: each for name, each in loaded.groups.items() if name != group})

    return damage


def with_facts(**facts):
    """A checkpoint that says something else."""
    return lambda loaded: dataclasses.replace(loaded, facts={**loaded.facts, **facts})


@pytest.mark.slow
@pytest.mark.slow_on_jax
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("average", zeroed("first")),
        ("average", zeroed("second")),
        ("average", zeroed("averages")),
        ("momentum", zeroed("first")),
        ("rmsprop", zeroed("second")),
        ("average", with_facts(count=0)),
        ("dropout", zeroed("seeds")),
        ("adapter", zeroed("learned")),
        ("soup and share", without("begun_seeds")),
    ],
    ids=[
        "first moments",
        "second moments",
        "average",
        "velocity",
        "mean square",
        "count of updates",
        "seeds",
        "factors",
        "seeds of the trials",
    ],
)
def test_the_planted_bug_of_forgetting_a_part_of_the_state_would_be_seen(bench, training, backend, name, damage):
    if backend == "jax" and name != "dropout":
        pytest.skip("the state is the same; each case would be compiled once more")
    case = dataclasses.replace(CASES[name], stops=(2,))
    runs = Runs(bench, training, case)
    whole, _ = runs.whole()
    made = runs._made()
    made.checkpoints = Stopping(made.checkpoints.folder)
    made.checkpoints.left = 2
    with pytest.raises(Stopped):
        runs.go_on(made)
    again = runs._made()
    again.checkpoints = Checkpoints(made.checkpoints.folder)
    runs.go_on(again, damage)

    ours, theirs = last_state(again), last_state(whole)
    assert any(not np.array_equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.slow_on_jax
def test_a_soup_and_a_share_are_told_and_are_no_worse_than_any_leg(bench, training):
    made, (result,) = Runs(bench, training, CASES["soup and share"]).whole()
    events = read_events(made.log._path)
    soup, share = (event for event in events if isinstance(event, WeightsAveraged))
    trials = {event.phase: event.val for event in events if isinstance(event, EpochDone)}

    assert list(trials) == ["tune x1", "tune x0.3", "tune x3"]
    assert (soup.kind, share.kind) == ("soup", "share")
    assert set(soup.values) <= {1.0, 0.3, 3.0}
    assert share.values[0] in (0.25, 0.5, 1.0)
    assert share.val == result.best
    assert result.best["accuracy"] >= max(soup.val["accuracy"], *(val["accuracy"] for val in trials.values()))
    assert result.steps == 3 * 5
    val = made.source.plain(0, "val").samples.take(0, np.arange(len(made.targets["val"]["class"])))
    answered = score_step(made.fast, 0, made.task)(val, made.targets["val"])
    scores = Scores(made.task)
    scores.add(ScoredRows(made.targets["val"], answered.outputs, answered.losses))
    assert scores.metrics() == pytest.approx(dict(result.best), rel=1e-5)


def test_a_backbone_that_is_not_the_one_of_the_run_is_refused(bench, training):
    runs = Runs(bench, training, CASES["linear head"])
    made = runs._made()
    made.checkpoints = Stopping(made.checkpoints.folder)
    made.checkpoints.left = 2
    with pytest.raises(Stopped):
        runs.go_on(made)
    again = runs._made()
    again.checkpoints = made.checkpoints
    again.network.stages[1].model.weights[0].assign(again.network.stages[1].model.weights[0] + 1e-6)
    with pytest.raises(HeadstartError, match="not those that the run began with"):
        runs.go_on(again)


def test_that_is_so_between_two_phases_and_after_the_last_too(bench, training):
    """There a checkpoint is the end of a phase, and none goes on in the middle."""
    runs = Runs(bench, training, Case((PROBE, phase_of("top", "head", name="top", epochs=1)), ()))
    for stops in (1, None):
        made = runs._made()
        if stops:
            made.checkpoints = Stopping(made.checkpoints.folder)
            made.checkpoints.left = stops
            with pytest.raises(Stopped):
                runs.go_on(made)
        else:
            runs.go_on(made)
        assert made.checkpoints.load(made.checkpoints.last).facts["complete"]
        again = runs._made()
        again.checkpoints = Checkpoints(made.checkpoints.folder)
        kernel = again.network.stages[1].model.weights[0]
        kernel.assign(kernel + 1e-6)
        with pytest.raises(HeadstartError, match="not those that the run began with"):
            runs.go_on(again)


def test_another_plan_of_phases_than_the_checkpoints_is_refused(bench, training):
    runs = Runs(bench, training, CASES["linear head"])
    whole, _ = runs.whole()
    other = Runs(bench, training, Case((phase_of("head", name="other"),), ()))
    with pytest.raises(HeadstartError, match="the checkpoint is of phase 1, 'tune'; the recipe plans other"):
        other.go_on(whole)


def test_the_same_phases_at_other_rates_than_the_checkpoints_are_refused(bench, training):
    """As where the defaults of a strategy have changed since."""
    runs = Runs(bench, training, CASES["linear head"])
    whole, _ = runs.whole()
    other = Runs(bench, training, Case((phase_of("head", rate=2e-2),), ()))
    with pytest.raises(HeadstartError, match="phases tune with other rates, epochs or options") as caught:
        other.go_on(whole)
    assert "environment.json" in caught.value.hint


# --- going back after a loss spike ------------------------------------------------------------------------------------

SPIKING = Case((phase_of("head", rate=20.0, warmup=0.5, epochs=4, clip=0.0),), (6, 3))
"""A rate at which the loss rises to fifty and more without ever being NaN."""


def went_back(made):
    return [event for event in read_events(made.log._path) if isinstance(event, WentBack)]


def spiking(bench, training, **settings):
    return Runs(bench, training, dataclasses.replace(SPIKING, settings={"batch_size": 4, **settings}))


def test_a_loss_that_spikes_sends_the_phase_back_at_half_the_rates_and_says_so(bench, training):
    made, (result,) = spiking(bench, training).whole()
    went = went_back(made)

    assert 1 <= len(went) <= MOST
    assert all("the mean loss of the last steps rose from" in event.reason for event in went)
    told = [f"phase 'tune' goes back to the start of epoch {event.epoch}: {event.reason}" for event in went]
    assert [message for message in made.log.warnings if "goes back" in message] == told
    done = [event for event in read_events(made.log._path) if isinstance(event, EpochDone)]
    assert [event.epoch for event in done] == [1, 2, 3, 4]
    halvings = [sum(event.epoch <= each.epoch for event in went) for each in done]
    assert [each.rates["head"] for each in done] == [20.0 * 0.5**times for times in halvings]
    assert result.steps == 4 * 10
    assert all(np.isfinite(array).all() for array in read_arrays(made.network.learned).values())


@pytest.mark.slow_on_jax
def test_a_phase_goes_back_so_often_and_then_goes_on_as_it_is(bench, training, monkeypatch):
    ends = []
    for most in (1, 0):
        monkeypatch.setattr("headstart.engine.train.trainer.MOST", most)
        made, _ = spiking(bench, training).whole()
        assert len(went_back(made)) == most
        ends.append(told_of(made))

    assert ends[0]["tune", 4] != ends[1]["tune", 4]


def at_this_pace(steps, *given, parts, **more):
    """What `make_epochs` gives for a head on stored features, with so many steps a call."""
    assert parts == 1
    return DeviceEpochs(*given, pace=Fixed(steps), **more)


@pytest.mark.slow_on_jax
def test_a_spike_before_a_loss_that_is_not_finite_is_met_first_however_steps_come(bench, training, monkeypatch):
    """Of many steps in one call the guard hears only afterwards."""
    case = dataclasses.replace(SPIKING.phases[0], rates={"head": 1e37}, warmup=0.99)
    ends = []
    for steps in (1, 1000):
        monkeypatch.setattr("headstart.engine.train.trainer.make_epochs", functools.partial(at_this_pace, steps))
        runs = Runs(bench, training, Case((case,), (), settings={"batch_size": 4}))
        made = runs._made()
        with pytest.raises(HeadstartError) as caught:
            run_phases([case], made)
        ends.append((str(caught.value), [event.reason for event in went_back(made)]))

    assert ends[0] == ends[1]


@pytest.mark.slow_on_jax
def test_a_run_that_went_back_and_was_stopped_ends_with_the_bits_of_one_that_was_not(bench, training):
    runs = spiking(bench, training)
    (whole, expected), (made, results) = runs.whole(), runs.stopped()
    ours, theirs = last_state(made), last_state(whole)

    assert went_back(whole)
    assert [key for key in theirs if not np.array_equal(ours[key], theirs[key])] == []
    assert [result.facts() for result in results] == [result.facts() for result in expected]


def saved_steps(made):
    return [event.step for event in read_events(made.log._path) if isinstance(event, CheckpointSaved)]


def saving_after(updates, runs, monkeypatch):
    """Let runs of the head save at an epoch's end after so many updates."""
    head = sum(array.nbytes for array in read_arrays(runs._made().network.stages[-1:]).values())
    monkeypatch.setattr("headstart.engine.train.trainer.BYTES_AN_UPDATE", 5 * head / updates)


@pytest.mark.slow_on_jax
def test_short_epochs_are_saved_together_and_a_run_that_is_stopped_at_any_of_them_ends_with_the_same_bits(
    bench, training, monkeypatch, signalled
):
    phases = (phase_of("head", epochs=5),)
    runs = Runs(bench, training, Case(phases, (), settings={"checkpoint_every": None, "batch_size": 4}))
    saving_after(15, runs, monkeypatch)
    whole, expected = runs.whole()
    assert saved_steps(whole) == [0, 20, 40, 50]  # ten updates an epoch; the end of a phase is always saved

    made = runs._made()
    emit = made.log.emit

    def stopped_after_the_third(event):
        emit(event)
        if isinstance(event, EpochDone) and event.epoch == 3:
            signalled(signal.SIGTERM)

    monkeypatch.setattr(made.log, "emit", stopped_after_the_third)
    with pytest.raises(InterruptedRunError):
        runs.go_on(made)
    assert saved_steps(made) == [0, 20, 30]
    again = dataclasses.replace(runs._made(), checkpoints=made.checkpoints)
    results = runs.go_on(again)

    assert saved_steps(again) == [40, 50]
    ours, theirs = last_state(again), last_state(whole)
    assert [key for key in theirs if not np.array_equal(ours[key], theirs[key])] == []
    assert [result.facts() for result in results] == [result.facts() for result in expected]


@pytest.mark.slow_on_jax
def test_a_spike_sends_training_back_to_the_last_end_of_an_epoch_that_was_saved(bench, training, monkeypatch):
    runs = spiking(bench, training, checkpoint_every=None)
    saving_after(15, runs, monkeypatch)
    made, (result,) = runs.whole()

    assert {event.epoch for event in went_back(made)} <= {1, 3}
    assert result.steps == 4 * 10
    assert np.isfinite(result.best["loss"])


def test_a_damaged_place_to_go_back_to_is_passed_over_and_stops_no_run(bench, training):
    """A bit of the epoch's end flips before the loss spikes: training goes on from the one before, or says that none is
    left."""
    made = spiking(bench, training)._made()

    class Damaging(Checkpoints):
        def go_back(self, *given):
            if not self.folder.joinpath("damaged.step.10").exists() and self.anchor == "step.10":
                file = self.folder / "step.10" / "first.safetensors"
                content = bytearray(file.read_bytes())
                content[-1] ^= 1
                file.write_bytes(content)
            return super().go_back(*given)

    made.checkpoints = Damaging(made.checkpoints.folder)
    (result,) = run_phases(SPIKING.phases, made)
    (place,) = (n for n, message in enumerate(made.log.warnings) if "renamed to damaged.step.10" in message)
    assert made.log.warnings[place + 1].startswith("phase 'tune' goes back to the start of epoch 1: ")
    assert result.steps == 4 * 10
    assert went_back(made)
