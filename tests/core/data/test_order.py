import numpy as np
import pytest

from headstart.data.order import all_batches, batches, epoch_order


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


def test_all_batches_at_once_are_the_batches_one_by_one():
    for count, size in ((21, 8), (16, 8), (3, 8), (7, 1)):
        order = np.random.default_rng(0).permutation(count)
        rows, mask = all_batches(order, size)
        expected = list(batches(order, size))
        assert np.array_equal(rows, [each for each, _ in expected])
        assert np.array_equal(mask, [each for _, each in expected])
        assert np.array_equal(rows[mask > 0], order)
        assert mask.dtype == expected[0][1].dtype


def test_no_samples_give_no_batches_and_a_batch_has_at_least_one():
    assert list(batches(np.array([], np.int64), 4)) == []
    with pytest.raises(ValueError, match="at least 1"):
        list(batches(np.arange(3), 0))


def test_chances_say_how_often_each_row_is_drawn_to_less_than_one():
    sampling_weights = np.array([1.0, 5.0, 0.0, 2.0, 0.5])
    for epoch in range(50):
        drawn = np.bincount(epoch_order(0, epoch, 85, sampling_weights), minlength=5)
        assert drawn.sum() == 85
        assert (abs(drawn - 85 * sampling_weights / sampling_weights.sum()) < 1).all()


def test_over_epochs_the_counts_come_to_their_chances_exactly_and_in_any_order():
    sampling_weights = np.array([3.0, 1.0, 1.0])
    orders = np.stack([epoch_order(1, epoch, 4, sampling_weights) for epoch in range(2000)])
    expected = 4 * sampling_weights / sampling_weights.sum()
    np.testing.assert_allclose([(orders == row).sum(axis=1).mean() for row in range(3)], expected, atol=0.04)
    np.testing.assert_allclose([(orders[:, 0] == row).mean() for row in range(3)], expected / 4, atol=0.04)


def test_draws_repeat_and_are_pinned_and_differ_between_epochs():
    sampling_weights = np.arange(1.0, 9.0)
    assert epoch_order(0, 0, 8, sampling_weights).tolist() == epoch_order(0, 0, 8, sampling_weights).tolist()
    assert epoch_order(0, 0, 8, sampling_weights).tolist() == [7, 3, 6, 5, 0, 2, 6, 4]
    assert epoch_order(0, 1, 8, sampling_weights).tolist() != epoch_order(0, 0, 8, sampling_weights).tolist()


@pytest.mark.parametrize("sampling_weights", [[0.0, 0.0], [1.0, -1.0, 3.0], [1.0, np.nan]])
def test_weights_that_are_none_are_refused(sampling_weights):
    with pytest.raises(ValueError, match="sampling_weights"):
        epoch_order(0, 0, 4, np.array(sampling_weights))
