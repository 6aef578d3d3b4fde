import numpy as np

from headstart.data.views import Composed, View, augmented
from headstart.specs import Transform


class Shifts:
    """Draws a shift from the arguments; nothing for keys in `still`."""

    def __init__(self, still=()):
        self.still = still
        self.drawn = []

    def draw(self, seed, epoch, key):
        self.drawn.append((seed, epoch, key))
        if key in self.still:
            return Transform()
        return Transform(((1.0, 0.0, float(seed + 10 * epoch + int(key))), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))


class Adding:
    """Applies a shift by adding it, so that what was drawn can be read off."""

    def transform(self, prepared, transform):
        return {"x": prepared["x"] + int(transform.matrix[0][2])}


class Fixed:
    def __init__(self, matrix):
        self.matrix = matrix

    def draw(self, seed, epoch, key):
        return Transform(self.matrix)


KEYS = [str(i) for i in range(20)]
TENSORS = {"x": np.zeros((20, 3), np.int64)}


def test_each_sample_is_drawn_by_its_key_and_epoch():
    view = View(Adding(), Shifts(), 3)
    assert augmented(TENSORS, KEYS, np.array([4, 2]), view, 5)["x"].tolist() == [[57] * 3, [55] * 3]
    assert not TENSORS["x"].any()


def test_batch_cuts_do_not_matter():
    view = View(Adding(), Shifts(), 0)
    order = np.random.default_rng(0).permutation(20)
    whole = augmented(TENSORS, KEYS, order, view, 1)["x"]
    parts = [augmented(TENSORS, KEYS, order[i : i + 3], view, 1)["x"] for i in range(0, 20, 3)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_an_identity_is_not_applied():
    class Refusing:
        def transform(self, prepared, transform):
            raise AssertionError("an identity was applied")

    view = View(Refusing(), Shifts(still=KEYS), 0)
    assert not augmented(TENSORS, KEYS, np.arange(5), view, 0)["x"].any()


def test_composition_is_the_product_with_the_first_part_applied_first():
    shift = ((1.0, 0.0, 0.25), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    flip = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    drawn = Composed((Fixed(shift), Fixed(flip))).draw(0, 0, "k")
    np.testing.assert_allclose(drawn.matrix, np.array(shift) @ np.array(flip))
    assert Composed((Fixed(flip), Fixed(flip))).draw(0, 0, "k").is_identity


def test_parts_draw_with_seeds_of_their_own_and_the_first_with_the_given_one():
    parts = (Shifts(still=KEYS), Shifts(still=KEYS))
    assert Composed(parts).draw(5, 1, "3").is_identity
    assert parts[0].drawn == [(5, 1, "3")]
    assert parts[1].drawn[0][0] != 5
    assert parts[1].drawn[0][1:] == (1, "3")
