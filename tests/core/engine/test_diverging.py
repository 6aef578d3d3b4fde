"""A loss, a gradient or an answer that is not finite ends the run: where, on what, and what is left."""

from types import SimpleNamespace

import numpy as np
import pytest

from headstart.engine.features.source import PLAIN
from headstart.engine.network.stages import read_arrays
from headstart.engine.train.epochs import Failure
from headstart.engine.train.log import PhaseLog
from headstart.engine.train.phases import run_phases
from headstart.engine.train.state import TrainState
from headstart.errors import DivergedError
from headstart.specs import Phase
from headstart.weights.files import read_safetensors

pytestmark = pytest.mark.backend


def gradient(*train, rate=1e-2, **settings):
    rates = dict.fromkeys(train, rate)
    return Phase(name="tune", train=train, solver="gradient", rates=rates, **settings)


def test_a_loss_that_is_not_finite_stops_with_phase_epoch_step_and_keys(bench, network, training):
    """Epochs go round the stored views, here two; the one of the second epoch is NaN in one sample."""
    made = training(network, bench.view())
    views = made.source.training(4, views=1, fresh=False).samples.views
    features = np.array(views[0]["@pooled"])
    features[3] = np.nan
    made.source._stored[4, "train", PLAIN, False] = {"@pooled": features}
    bad = bench.data.keys[bench.data.indices("train")[3]]
    with pytest.raises(DivergedError) as caught:
        run_phases([gradient("head", epochs=3, views=1)], made)

    assert "loss became nan in phase 'tune', epoch 2, step" in caught.value.message
    batch_keys = caught.value.message.partition("the batch with ")[2].partition(", ...")[0].split(", ")
    known = {bench.data.keys[row] for row in bench.data.indices("train")}
    assert set(batch_keys) <= known
    assert bad in batch_keys or len(batch_keys) == 4
    steps = -(-len(bench.data.indices("train")) // 8)
    assert f"checkpoints/step.{steps} holds the last good weights" in caught.value.message
    last = read_safetensors(made.checkpoints.folder / f"step.{steps}" / "weights.safetensors")
    assert all(np.isfinite(array).all() for array in last.values())
    assert all(np.isfinite(array).all() for array in read_arrays(network.learned).values())


def test_a_row_is_named_by_its_own_key_where_records_give_several():
    data = SimpleNamespace(keys=("a",), row_keys=("a", "a#1", "a#2"), indices=lambda split: np.arange(3))
    context = SimpleNamespace(source=SimpleNamespace(data=data), checkpoints_kept=lambda: "nothing is kept")
    log = PhaseLog(gradient("head"), context, steps=1, samples=3)
    assert "on the batch with a#2, ..." in log.diverged(TrainState(), Failure(1, np.nan, np.array([2]))).message


def test_weights_that_explode_in_the_last_step_are_found_on_val(network, training):
    """One step an epoch: no later loss could tell. The message says so instead of a NaN in the events."""
    made = training(network, batch_size=64)
    with pytest.raises(DivergedError, match="answers on val are not finite after epoch 1 of phase 'tune'"):
        run_phases([gradient("head", rate=3e38, warmup=0.0, epochs=2)], made)

    assert all("NaN" not in line for line in made.log._path.read_text().splitlines())


@pytest.mark.parametrize(
    ("factors", "hint"),
    [((1.0, 1e38), "leave 1e+38 out of strategy.rate_factors"), ((1e38, 1.0), "try a smaller --learning-rate")],
    ids=["a later trial", "the first"],
)
def test_of_several_rates_the_one_that_diverged_is_named(network, training, factors, hint):
    made = training(network, batch_size=64)
    with pytest.raises(DivergedError, match=r"after epoch 1 of phase 'tune x1e\+38'") as caught:
        run_phases([gradient("head", rate=3.0, warmup=0.0, epochs=1, rate_factors=factors)], made)

    assert caught.value.hint.startswith(hint)
