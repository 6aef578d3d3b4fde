"""Targets are cut to what the longest of a batch uses, and rows of answers of several lengths go together."""

from types import SimpleNamespace

import numpy as np
import pytest

from headstart.engine.batch import filled_together
from headstart.specs import TensorSpec

pytestmark = pytest.mark.backend


class Words:
    targets = {"next": TensorSpec((16,), "int32", length_axis=0), "weight": TensorSpec((), "float32")}
    target_lengths = (4, 8, 16)

    def used(self, targets):
        return (targets["next"] > 0).sum(axis=1)


def batch(*lengths):
    rows = (np.arange(16) < np.array(lengths)[:, None]).astype(np.int32)
    return {"next": rows, "weight": np.ones(len(lengths), np.float32)}


@pytest.mark.parametrize(("lengths", "on_torch", "on_jax"), [((3, 5), 5, 8), ((1, 2), 2, 4), ((16, 1), 16, 16)])
def test_a_batch_is_as_long_as_its_longest_row_needs(lengths, on_torch, on_jax, backend):
    from headstart.engine.target_lengths import trimmed

    targets = batch(*lengths)
    found = trimmed(Words(), targets)
    assert found["next"].shape == (2, on_torch if backend == "torch" else on_jax)
    assert found["next"].sum() == sum(lengths)
    assert found["weight"].shape == (2,)
    assert targets["next"].shape == (2, 16)


def test_a_task_that_cuts_nothing_has_its_targets_as_they_are():
    from headstart.engine.target_lengths import trimmed

    targets = batch(1, 2)
    assert trimmed(SimpleNamespace(), targets) is targets


def test_shorter_answers_are_filled_up_with_zeros():
    parts = [{"tokens": np.full((2, 3), 7)}, {"tokens": np.full((1, 5), 8)}]
    found = filled_together(parts)["tokens"]
    assert found.tolist() == [[7, 7, 7, 0, 0], [7, 7, 7, 0, 0], [8, 8, 8, 8, 8]]
