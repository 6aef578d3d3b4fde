"""A phase takes to smaller batches by itself where memory does not suffice, and goes on in them to the same bits."""

import contextlib
import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from headstart.engine.network.stages import read_arrays
from headstart.engine.train import trainer
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.lr_test import measure_rates
from headstart.engine.train.phases import run_phases
from headstart.engine.train.surgical import relative_gradients
from headstart.engine.train.trainer import Trainer
from headstart.errors import HeadstartError
from headstart.eventlog import read_events
from headstart.events import EpochDone, Warned, WentBack
from headstart.specs import Phase

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

RATE = 3e-3


class Hungry:
    """A task whose loss needs memory for each sample of a batch, and counts the batches that had it."""

    def __init__(self, task, take):
        self._task, self._take, self.sizes = task, take, []

    def __getattr__(self, name):
        return getattr(self._task, name)

    def loss(self, targets, outputs, *, training):
        if training:
            self._take(len(targets["class"]))
            self.sizes.append(len(targets["class"]))
        return self._task.loss(targets, outputs, training=training)


def too_many(limit):
    """Raises what the backend raises where more than `limit` samples do not fit."""

    def take(count):
        if count <= limit:
            return
        if keras.backend.backend() == "torch":
            import torch

            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        import jax

        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 2147483648 bytes.\nBFC")

    return take


def went_back(made):
    return [event for event in read_events(made.log._path) if isinstance(event, WentBack)]


def tuned(made, *train, **settings):
    phase = Phase(name="tune", train=train, solver="gradient", rates=dict.fromkeys(train, RATE), epochs=2, **settings)
    return run_phases([phase], made)


@pytest.mark.parametrize("train", [("head",), ("top", "head")], ids=["stored features", "whole stages"])
def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_the_run_says_so(bench, training, train):
    logs = []
    for limit in (8, 2):
        made = training(bench.network())
        task = Hungry(bench.task, too_many(limit))
        tuned(dataclasses.replace(made, task=task), *train)
        logs.append(made.log)
        assert set(task.sizes) == {limit}

    events = read_events(logs[1]._path)
    went = [event for event in events if isinstance(event, WentBack)]
    assert [(event.phase, event.epoch) for event in went] == [("tune", 1)] * 2
    assert "each batch of 8 is now computed in 2 parts of 4" in went[0].reason
    assert "each batch of 8 is now computed in 4 parts of 2, whose gradients are added up" in went[1].reason
    told = "out of memory" if keras.backend.backend() == "torch" else "RESOURCE_EXHAUSTED"
    assert all(told in event.reason and "\n" not in event.reason for event in went)
    assert [event.message for event in events if isinstance(event, Warned)][:2] == logs[1].warnings[:2]
    fitting, halved = ([e.train["loss"] for e in read_events(log._path) if isinstance(e, EpochDone)] for log in logs)
    assert fitting[1] < 0.999 * fitting[0]  # what the second epoch sees depends on each update of the first
    assert halved == pytest.approx(fitting, rel=1e-4)


def test_a_shortage_right_after_a_spike_leaves_what_the_spike_came_to(bench, network, training, backend):
    """Both go back to the same place; what the first one met must not be forgotten by the second."""
    if backend == "jax":
        pytest.skip("what a loss does is traced once")
    made = training(network, batch_size=4)

    def take(count):
        if count > 2 and any("mean loss of the last steps rose" in message for message in made.log.warnings):
            too_many(2)(count)

    rates = {"top": 1e-9, "head": 20.0}
    phase = Phase(name="tune", train=(*rates,), solver="gradient", rates=rates, warmup=0.5, epochs=4, clip=0.0)
    run_phases([phase], dataclasses.replace(made, task=Hungry(bench.task, take)))

    went = went_back(made)
    spikes, shortages = (sum(word in event.reason for event in went) for word in ("mean loss", "memory"))
    assert (spikes >= 1, shortages) == (True, 1)
    rates = [event.rates["head"] for event in read_events(made.log._path) if isinstance(event, EpochDone)]
    assert rates[-1] == 20.0 * 0.5**spikes


class Spiking(Hungry):
    """A task whose loss is a thousandfold as long as `when` says so."""

    def __init__(self, task, take, when):
        super().__init__(task, take)
        self._when = when

    def loss(self, targets, outputs, *, training):
        return super().loss(targets, outputs, training=training) * (1000.0 if self._when() else 1.0)


