"""What a checkpoint says of where a phase stands, in facts and arrays, is where it stands."""

import json

import numpy as np
import pytest

from headstart.engine.train.epochs import Collected
from headstart.engine.train.state import Standing

pytestmark = pytest.mark.backend


def test_a_long_epoch_that_was_begun_comes_back_and_its_facts_stay_small():
    """A manifest of more than a mebibyte is refused; the losses of 100,000 steps are arrays."""
    losses = np.random.default_rng(0).random(100_000)
    begun = Collected(losses, np.arange(300_000), {"logits": np.ones((300_000, 2), np.float32)})
    standing = Standing(epoch=3, taken=7, begun=begun)
    facts = json.loads(json.dumps(standing.facts()))
    again = Standing.of(facts, standing.groups())

    assert len(json.dumps(facts)) < 2_000
    assert np.array_equal(again.begun.losses, losses)
    assert np.array_equal(again.begun.rows, begun.rows)
    assert np.array_equal(again.begun.outputs["logits"], begun.outputs["logits"])
    assert (again.epoch, again.taken, again.begun.steps) == (3, 7, 100_000)
    assert Standing.of(Standing().facts(), Standing().groups()).begun.steps == 0
