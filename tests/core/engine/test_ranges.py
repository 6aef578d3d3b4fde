"""Preprocessed tensors are checked against what weights expect, with the input kind's own advice."""

import numpy as np
import pytest

from headstart.errors import DataError

pytestmark = pytest.mark.backend


def test_values_in_range_pass_and_others_are_named():
    from headstart.engine.network.assemble import verify_ranges

    values = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    verify_ranges({"x": values}, {"x": (-1.0, 1.0)}, hint="")
    with pytest.raises(DataError, match=r"'x' has values from -255 to 255 .* expect -1 to 1"):
        verify_ranges({"x": 255 * values}, {"x": (-1.0, 1.0)}, hint="")


def test_a_tensor_that_hardly_varies_gets_the_advice_of_its_kind():
    from headstart.engine.network.assemble import verify_ranges

    values = np.linspace(0, 1 / 255, 24, dtype=np.float32)
    with pytest.raises(DataError, match="'x' hardly varies") as caught:
        verify_ranges({"x": values}, {"x": (0.0, 1.0)}, hint="were the waves normalised before?")
    assert caught.value.hint == "were the waves normalised before?"
