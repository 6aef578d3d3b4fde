"""The loss and head of several labels, on each backend."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_expit

from headstart_plugins.multilabel._build import Multilabel

pytestmark = pytest.mark.backend


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_mean_cross_entropy_of_the_labels_even_for_extreme_logits(smoothing):
    import keras

    task = Multilabel(("a", "b", "c"), label_smoothing=smoothing)
    logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    logits *= np.array([[1], [10], [1000]] * 2, np.float32)
    targets = np.array([[1, 0, 0.25], [0, 1, 1], [1, 1, 0]] * 2, np.float32)
    tensors = {"labels": keras.ops.convert_to_tensor(targets)}, {"logits": keras.ops.convert_to_tensor(logits)}
    found = keras.ops.convert_to_numpy(task.loss(*tensors, training=True))
    wide, wanted = logits.astype(float), targets * (1 - smoothing) + smoothing / 2
    expected = -(wanted * log_expit(wide) + (1 - wanted) * log_expit(-wide)).mean(1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    plain = keras.ops.convert_to_numpy(task.loss(*tensors, training=False))
    expected = -(targets * log_expit(wide) + (1 - targets) * log_expit(-wide)).mean(1)
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-5)


def test_a_head_gives_a_logit_for_each_label():
    model = Multilabel(("a", "b", "c")).head("mlp:4", {"pooled": (None, 6)}, seed=0)
    assert model({"pooled": np.zeros((2, 6), np.float32)})["logits"].shape == (2, 3)
