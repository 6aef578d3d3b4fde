"""Pieces of a graph, one after the other, equal the whole and share its weights."""

import keras
import numpy as np
import pytest

from headstart.engine.network.cutting import lone_tensors
from headstart.engine.network.stages import name_variables
from headstart.specs import Stage
from headstart.testing.backbones.network import LONGEST, cut_finely, run_stages

pytestmark = pytest.mark.backend


def deep(blocks):
    """A stage of residual blocks of two dense layers; between blocks one tensor is alive, inside them two."""
    entry = tensor = keras.Input((6,), name="x")
    for _ in range(blocks):
        branch = keras.layers.Dense(6)(keras.layers.Dense(6, activation="relu")(tensor))
        tensor = keras.layers.add([tensor, branch])
    return Stage("deep", keras.Model({"x": entry}, {"top": tensor, "half": tensor * 0.5}))


def test_a_residual_graph_can_be_cut_after_its_blocks_and_not_inside_them():
    stage = deep(3)
    places = [type(node.operation).__name__ for node, _ in lone_tensors(stage.model, [stage.model.output["top"]])]

    assert places[:3] == ["Add", "Add", "Add"]
    assert "Dense" not in places


def test_pieces_equal_the_whole_and_share_its_weights():
    stage = deep(20)
    pieces = cut_finely([stage])
    batch = {"x": np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)}
    whole, parts = run_stages([stage], batch), run_stages(pieces, batch)

    assert len(pieces) == 40 // LONGEST + 1
    assert pieces[-1].name == "deep"
    assert {id(v) for v in name_variables(pieces).values()} == {id(v) for v in name_variables([stage]).values()}
    for name in ("top", "half"):
        assert whole["deep", name].std() > 0.01
        assert parts["deep", name] == pytest.approx(whole["deep", name], abs=1e-5)


def test_a_short_stage_stays_what_it_is():
    stage = deep(LONGEST // 2 - 1)
    assert cut_finely([stage]) == (stage,)
