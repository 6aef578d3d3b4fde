"""BatchNorm statistics that move: while training, and taken anew once; both worked out in numpy, layer by layer."""

import keras
import numpy as np
import pytest

from headstart.data.order import batches, epoch_order
from headstart.engine.device import forward
from headstart.engine.network.network import Network
from headstart.engine.network.stages import read_arrays
from headstart.engine.train import bn_stats as module
from headstart.engine.train.bn_stats import following, longest_momentum, reestimate
from headstart.engine.train.phases import run_phases
from headstart.specs import Phase, Stage

pytestmark = pytest.mark.backend

MOMENTUM, EPSILON = 0.9, 1e-3
"""What a training of a few steps has in place of Keras' default of 0.99, and Keras' default."""


class Written:
    """The small backbone in training mode, in numpy but for its convolutions; `seen` collects each layer's statistics
    of a batch, by stage."""

    def __init__(self, arrays):
        self.arrays, self.seen = arrays, []

    def __call__(self, images):
        """(row, 16, 16, 3) after preprocessing."""
        self.seen.append({})
        low = self._block("low", images, stride=2)
        middle = low + self._block("middle", low)
        self._block("top", middle, stride=2)
        return self.seen[-1]

    def _block(self, stage, tensor, stride=1):
        kernel = keras.ops.convert_to_tensor(self.arrays[f"{stage}/0/kernel"])
        raw = keras.ops.conv(keras.ops.convert_to_tensor(tensor), kernel, strides=stride, padding="same")
        hidden = np.array(keras.ops.convert_to_numpy(raw)).astype(np.float64)
        mean, variance = hidden.mean(axis=(0, 1, 2)), hidden.var(axis=(0, 1, 2))
        self.seen[-1][stage] = mean, variance
        hidden = (hidden - mean) / np.sqrt(variance + EPSILON)
        hidden = hidden * self.arrays[f"{stage}/1/gamma"] + self.arrays[f"{stage}/1/beta"]
        return np.clip(hidden, 0, 6).astype(np.float32)


def preprocessed(bench, network, rows):
    return next(iter(forward(network, 0, 1)(bench.batch(rows)).values()))


def statistics(network):
    arrays = read_arrays(network.backbone)
    return {stage: (arrays[f"{stage}/1/moving_mean"], arrays[f"{stage}/1/moving_variance"]) for stage in STAGES}


STAGES = ("low", "middle", "top")


def assert_close(given, expected):
    for stage in STAGES:
        for ours, theirs in zip(given[stage], expected[stage], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5 * np.abs(theirs).max()), stage


@pytest.mark.parametrize("rows", [38, 33], ids=["6 of 8 in the last batch", "1 of 8 in the last batch"])
def test_trainable_statistics_follow_the_recursion_of_each_batch(bench, network, training, rows):
    """Updates too small to move a weight, so that one epoch is the recursion alone; padding is of the first batch."""
    before = {stage: tuple(map(np.copy, each)) for stage, each in statistics(network).items()}
    made = training(network, batch_norm="trainable")
    bench_rows = bench.data.indices("train")
    assert len(bench_rows) == 38
    made.order = lambda epoch: epoch_order(0, epoch, 38)[:rows]
    every = (*STAGES, "head")
    run_phases([Phase(name="tune", train=every, solver="gradient", rates=dict.fromkeys(every, 1e-20))], made)

    order, written = epoch_order(0, 1, 38)[:rows], Written(read_arrays(network.learned))
    expected = before
    for picked, mask in batches(order, 8):
        picked = np.where(mask > 0, picked, order[:8])
        seen = written(preprocessed(bench, network, bench_rows[picked]))
        expected = {
            stage: tuple(
                MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(expected[stage], seen[stage], strict=True)
            )
            for stage in STAGES
        }
    assert_close(statistics(network), expected)
    for stage, (mean, variance) in statistics(network).items():
        assert min(np.abs(mean - before[stage][0]).max(), np.abs(variance - before[stage][1]).max()) > 1e-4


