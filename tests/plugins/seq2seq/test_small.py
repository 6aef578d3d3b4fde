"""A random encoder sees where its pieces stand: what embeddings give is no louder than positions."""

import numpy as np
import pytest

from headstart.registry import load_registry
from headstart.specs import BackboneRequest, TensorSpec

pytestmark = pytest.mark.backend
WIDTH = 64


def test_random_embeddings_leave_positions_to_be_seen():
    from headstart.engine.network.lsuv_init import initialise
    from headstart.engine.network.stages import read_arrays
    from headstart_plugins.seq2seq import SmallOptions
    from headstart_plugins.seq2seq._build import build

    inputs = {"ids": TensorSpec((None,), "int32", values=200), "mask": TensorSpec((None,), "bool")}
    request = BackboneRequest(SmallOptions(layers=1, width=WIDTH, hidden=64), inputs)
    stages = build(request).stages
    random = np.random.default_rng(0)
    batch = {"ids": random.integers(3, 200, (16, 12)).astype(np.int32), "mask": np.ones((16, 12), bool)}
    initialise(stages, batch, 0, features=load_registry().get("backbones", "seq2seq/small").features)
    table = read_arrays(stages)["embeddings/0/embeddings"]
    assert table.shape == (200, WIDTH)
    # Sines have a deviation of 0.7; rows of a deviation of 1 would come out with that of the square root of the width.
    assert 0.015 < table.std() < 0.025
