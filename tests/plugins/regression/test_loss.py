"""The loss and head of a number, on each backend."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_plugins.regression._build import Regression

pytestmark = pytest.mark.backend


def test_the_loss_is_the_squared_error_of_each_sample():
    import keras

    value, targets = np.array([[1.5], [-2.0], [0.0]], np.float32), np.array([1.0, 1.0, 0.0], np.float32)
    tensors = {"number": keras.ops.convert_to_tensor(targets)}, {"value": keras.ops.convert_to_tensor(value)}
    found = keras.ops.convert_to_numpy(Regression().loss(*tensors, training=True))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0.25, 9.0, 0.0])


def test_a_head_gives_one_value():
    model = Regression(dropout=0.1).head("linear", {"pooled": (None, 6)}, seed=0)
    assert model({"pooled": np.zeros((2, 6), np.float32)})["value"].shape == (2, 1)