def test_a_spike_after_two_shortages_leaves_what_they_came_to(bench, network, training, backend):
    """The second one came after an epoch's end: going back there is no going back to the parts of that time."""
    if backend == "jax":
        pytest.skip("what a loss does is traced once")
    made = training(network, batch_size=4)

    def told(words):
        return any(words in message for message in made.log.warnings)

    def take(count):
        if not told("mean loss"):
            too_many(1 if made.checkpoints.last_step else 2)(count)

    task = Spiking(bench.task, take, lambda: told("in 4 parts") and not told("mean loss"))
    tuned(dataclasses.replace(made, task=task), "top", "head")

    reasons = [(event.epoch, event.reason) for event in went_back(made)]
    assert [epoch for epoch, _ in reasons] == [1, 2, 2]
    assert all(part in reason for part, (_, reason) in zip(("2 parts", "4 parts", "mean loss"), reasons, strict=True))
    assert set(task.sizes[-4 * 10 :]) == {1}


def test_a_fourth_shortage_ends_the_run_and_says_what_to_do(bench, network, training):
    made = dataclasses.replace(training(network, batch_size=32), task=Hungry(bench.task, too_many(0)))
    with pytest.raises(HeadstartError, match=r"batch of 32 computed in 8 parts: .*ut of memory") as caught:
        tuned(made, "top", "head")
    assert "smaller --batch-size" in caught.value.hint

    went = [event.reason for event in read_events(made.log._path) if isinstance(event, WentBack)]
    assert [reason.partition("computed in ")[2].partition(" parts")[0] for reason in went] == ["2", "4", "8"]


def test_a_batch_of_one_sample_cannot_be_halved(bench, network, training):
    made = dataclasses.replace(training(network, batch_size=1), task=Hungry(bench.task, too_many(0)))
    with pytest.raises(HeadstartError, match="ut of memory"):
        tuned(made, "top", "head")

    assert not went_back(made)


def test_the_failed_step_is_gone_when_its_batch_is_halved(bench, network, training, monkeypatch):
    """Its tensors are alive as long as the error is, whose traceback holds its frames."""
    in_the_way = []
    real = Trainer._go_back

    def go_back(self, *given, **met):
        in_the_way.append(sys.exc_info()[1])
        real(self, *given, **met)

    monkeypatch.setattr(Trainer, "_go_back", go_back)
    tuned(dataclasses.replace(training(network), task=Hungry(bench.task, too_many(4))), "top", "head")
    assert in_the_way == [None]


@pytest.fixture
def answered(monkeypatch):
    """Lets a pass over val need memory for each sample of a batch: call it with what takes it. Gives what had it."""
    real, sizes = trainer.score_step, []

    def needing(take):
        def score_step(*args, **settings):
            run = real(*args, **settings)

            def answer(tensors, targets):
                count = len(next(iter(tensors.values())))
                take(count)
                sizes.append(count)
                return run(tensors, targets)

            return answer

        monkeypatch.setattr(trainer, "score_step", score_step)
        return sizes

    return needing


def test_a_val_pass_that_does_not_fit_is_halved_and_training_is_left_alone(bench, training, answered):
    ends = []
    for limit, size in ((100, 10), (4, 3)):
        made = training(bench.network())
        sizes = answered(too_many(limit))
        tuned(made, "top", "head")
        ends.append((read_arrays(made.network.learned), made))
        assert set(sizes) == {size}
        sizes.clear()

    (whole, _), (halved, made) = ends
    assert all(np.array_equal(whole[name], halved[name]) for name in whole)
    assert not went_back(made)
    told = [message for message in made.log.warnings if "memory" in message]
    assert [message.partition("batches of ")[2].partition(" ")[0] for message in told] == ["10", "5"]
    assert all("to answer val in phase 'tune'" in message for message in told)


def test_a_phase_that_goes_on_answers_val_in_the_batches_it_had_come_to(bench, training, answered):
    made = training(bench.network())
    sizes = answered(too_many(2))
    tuned(made, "top", "head")
    sizes.clear()

    again = training(bench.network())
    again.checkpoints = Checkpoints(made.checkpoints.folder)
    loaded = again.checkpoints.load(made.checkpoints.names()[-2])
    assert not loaded.facts["complete"]
    answered(lambda count: None)
    phase = Phase(name="tune", train=("top", "head"), solver="gradient", rates={"top": RATE, "head": RATE}, epochs=2)
    run_phases([phase], again, loaded)
    assert set(sizes) == {2}


def test_where_no_batch_is_small_enough_to_answer_val_the_run_says_so(bench, network, training, answered):
    """It does not blame training, which had its memory."""
    made = training(network)
    answered(lambda count: too_many(0 if made.checkpoints.last else 8)(count))
    with pytest.raises(
        HeadstartError, match=r"to answer val in phase 'tune' in batches of 1: .*ut of memory"
    ) as caught:
        tuned(made, "top", "head")
    assert "smaller --batch-size" in caught.value.hint
    assert not went_back(made)


