import numpy as np
import pytest

from headstart.data.order import batches, epoch_order


def test_an_order_is_a_permutation_that_repeats():
    order = epoch_order(3, 5, 1000)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    np.testing.assert_array_equal(order, epoch_order(3, 5, 1000))


def test_orders_differ_between_epochs_and_seeds():
    orders = [epoch_order(seed, epoch, 50).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9


def test_every_place_is_equally_likely():
    first = np.array([epoch_order(0, epoch, 8)[0] for epoch in range(800)])
    counts = np.bincount(first, minlength=8)
    assert ((counts - 100) ** 2 / 100).sum() < 24.3  # chi-squared, 7 degrees of freedom, p = 0.001


def test_the_order_is_pinned_so_that_old_runs_can_be_resumed():
    assert epoch_order(0, 0, 8).tolist() == [0, 3, 7, 5, 1, 2, 6, 4]


def test_batches_have_one_size_and_a_mask_over_the_padding():
    cut = list(batches(np.array([5, 3, 1, 4, 2]), 2))
    assert [indices.tolist() for indices, _ in cut] == [[5, 3], [1, 4], [2, 2]]
    assert [mask.tolist() for _, mask in cut] == [[1, 1], [1, 1], [1, 0]]
    assert all(mask.dtype == np.float32 for _, mask in cut)


def test_no_samples_give_no_batches_and_a_batch_has_at_least_one():
    assert list(batches(np.array([], np.int64), 4)) == []
    with pytest.raises(ValueError, match="at least 1"):
        list(batches(np.arange(3), 0))
