"""What counts as the same answer."""

import keras
import numpy as np
import pytest

from headstart.engine.features.extractor import verify_equal
from headstart.engine.features.rounding import moved_by_rounding
from headstart.engine.network.network import Network
from headstart.engine.network.stages import read_arrays
from headstart.errors import EngineRefusal
from headstart.specs import INPUT, FeatureSpec, Stage

pytestmark = pytest.mark.backend

REFERENCE = {"@pooled": np.random.default_rng(0).standard_normal((8, 50)).astype(np.float32)}


def off_by(amount):
    return {name: array + np.float32(amount) for name, array in REFERENCE.items()}


def test_rounding_passes_and_is_stated():
    largest, _ = verify_equal(off_by(5e-5), REFERENCE, "float32")

    assert largest == pytest.approx(5e-5, rel=0.01)


def test_more_than_rounding_is_refused_with_both_figures():
    with pytest.raises(EngineRefusal, match=r"up to 0.000[23].*allowed 0.0001"):
        verify_equal(off_by(2.5e-4), REFERENCE, "float32")


def test_bfloat16_has_a_bound_of_its_own():
    _, relative = verify_equal(off_by(0.05), REFERENCE, "bfloat16")
    assert relative == pytest.approx(0.05, rel=0.1)
    with pytest.raises(EngineRefusal, match="allowed 10%"):
        verify_equal(off_by(0.15), REFERENCE, "bfloat16")


@pytest.mark.parametrize(
    "wrong",
    [{}, {"other": REFERENCE["@pooled"]}, {"@pooled": REFERENCE["@pooled"][:, :49]}],
    ids=["nothing", "another name", "another shape"],
)
def test_names_and_shapes_must_be_the_same(wrong):
    with pytest.raises(EngineRefusal, match="expected"):
        verify_equal(wrong, REFERENCE, "float32")


def test_what_is_not_finite_is_refused_in_any_precision():
    broken = off_by(0)
    broken["@pooled"][3, 3] = np.nan

    for precision in ("float32", "bfloat16"):
        with pytest.raises(EngineRefusal, match="not finite"):
            verify_equal(broken, REFERENCE, precision)


def off_in_one_place(amount):
    found = off_by(0)
    found["@pooled"][2, 7] += np.float32(amount)
    return found


def test_where_rounding_alone_moves_the_network_as_far_more_is_allowed():
    largest, _ = verify_equal(off_in_one_place(6e-4), REFERENCE, "float32", moved=lambda: {"@pooled": 1e-4})

    assert largest == pytest.approx(6e-4, rel=0.01)


@pytest.mark.parametrize(
    ("found", "moved"),
    [
        (off_in_one_place(6e-4), 5e-5),
        (off_in_one_place(6e-4), 0.0),
        (off_in_one_place(2e-2), 1.0),
        (off_by(6e-4), 1.0),
    ],
    ids=["further than rounding", "rounding moves nothing", "further than anything allows", "everywhere"],
)
def test_what_rounding_does_not_explain_is_refused(found, moved):
    with pytest.raises(EngineRefusal, match="allowed"):
        verify_equal(found, REFERENCE, "float32", moved=lambda: {"@pooled": moved})


def test_rounding_is_asked_for_only_where_it_is_needed():
    verify_equal(off_by(5e-5), REFERENCE, "float32", moved=lambda: pytest.fail("a run would compute it for nothing"))


@pytest.mark.parametrize("difference", [1 / 4, 2.0**-12])
def test_a_network_that_enlarges_rounding_moves_as_far_as_its_weights_say(difference):
    """A number over the small difference of two weights: each unit in their last places counts as often."""
    entry, reached = keras.Input((1,), name="x"), keras.Input((1,), name="y")
    dense = keras.layers.Dense(2, use_bias=False)
    both = dense(entry)
    answer = keras.ops.multiply(both[:, :1] - both[:, 1:], 1 / difference)
    network = Network(
        (
            Stage(INPUT, keras.Model({"x": entry}, {"x": keras.layers.Identity()(entry)})),
            Stage("body", keras.Model({"x": entry}, {"y": answer})),
            Stage("head", keras.Model({"y": reached}, {"z": keras.layers.Identity()(reached)})),
        ),
        (FeatureSpec("y", "body", "y", ("batch", "channel"), 1),),
    )
    kernel = np.array([[1.5, 1.5 - difference]], np.float32)
    dense.set_weights([kernel])

    moved = moved_by_rounding(network, 2, {"x": np.ones((3, 1), np.float32)}, {"@y": np.ones((3, 1), np.float32)})

    assert moved["@y"] * difference == 2 * 2.0**-23  # both weights lie between 1 and 2, and part in one of the draws
    np.testing.assert_array_equal(read_arrays(network.stages[1:2])["body/0/kernel"], kernel)