CHOICE = Phase(
    name="tune",
    train=("low", "middle", "top", "head"),
    solver="gradient",
    rates=dict.fromkeys(("low", "middle", "top", "head"), RATE),
    pick=1,
)


def test_stages_are_chosen_in_smaller_batches_where_memory_does_not_suffice(bench, network, training):
    made = training(network)
    whole = relative_gradients(made, CHOICE)
    task = Hungry(bench.task, too_many(2))
    halved = relative_gradients(dataclasses.replace(made, task=task), CHOICE)

    assert set(task.sizes) == {2}
    assert halved == pytest.approx(whole, rel=1e-4)
    assert [message.partition("batches of ")[2].partition(" ")[0] for message in made.log.warnings] == ["8", "4"]


def test_what_is_stored_for_that_is_computed_once_and_not_blamed_on_it(bench, network, training, monkeypatch):
    """Its batches are of another size, which halving those does not change."""
    made = training(network, batch_size=32)
    asked, real = [], made.source.plain
    monkeypatch.setattr(made.source, "plain", lambda cut, split: asked.append(split) or real(cut, split))
    relative_gradients(dataclasses.replace(made, task=Hungry(bench.task, too_many(8))), CHOICE)
    assert asked == ["train"]

    def fail(cut, split):
        too_many(0)(1)

    monkeypatch.setattr(made.source, "plain", fail)
    with pytest.raises(RuntimeError, match="ut of memory"):
        relative_gradients(made, CHOICE)
    assert not [message for message in made.log.warnings if "batches of 4" in message]


@pytest.mark.parametrize(("size", "last"), [(32, 4), (2, 1)])
def test_where_no_batch_is_small_enough_to_choose_stages_the_run_says_what_to_do(bench, network, training, size, last):
    made = dataclasses.replace(training(network, batch_size=size), task=Hungry(bench.task, too_many(0)))
    with pytest.raises(HeadstartError, match=rf"stages of phase 'tune' in batches of {last}: .*ut of memory") as caught:
        relative_gradients(made, CHOICE)
    assert "smaller --batch-size" in caught.value.hint


def test_another_error_is_no_shortage_and_passes_through(bench, network, training):
    def fail(count):
        raise RuntimeError("shapes differ")

    made = dataclasses.replace(training(network), task=Hungry(bench.task, fail))
    with pytest.raises(RuntimeError, match="shapes differ"):
        tuned(made, "top", "head")


@contextlib.contextmanager
def room_for(bytes_more):
    """Inside, this process can have only so much more address space than it has."""
    resource = pytest.importorskip("resource")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    kept = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + bytes_more, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, kept)


def test_what_pytorchs_own_allocator_refuses_is_met_too(bench, network, training, backend):
    """A GiB for each sample, of which nothing is touched: no memory is used, and what is too much is refused."""
    if backend != "torch":
        pytest.skip("XLA may end the process instead")
    import torch

    task = Hungry(bench.task, lambda count: torch.empty(count * 2**30, dtype=torch.uint8))
    made = dataclasses.replace(training(network), task=task)
    made.source.plain(3, "val")
    with room_for(int(4.5 * 2**30)):
        tuned(made, "top", "head")

    (went,) = (event for event in read_events(made.log._path) if isinstance(event, WentBack))
    assert "can't allocate memory" in went.reason
    assert set(task.sizes) == {4}


def test_rates_are_tested_in_smaller_batches_where_memory_does_not_suffice(bench, training):
    phase = Phase(name="tune", train=("top", "head"), solver="gradient", rates={"top": RATE, "head": RATE})
    values, ends = np.geomspace(1e-5, 1e-2, 12), []
    for limit in (8, 2):
        made = training(bench.network())
        task = Hungry(bench.task, too_many(limit))
        ends.append(measure_rates(phase, dataclasses.replace(made, task=task), values, planned=RATE))
        assert set(task.sizes) == {limit}

    whole, halved = ends
    assert halved.curve.losses == pytest.approx(whole.curve.losses, rel=1e-3)
    assert [message.partition("batches of ")[2].partition(" ")[0] for message in made.log.warnings] == ["8", "4"]
    assert all("to test rates of phase 'tune'" in message for message in made.log.warnings)


def test_a_shortage_says_that_statistics_are_those_of_a_part_from_there_on(bench, network, training):
    made = training(network, batch_norm="trainable")
    tuned(dataclasses.replace(made, task=Hungry(bench.task, too_many(4))), "top", "head")
    (went,) = went_back(made)
    assert went.reason.endswith("whose gradients are added up; BatchNorm takes the statistics of a part")
