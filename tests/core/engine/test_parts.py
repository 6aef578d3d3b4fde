"""A batch computed in parts is the batch; and a phase takes to parts by itself where memory does not suffice."""

import contextlib
import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from headstart.engine.compute import Step, forward, in_parts, train_step
from headstart.engine.frozen import trainable_variables
from headstart.engine.loop import GradientPhase
from headstart.engine.optimizer import GroupedAdamW, Rules
from headstart.engine.phases import run_phases
from headstart.engine.stages import read_arrays
from headstart.engine.surgical import relative_gradients
from headstart.errors import HeadstartError
from headstart.eventlog import read_events
from headstart.events import EpochDone, Warned, WentBack
from headstart.specs import Phase

pytestmark = pytest.mark.backend

RATE = 3e-3


def test_parts_are_of_one_size_and_hold_each_sample_once():
    rows = np.arange(8)
    mask = np.array([1, 1, 1, 1, 1, 1, 1, 0], np.float32)
    for parts, sizes in ((1, [8]), (2, [4, 4]), (3, [3, 3, 3]), (4, [2, 2, 2, 2]), (8, [1] * 8)):
        found = list(in_parts({"x": rows}, rows * 10, mask, parts))
        assert [len(part.mask) for part in found] == sizes
        kept = np.concatenate([part.batch["x"][part.mask > 0] for part in found])
        assert np.array_equal(kept, np.arange(7))
        assert all(np.array_equal(part.targets, 10 * part.batch["x"]) for part in found)


def stepped(bench, network, *, parts, train, start, task=None):
    """One update on 8 rows of which the last is padding: what the step saw, its gradients, and the weights after."""
    trainable = trainable_variables(network, train)
    rates = dict.fromkeys(train, RATE)
    optimizer = GroupedAdamW(trainable, rates, steps=9, warmup=0.0, weight_decay=0.01, rules=Rules(clip=1.0))
    step = train_step(Step(network, start, trainable, optimizer, task or bench.task), parts=parts)
    rows, mask = np.arange(8), np.array([1] * 7 + [0], np.float32)
    batch = forward(network, 0, start)(bench.batch(rows))
    seen = step(batch, bench.targets("train")[rows], mask)
    step.sync()
    first = [keras.ops.convert_to_numpy(each) / 0.1 for each in optimizer.first]
    return seen, dict(zip(optimizer.names, first, strict=True)), read_arrays(network.learned)


@pytest.mark.parametrize(
    ("parts", "train"),
    [(2, ("head",)), (3, ("head",)), (4, ("head",)), (3, ("top", "head"))],
    ids=["2", "3", "4", "3, two stages"],
)
def test_an_update_in_parts_is_that_of_the_whole_batch(bench, parts, train):
    start = 4 if train == ("head",) else 3
    whole, gradients, weights = stepped(bench, bench.network(), parts=1, train=train, start=start)
    other, in_part, moved = stepped(bench, bench.network(), parts=parts, train=train, start=start)

    assert other.finite
    assert other.loss == pytest.approx(whole.loss, rel=1e-6)
    assert other.outputs["logits"].shape == whole.outputs["logits"].shape
    assert other.outputs["logits"][:7] == pytest.approx(whole.outputs["logits"][:7], abs=1e-5)
    largest = max(np.abs(gradient).max() for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert np.abs(in_part[name] - gradient).max() <= 1e-6 * largest, name
        known = np.abs(gradient) > 1e-4 * largest  # Adam's first step is a sign: that of nearly 0 is anyone's
        assert np.abs(moved[name] - weights[name])[known].max(initial=0.0) <= 1e-3 * RATE, name


class NotFinite:
    """A loss that is NaN for the labels of the rows named."""

    def __init__(self, task, target):
        self._task, self._target = task, target

    def loss(self, targets, outputs):
        losses = self._task.loss(targets, outputs)
        return keras.ops.where(targets == self._target, float("nan"), losses)


def test_a_part_that_is_not_finite_changes_nothing(bench):
    network = bench.network()
    before = read_arrays(network.learned)
    bad = NotFinite(bench.task, int(bench.targets("train")[6]))
    seen, gradients, after = stepped(bench, network, parts=4, train=("head",), start=4, task=bad)

    assert not seen.finite
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(not gradient.any() for gradient in gradients.values())


# --- a shortage of memory in a phase ---------------------------------------------------------------------------------


class Hungry:
    """A task whose loss needs memory for each sample of a batch, and counts the batches that had it."""

    def __init__(self, task, take):
        self._task, self._take, self.sizes = task, take, []

    def __getattr__(self, name):
        return getattr(self._task, name)

    def loss(self, targets, outputs):
        self._take(len(targets))
        self.sizes.append(len(targets))
        return self._task.loss(targets, outputs)


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

    went = [event for event in read_events(made.log._path) if isinstance(event, WentBack)]
    spikes, shortages = (sum(word in event.reason for event in went) for word in ("mean loss", "memory"))
    assert (spikes >= 1, shortages) == (True, 1)
    rates = [event.rates["head"] for event in read_events(made.log._path) if isinstance(event, EpochDone)]
    assert rates[-1] == 20.0 * 0.5**spikes


def test_a_fourth_shortage_ends_the_run_and_says_what_to_do(bench, network, training):
    made = dataclasses.replace(training(network, batch_size=32), task=Hungry(bench.task, too_many(0)))
    with pytest.raises(HeadstartError, match=r"batch of 32 computed in 8 parts: .*ut of memory") as caught:
        tuned(made, "top", "head")
    assert "smaller --image-size" in caught.value.hint

    went = [event.reason for event in read_events(made.log._path) if isinstance(event, WentBack)]
    assert [reason.partition("computed in ")[2].partition(" parts")[0] for reason in went] == ["2", "4", "8"]


def test_a_batch_of_one_sample_cannot_be_halved(bench, network, training):
    made = dataclasses.replace(training(network, batch_size=1), task=Hungry(bench.task, too_many(0)))
    with pytest.raises(HeadstartError, match="ut of memory"):
        tuned(made, "top", "head")

    assert not [event for event in read_events(made.log._path) if isinstance(event, WentBack)]


def test_the_failed_step_is_gone_when_its_batch_is_halved(bench, network, training, monkeypatch):
    """Its tensors are alive as long as the error is, whose traceback holds its frames."""
    in_the_way = []
    real = GradientPhase._go_back

    def go_back(self, **met):
        in_the_way.append(sys.exc_info()[1])
        real(self, **met)

    monkeypatch.setattr(GradientPhase, "_go_back", go_back)
    tuned(dataclasses.replace(training(network), task=Hungry(bench.task, too_many(4))), "top", "head")
    assert in_the_way == [None]


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


@pytest.mark.parametrize(("size", "last"), [(32, 4), (2, 1)])
def test_where_no_batch_is_small_enough_to_choose_stages_the_run_says_what_to_do(bench, network, training, size, last):
    made = dataclasses.replace(training(network, batch_size=size), task=Hungry(bench.task, too_many(0)))
    with pytest.raises(HeadstartError, match=rf"stages of phase 'tune' in batches of {last}: .*ut of memory") as caught:
        relative_gradients(made, CHOICE)
    assert "smaller --image-size" in caught.value.hint


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
