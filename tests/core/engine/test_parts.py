"""A batch computed in parts is the batch."""

import keras
import numpy as np
import pytest

from headstart.engine.device import forward, train_step
from headstart.engine.network.stages import read_arrays, trainable_variables
from headstart.engine.step import Step, in_parts
from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule

pytestmark = pytest.mark.backend

RATE = 3e-3


def test_parts_are_of_one_size_and_hold_each_sample_once():
    rows = np.arange(8)
    mask = np.array([1, 1, 1, 1, 1, 1, 1, 0], np.float32)
    for parts, sizes in ((1, [8]), (2, [4, 4]), (3, [3, 3, 3]), (4, [2, 2, 2, 2]), (8, [1] * 8)):
        found = list(in_parts({"x": rows}, {"y": rows * 10}, mask, parts))
        assert [len(real) for _, _, real in found] == sizes
        filling = np.concatenate([batch["x"][real == 0] for batch, _, real in found])
        assert len(set(filling)) == len(filling)  # other samples, not one of them many times
        kept = np.concatenate([batch["x"][real > 0] for batch, _, real in found])
        assert np.array_equal(kept, np.arange(7))
        assert all(np.array_equal(targets["y"], 10 * batch["x"]) for batch, targets, _ in found)


def stepped(bench, network, *, parts, train, start, task=None):
    """One update on 8 rows of which the last is padding: what the step saw, its gradients, and the weights after."""
    trainable = trainable_variables(network, train)
    rates = dict.fromkeys(train, RATE)
    optimizer = GroupedOptimizer(trainable, rates, Schedule(9), rules=Rules(0.01, clip=1.0))
    step = train_step(Step(network, start, trainable, optimizer, task or bench.task), parts=parts)
    rows, mask = np.arange(8), np.array([1] * 7 + [0], np.float32)
    batch = forward(network, 0, start)(bench.batch(rows))
    seen = step(batch, bench.targets("train", rows), mask)
    step.sync()
    first = [keras.ops.convert_to_numpy(each) / 0.1 for each in optimizer.first]
    return seen, dict(zip(optimizer.names, first, strict=True)), read_arrays(network.learned)


@pytest.mark.slow_on_jax
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
    assert other.losses[:7] == pytest.approx(whole.losses[:7], rel=1e-5)
    assert whole.losses[:7].mean() == pytest.approx(whole.loss, rel=1e-6)
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

    def loss(self, targets, outputs, *, training):
        losses = self._task.loss(targets, outputs, training=training)
        return keras.ops.where(targets["class"] == self._target, float("nan"), losses)


def test_a_part_that_is_not_finite_changes_nothing(bench):
    network = bench.network()
    before = read_arrays(network.learned)
    bad = NotFinite(bench.task, int(bench.targets("train", [6])["class"][0]))
    seen, gradients, after = stepped(bench, network, parts=4, train=("head",), start=4, task=bad)

    assert not seen.finite
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(not gradient.any() for gradient in gradients.values())
