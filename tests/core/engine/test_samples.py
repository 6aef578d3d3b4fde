"""What training and validation see: an order from the seed alone, views that vary, and val that never does."""

import numpy as np
import pytest

from headstart.engine.samples import Stored, epoch_batches
from headstart.engine.source import STORED_LIMIT, is_storable

pytestmark = pytest.mark.backend


def rows_of(samples, epoch, seed=0):
    batches = list(epoch_batches(samples, seed=seed, epoch=epoch, batch_size=8))
    return np.concatenate([each.rows[each.mask > 0] for each in batches])


def test_the_order_is_a_function_of_seed_and_epoch_and_takes_each_row_once():
    samples = Stored(({"x": np.arange(21)},))

    assert np.array_equal(rows_of(samples, 3), rows_of(samples, 3))
    assert not np.array_equal(rows_of(samples, 3), rows_of(samples, 4))
    assert not np.array_equal(rows_of(samples, 3), rows_of(samples, 3, seed=1))
    assert sorted(rows_of(samples, 3)) == list(range(21))


def test_validation_is_the_same_every_epoch_with_augmentation_on_while_training_varies(bench, network, tmp_path):
    source = bench.source(network, tmp_path, bench.view())
    rows = np.arange(8)
    for cut in (1, 4):
        val = source.plain(cut, "val").samples
        train = source.training(cut, views=0, fresh=True).samples
        first, second = val.take(1, rows), val.take(2, rows)
        assert all(np.array_equal(first[name], second[name]) for name in first)
        assert not np.array_equal(train.take(1, rows)["image"], train.take(2, rows)["image"])
        assert np.array_equal(train.take(1, rows)["image"], train.take(1, rows)["image"])


def test_validation_equals_that_of_a_run_without_augmentation(bench, network, tmp_path):
    rows = np.arange(8)
    plain = bench.source(network, tmp_path).plain(4, "val").samples.take(1, rows)
    beside = bench.source(network, tmp_path, bench.view()).plain(4, "val").samples.take(1, rows)

    assert np.array_equal(plain["@pooled"], beside["@pooled"])


def test_stored_views_are_the_plain_one_and_as_many_drawn_ones_each_augmented_once(bench, network, tmp_path):
    from headstart.data.views import augmented
    from headstart.engine.compute import forward

    view = bench.view()
    samples = bench.source(network, tmp_path, view).training(4, views=2, fresh=False).samples
    rows = bench.data.indices("train")[:8]
    pooled = forward(network, 0, 4)
    expected = [bench.batch(rows)]
    expected += [augmented(bench.data.tensors, bench.data.keys, rows, view, number) for number in range(2)]

    assert len(samples.views) == 3
    for stored, fresh in zip(samples.views, expected, strict=True):
        reference = pooled(fresh)["@pooled"]
        assert reference.std() > 0.01
        assert stored["@pooled"][:8] == pytest.approx(reference, abs=1e-4 * max(1.0, float(reference.std())))
    assert not np.array_equal(samples.views[0]["@pooled"], samples.views[1]["@pooled"])


def test_epochs_go_round_the_stored_views(bench, network, tmp_path):
    samples = bench.source(network, tmp_path, bench.view()).training(4, views=2, fresh=False).samples
    rows = np.arange(8)
    taken = [samples.take(epoch, rows)["@pooled"] for epoch in range(1, 7)]

    assert all(np.array_equal(taken[epoch], taken[epoch + 3]) for epoch in range(3))
    assert not np.array_equal(taken[0], taken[1])


def test_nothing_is_stored_where_nothing_below_the_cut_is_worth_it(bench, network, tmp_path):
    source = bench.source(network, tmp_path)

    assert source.training(1, views=0, fresh=False).start == 0
    assert source.training(2, views=0, fresh=False).start == 2


def test_tensors_are_stored_up_to_the_limit_and_not_beyond(network):
    fitting = STORED_LIMIT // (4 * 12)  # at the head: 12 channels of float32 a sample

    assert is_storable(network, 4, fitting)
    assert not is_storable(network, 4, fitting + 1)