def test_the_momentum_leaves_out_the_beginning_of_short_trainings_and_is_the_layers_own_in_long_ones(network):
    norms = [layer for stage in network.backbone for layer in stage.model.layers if hasattr(layer, "momentum")]
    own = [layer.momentum for layer in norms]
    assert own == [0.99] * 3
    for steps in (5, 260, 1000, 100_000):
        with following([network], {"low", "top"}, steps):
            assert sorted({layer.momentum for layer in norms}) == sorted({min(0.99, longest_momentum(steps)), 0.99})
            remembered = 1 / (1 - longest_momentum(steps))
            assert remembered == pytest.approx(max(10, steps / 25))
        assert [layer.momentum for layer in norms] == own


def taken(bench, network, count=None):
    rows = bench.data.indices("train")
    return reestimate(network, bench.data.tensors, rows if count is None else rows[:count])


@pytest.mark.parametrize(("batch", "batches_of"), [(64, 1), (16, 2), (8, 5)])
def test_statistics_taken_anew_are_those_of_all_batches_together_beside_the_sources(
    bench, network, monkeypatch, batch, batches_of
):
    monkeypatch.setattr(module, "BATCH", batch)
    before, arrays = statistics(network), read_arrays(network.learned)
    assert taken(bench, network) == 3

    rows = bench.data.indices("train")[epoch_order(0, 0, 38)]
    written = Written(arrays)
    parts = np.array_split(rows, batches_of)
    seen = [written(preprocessed(bench, network, part)) for part in parts]
    prior = module.SOURCE / (module.SOURCE + 38)
    expected = {}
    for stage in STAGES:
        means, variances = (np.stack([each[stage][kind] for each in seen]) for kind in (0, 1))
        shares = np.array([[len(part) / 38] for part in parts])
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean) ** 2)).sum(0)  # of a mixture
        expected[stage] = tuple(
            prior * old + (1 - prior) * new for old, new in zip(before[stage], (mean, variance), strict=True)
        )
    assert_close(statistics(network), expected)
    assert np.abs(statistics(network)["low"][0] - before["low"][0]).max() > 1e-3


def test_nothing_else_changes_and_layers_are_as_they_were(bench, network):
    norms = [
        layer
        for stage in network.backbone
        for layer in stage.model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    norms[1].trainable, norms[2].momentum = False, 0.5
    settings = [(layer.trainable, layer.momentum) for layer in norms]
    before = read_arrays(network.learned)
    taken(bench, network)
    after = read_arrays(network.learned)

    assert settings == [(layer.trainable, layer.momentum) for layer in norms]
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {
        name for name in before if name.rpartition("/")[2].startswith("moving")
    }


def test_equal_samples_give_equal_bits_and_without_the_sources_share_taking_them_twice_changes_nothing(
    bench, monkeypatch
):
    ends = []
    for _ in range(2):
        network = bench.network()
        taken(bench, network)
        ends.append(read_arrays(network.backbone))
    monkeypatch.setattr(module, "SOURCE", 0)
    for _ in range(2):
        taken(bench, network)
        ends.append(read_arrays(network.backbone))

    for one, other in (ends[:2], ends[2:]):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert any(not np.array_equal(ends[1][name], ends[2][name]) for name in ends[1])


def test_samples_in_another_order_give_other_batches_but_nearly_the_same_statistics(bench, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 16)
    ends = []
    for turned in (False, True):
        network = bench.network()
        rows = bench.data.indices("train")
        reestimate(network, bench.data.tensors, rows[::-1] if turned else rows)
        ends.append(statistics(network))

    for one, other in zip(ends[0]["low"], ends[1]["low"], strict=True):
        assert one == pytest.approx(other, rel=0.2, abs=0.05)


def test_a_backbone_without_batch_norm_is_left_alone(bench, network):
    image = network.stages[1].model.input
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(12, 3)(next(iter(image.values()))))
    top = Stage("top", keras.Model(image, {"pooled": pooled}))
    plain = Network((network.stages[0], top, network.stages[-1]), network.features)
    before = read_arrays(plain.learned)
    assert "top/0/kernel" in before
    assert reestimate(plain, bench.data.tensors, bench.data.indices("train")) == 0
    assert all(np.array_equal(array, before[name]) for name, array in read_arrays(plain.learned).items())
