"""Whole fits by strategy: what a phase says is what its run did to the artefact's weights."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from headstart.registry import load_registry
from headstart.runs.fitting import fit
from headstart.testing import write_distribution

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

THEIRS = """
from headstart.hookspecs import hookimpl
from headstart.specs import LowRank, Phase, StrategySpec

@hookimpl
def register_strategies():
    return [StrategySpec(name="theirs/twice", summary="The top by its norms, then by rank.", build="theirs:build")]

def build(request):
    stages = (request.stages[-1], "head")
    given = {"train": stages, "solver": "gradient", "epochs": 2, "rates": dict.fromkeys(stages, 3e-2)}
    return [Phase(name="norms", roles=("gamma",), **given), Phase(name="ranks", adapter=LowRank(2), **given)]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_distribution(folder, "theirs", THEIRS)
    return folder


@pytest.fixture
def fitted(finished, small_plugin, folder, tmp_path, monkeypatch):
    """Fits a strategy on the pictures of the finished run."""
    monkeypatch.syspath_prepend(folder)
    registry = load_registry()

    def run(strategy, name="run", **settings):
        return fit(
            f"image_folder:{finished.pictures}",
            backbone="small/net",
            weights="none",
            strategy=strategy,
            reporters=("json",),
            out=str(tmp_path / name),
            registry=registry,
            **settings,
        )

    return run


def weights(run):
    return load_file(run.folder.artefact / "weights.safetensors")


def learned(run, begun):
    """The backbone's weights that differ from those it began with."""
    before = weights(begun)
    return {name for name, array in weights(run).items() if (array != before[name]).any() and "head/" not in name}


def test_a_third_partys_phases_train_what_they_say_and_nothing_else(fitted):
    begun, run = fitted("probe", "begun"), fitted("twice")
    assert learned(run, begun) == {"top/0/kernel", "top/1/gamma"}
    before, after = weights(begun)["top/0/kernel"], weights(run)["top/0/kernel"]
    sizes = np.linalg.svd((after.astype(np.float64) - before).reshape(72, 12), compute_uv=False)
    assert sizes[1] > 100 * sizes[2]
    assert run.evaluate().document["metrics"]["test"] == pytest.approx(run.result["metrics"]["test"], abs=1e-4)


TOP = {"top/0/kernel", "top/1/gamma", "top/1/beta"}
LOW = {"low/0/kernel", "low/1/gamma", "low/1/beta"}
EVERYTHING = {*TOP, *LOW, "middle/0/kernel", "middle/1/gamma", "middle/1/beta"}
LEARN = {
    "lp_ft": EVERYTHING,
    "full": EVERYTHING,
    "discriminative": EVERYTHING,
    "l2_sp": EVERYTHING,
    "contrastive": EVERYTHING,
    "norm_only": {"low/1/gamma", "low/1/beta", "middle/1/gamma", "middle/1/beta", "top/1/gamma", "top/1/beta"},
    "bitfit": {"low/1/beta", "middle/1/beta", "top/1/beta"},
    "lora": {"low/0/kernel", "middle/0/kernel", "top/0/kernel"},
    "last_k": TOP,
    "soup": EVERYTHING,
    "wise_ft": EVERYTHING,
}
"""What differs afterwards in the backbone; BatchNorm's statistics are in none."""

SETS = {"lp_ft": ("strategy.average=0.5",), "lora": ("strategy.rank=2",)}
BATCHES = "fit.batch_size=16"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", LEARN)
def test_a_built_in_strategy_trains_what_it_says(fitted, strategy):
    begun = fitted("probe", "begun")
    run = fitted(strategy, epochs=6, learning_rate=3e-3, sets=(BATCHES, *SETS.get(strategy, ())))
    assert run.result["phases"][-1]["best_epoch"] > 0  # else its start is kept, and nothing here tests training
    assert learned(run, begun) == LEARN[strategy]
    assert run.result["parameters"]["trainable"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("count", "weights_of"), [(1, TOP), (2, LOW | TOP)])
def test_stages_that_the_data_chooses_learn_and_no_others(fitted, count, weights_of):
    """The gradients of this start are 0.22 of the weights at the top, 0.16 at the bottom, and 0.11 between."""
    begun, sets = fitted("probe", "begun"), (BATCHES, f"strategy.stages={count}")
    run = fitted("surgical", epochs=6, learning_rate=3e-3, sets=sets)
    assert run.result["phases"][-1]["best_epoch"] > 0
    assert learned(run, begun) == weights_of


@pytest.mark.slow
def test_each_step_of_an_unfreezing_trains_one_stage_more(fitted):
    """At this rate each step makes something better; one that did not would be undone."""
    begun, run = fitted("probe", "begun"), fitted("gradual", epochs=6, learning_rate=1e-3, sets=(BATCHES,))
    _, *steps = run.result["phases"]
    assert all(step["best_epoch"] > 0 for step in steps)
    assert [step["learned"] for step in steps] == [
        ["top", "head"],
        ["middle", "top", "head"],
        ["low", "middle", "top", "head"],
    ]
    assert learned(run, begun) == EVERYTHING
