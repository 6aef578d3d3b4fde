"""What every engine's answers must be like, whatever computes them."""

import numpy as np
import pytest


def _answer_in_order(one, two, side):
    images = np.random.default_rng(1).integers(0, 256, (23, side, side, 3)).astype("uint8")
    singly = np.concatenate([one({"image": images[row : row + 1]})["@out"] for row in range(23)])
    assert singly.std(axis=0).min() > 0.01
    np.testing.assert_array_equal(two({"image": images})["@out"], singly)
    np.testing.assert_array_equal(two({"image": images[::-1]})["@out"], singly[::-1])


def _answer_anew(engine, given):
    first = engine({"image": given})["@out"]
    kept, images = first.copy(), given.copy()
    second = engine({"image": 255 - images})["@out"]
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(images, given)
    assert np.abs(second - first).max() > 0.01


@pytest.fixture
def answers_in_order():
    """`one` has one thread, `two` has two: any number of samples comes in order, the same from both."""
    return _answer_in_order


@pytest.fixture
def answers_anew():
    """Each call gives arrays of its own, and inputs stay as they were."""
    return _answer_anew
