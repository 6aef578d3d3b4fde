"""What counts as the same answer."""

import numpy as np
import pytest

from headstart.engine.features.extractor import verify_equal
from headstart.errors import EngineRefusal

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
