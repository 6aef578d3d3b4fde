"""Whole fits by strategy: what a phase says is what its run did to the artefact's weights."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from headstart.registry import load_registry
from headstart.runs.fitting import fit
from headstart.testing import write_distribution

pytestmark = pytest.mark.backend

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


EVERYTHING = {f"{stage}/{role}" for stage in ("low", "middle", "top") for role in ("0/kernel", "1/gamma", "1/beta")}
LEARN = {
    "lp_ft": EVERYTHING,
    "full": EVERYTHING,
    "discriminative": EVERYTHING,
    "l2_sp": EVERYTHING,
    "norm_only": {name for name in EVERYTHING if "kernel" not in name},
    "bitfit": {name for name in EVERYTHING if "beta" in name},
    "lora": {name for name in EVERYTHING if "kernel" in name},
    "last_k": {name for name in EVERYTHING if name.startswith("top/")},
    "soup": EVERYTHING,
    "wise_ft": EVERYTHING,
}

SETS = {"lp_ft": ("strategy.average=0.5",), "lora": ("strategy.rank=2",)}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", LEARN)
def test_a_built_in_strategy_trains_what_it_says(fitted, strategy):
    begun = fitted("probe", "begun")
    run = fitted(strategy, epochs=2, learning_rate=1e-2, sets=SETS.get(strategy, ()))
    if learned(run, begun):  # else no epoch was better than the start, which is kept
        assert learned(run, begun) == LEARN[strategy]
    assert run.result["parameters"]["trainable"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "allowed"), [("surgical", ("l", "m", "t")), ("gradual", ("t", "mt", "lmt"))])
def test_stages_that_a_strategy_chooses_itself_are_whole(fitted, strategy, allowed):
    """One stage, or the topmost ones: a step of `gradual` that made nothing better is undone."""
    begun, run = fitted("probe", "begun"), fitted(strategy, epochs=2, learning_rate=1e-2)
    found = learned(run, begun)
    stages = {name.partition("/")[0] for name in found}
    assert "".join(sorted(stage[0] for stage in stages)) in allowed
    assert found == {name for name in EVERYTHING if name.partition("/")[0] in stages}
