"""Stages are chosen by their relative gradients, which are those of the loss that training would see."""

import dataclasses

import keras
import numpy as np
import pytest

from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.train.surgical import choose_stages, pick_stages, relative_gradients
from headstart.specs import Phase

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

STAGES = ("low", "middle", "top")
PHASE = Phase(
    name="fine_tune",
    train=(*STAGES, "head"),
    solver="gradient",
    rates=dict.fromkeys((*STAGES, "head"), 1e-3),
    pick=1,
)


@pytest.mark.parametrize(
    ("values", "count", "chosen"),
    [
        ({"low": 1.0, "middle": 3.0, "top": 2.0}, 1, ("middle",)),
        ({"low": 3.0, "middle": 1.0, "top": 2.0}, 2, ("low", "top")),
        ({"low": 1.0, "middle": 1.0, "top": 1.0}, 2, ("middle", "top")),
        ({"low": 0.0, "middle": 0.0}, 2, ("low", "middle")),
    ],
)
def test_the_largest_values_are_chosen_in_network_order_and_the_upper_of_equal_ones(values, count, chosen):
    assert choose_stages(values, count) == chosen


def mean_loss(bench, network, training):
    """The mean loss of the whole training split, in one batch of plain Keras."""
    rows = training.source.data.indices("train")
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in bench.batch(rows).items()}
    outputs = network.run(tensors, 0, len(network.stages))
    targets = {name: keras.ops.convert_to_tensor(array) for name, array in bench.targets("train").items()}
    return keras.ops.mean(bench.task.loss(targets, outputs, training=True))


def gradients(bench, network, training):
    """By weight, from the backend's own differentiation of that one batch."""
    named = trainable_variables(network, STAGES)
    if keras.backend.backend() == "torch":
        import torch

        loss = mean_loss(bench, network, training)
        found = torch.autograd.grad(loss, [variable.value for variable in named.values()])
        return dict(zip(named, map(np.asarray, found), strict=True))
    import jax

    def scalar(values):
        with keras.StatelessScope(state_mapping=list(zip(named.values(), values, strict=True))):
            return mean_loss(bench, network, training)

    found = jax.jit(jax.grad(scalar))([variable.value for variable in named.values()])
    return dict(zip(named, map(np.asarray, found), strict=True))


def norm(arrays, stage):
    return np.sqrt(sum(np.square(array).sum() for name, array in arrays.items() if name.startswith(f"{stage}/")))


def test_values_are_the_relative_norms_of_the_mean_gradient(bench, network, training):
    made = training(network)  # batches of 8 that do not divide the split: its last one is padded
    assert len(bench.targets("train")["class"]) % made.batch_size
    found = gradients(bench, network, made)
    weights = {name: array for name, array in read_arrays(network.learned).items() if name in found}

    values = relative_gradients(made, PHASE)
    assert list(values) == list(STAGES)
    for stage, value in values.items():
        assert value == pytest.approx(norm(found, stage) / norm(weights, stage), rel=1e-3)


class Heard:
    """A reporter that keeps what it hears."""

    def __init__(self):
        self.events = []

    def on_event(self, event, run):
        self.events.append(event)


def test_looking_changes_no_weight_and_is_told(bench, network, training, monkeypatch):
    monkeypatch.setattr("headstart.eventlog.TICK", 0.0)
    heard = Heard()
    made, before = training(network, reporters=[("heard", heard)]), read_arrays(network.learned)
    relative_gradients(made, PHASE)
    for name, array in read_arrays(network.learned).items():
        np.testing.assert_array_equal(array, before[name])

    count = len(bench.targets("train")["class"])
    assert [(event.done, event.total) for event in heard.events] == [(min(8 * n, count), count) for n in range(1, 6)]
    assert {(event.activity, event.unit, event.phase) for event in heard.events} == {
        ("choosing stages", "samples", "fine_tune")
    }


def test_the_stages_of_a_phase_are_picked_among_those_it_names(network, training):
    made = training(network)
    values = relative_gradients(made, PHASE)
    phase = pick_stages(PHASE, made)
    assert phase.train == (max(values, key=values.get), "head")
    assert (phase.pick, set(phase.rates)) == (0, set(phase.train))

    named = dataclasses.replace(PHASE, train=("low", "middle", "head"))
    assert pick_stages(named, made).train == (max(("low", "middle"), key=values.get), "head")


@pytest.mark.parametrize("pick", [0, 3])
def test_where_there_is_nothing_to_choose_nothing_is_computed(pick):
    phase = dataclasses.replace(PHASE, pick=pick)
    assert pick_stages(phase, None) == dataclasses.replace(PHASE, pick=0)
