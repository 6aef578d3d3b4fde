"""Rows of different lengths: what is put together, how far it is cut, and that nothing is lost."""

import numpy as np
import pytest

from headstart.data.lengths import Lengths, cut_to, padded_from
from headstart.data.order import batches, epoch_order

STATIC = (8, 32, 128)


@pytest.fixture
def lengths():
    return Lengths(np.minimum(128, 1 + np.random.default_rng(0).geometric(0.05, 1000)), STATIC)


def test_every_row_comes_once_an_epoch(lengths):
    order = lengths.together(epoch_order(3, 5, 1000), 16)
    assert sorted(order) == list(range(1000))


def test_the_order_is_that_of_the_seed_and_the_epoch(lengths):
    drawn = [lengths.together(epoch_order(3, epoch, 1000), 16).tolist() for epoch in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_batches_of_like_lengths_compute_on_little_padding(lengths):
    def computed(order):
        return sum(16 * lengths.of_batch(rows) for rows, _ in batches(order, 16))

    order = epoch_order(0, 1, 1000)
    least = int(np.array(STATIC)[np.searchsorted(STATIC, lengths.used)].sum())  # each row at its own static length
    assert computed(lengths.together(order, 16)) < 1.2 * least
    assert computed(order) > 2 * least


def test_cut_to_their_longest_rows_batches_hold_little_padding(lengths):
    order = lengths.together(epoch_order(0, 1, 1000), 16)
    computed = sum(16 * lengths.of_batch(rows, any_length=True) for rows, _ in batches(order, 16))
    assert computed < 1.15 * np.maximum(lengths.used, STATIC[0]).sum()


def test_like_lengths_are_of_one_class_that_ends_at_each_power_of_two():
    classes = Lengths(np.array([1, 26, 29, 32, 33, 128]), STATIC).classes
    assert classes[0] < classes[1] < classes[2] == classes[3] < classes[4] < classes[5]


def test_rows_of_middling_lengths_are_those_between_the_others():
    assert Lengths(np.array([100, 3, 50, 7, 60]), STATIC).middling(3).tolist() == [3, 2, 4]


def test_short_batches_do_not_all_come_first(lengths):
    order = lengths.together(epoch_order(0, 1, 1000), 16)
    firsts = [lengths.of_batch(rows) for rows, mask in batches(order, 16) if mask.all()]
    assert firsts != sorted(firsts)


def test_all_rows_of_one_length_keep_whole_batches_of_the_given_order():
    same = Lengths(np.full(40, 5), STATIC)
    order = epoch_order(1, 1, 40)
    found = same.together(order, 8).reshape(5, 8).tolist()
    assert sorted(found) == sorted(order.reshape(5, 8).tolist())


def test_a_batch_is_cut_to_the_static_length_of_its_longest_row():
    lengths = Lengths(np.array([3, 8, 9, 128]), STATIC)
    assert [lengths.of_batch(np.array(rows)) for rows in ([0], [0, 1], [1, 2], [0, 3])] == [8, 8, 32, 128]


def test_what_a_stage_made_shorter_is_cut_in_proportion():
    tensors = {"x": np.zeros((2, 64, 3)), "mask": np.zeros((2, 128)), "pooled": np.zeros((2, 5))}
    cut = cut_to(tensors, {"x": 0, "mask": 0}, 32, 128)
    assert {name: array.shape for name, array in cut.items()} == {"x": (2, 16, 3), "mask": (2, 32), "pooled": (2, 5)}
    back = padded_from(cut, {"x": 0, "mask": 0}, 32, 128)
    assert {name: array.shape for name, array in back.items()} == {n: array.shape for n, array in tensors.items()}


def test_padding_brings_back_what_was_no_padding():
    row = np.arange(1, 9)[None, :] * (np.arange(8) < 3)
    cut = cut_to({"x": row}, {"x": 0}, 4, 8)
    assert cut["x"].tolist() == [[1, 2, 3, 0]]
    assert np.array_equal(padded_from(cut, {"x": 0}, 4, 8)["x"], row)


@pytest.mark.parametrize(("used", "static"), [([129], STATIC), ([3], (8, 8)), ([3], ())])
def test_lengths_that_do_not_fit_are_refused(used, static):
    with pytest.raises(ValueError, match="lengths"):
        Lengths(np.array(used), static)
