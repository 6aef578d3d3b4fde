"""A network cut anywhere is the network whole; its weights are named by position."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from headstart.data.array_store import ArrayStore
from headstart.engine.device import forward
from headstart.engine.features.extract import Passing, extract
from headstart.engine.features.extractor import Opened
from headstart.engine.features.source import alive_shapes
from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.stages import assign_arrays, name_variables, read_arrays, trainable_variables
from headstart.errors import PluginError, WrongWeightsError
from headstart.specs import FeatureSpec, Stage, TensorSpec

pytestmark = pytest.mark.backend


def assert_close(actual, reference):
    assert actual.shape == reference.shape
    assert reference.std() > 0.01
    assert np.abs(actual - reference).max() <= 1e-4 * max(1.0, float(reference.std()))


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_both_parts_of_a_cut_network_together_equal_the_whole(bench, network, cut):
    batch = bench.batch(np.arange(8))
    whole = forward(network, 0, 5)(batch)["logits"]

    lower = forward(network, 0, cut)(batch)

    assert {name.strip("@"): array.shape[1:] for name, array in lower.items()} == alive_shapes(network, cut)
    assert_close(forward(network, cut, 5)(lower)["logits"], whole)


def test_a_feature_from_the_middle_is_carried_to_the_head_past_the_stages_above(bench, network):
    class Pooled:
        """A head on the map that the stage `middle` gives."""

        def head(self, name, features, seed):
            entry = keras.Input(features["map@2"][1:], name="map@2")
            return keras.Model({"map@2": entry}, {"answer": keras.layers.GlobalAveragePooling2D()(entry)})

    offered = [FeatureSpec("map@2", "middle", "hidden", ("batch", "height", "width", "channel"), 8, stride=2)]
    features = choose_features(offered, ["map@2"])
    head = Stage("head", Pooled().head("", {"map@2": (None, 8, 8, 8)}, 0))
    tapped = Network((*network.stages[:-1], head), features)
    assert (network.idle, tapped.idle) == ((), ("top",))
    learning = {name.partition("/")[0] for name in trainable_variables(tapped, ("middle", "top", "head"))}
    assert learning == {"middle"}  # nothing that the head gives depends on what is above; this head has no weights
    batch = bench.batch(np.arange(8))

    at_top = forward(tapped, 0, 4)(batch)
    middle = forward(network, 0, 3)(batch)["hidden"]

    assert set(at_top) == {"@map@2"}
    assert_close(at_top["@map@2"], middle)
    assert_close(forward(tapped, 4, 5)(at_top)["answer"], middle.mean(axis=(1, 2)))


def test_stored_features_have_every_row_once_also_where_the_last_batch_is_padded(bench, network, tmp_path):
    told = []
    pooled = forward(network, 0, 4)

    def compute(append):
        extract(Opened(pooled, {}, {}, 8), Passing(bench.batch, 21, {}), append, lambda *each: told.append(each))

    stored = ArrayStore(scratch=tmp_path).keep(compute)

    rows = [pooled(bench.batch(np.array([row] * 8)))["@pooled"][0] for row in range(21)]

    assert_close(stored["@pooled"], np.stack(rows))
    assert told == [(8, 21), (16, 21), (21, 21)]


def test_stored_features_are_mapped_from_the_cache_and_train_the_same(bench, network, tmp_path):
    rows = bench.data.indices("train")[:8]
    samples = bench.source(network, tmp_path).plain(2, "train").samples

    assert isinstance(samples.views[0]["hidden"], np.memmap)
    assert_close(samples.take(1, np.arange(8))["hidden"], forward(network, 0, 2)(bench.batch(rows))["hidden"])
    assert forward(network, 2, 5)(samples.take(1, np.arange(8)))["logits"].shape == (8, 10)


def test_names_come_from_position_whatever_was_built_before(bench, network):
    keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()]).build((None, 4))
    again = bench.network()

    assert list(name_variables(network.learned)) == list(name_variables(again.learned))
    assert [variable.path for variable in name_variables(network.learned).values()] != [
        variable.path for variable in name_variables(again.learned).values()
    ]


def test_names_are_these_on_every_backend(network):
    statistics = ("moving_mean", "moving_variance")
    blocks = {"low": 1, "middle": 1, "top": 1}
    expected = {f"{stage}/0/kernel" for stage in blocks}
    expected |= {f"{stage}/1/{role}" for stage in blocks for role in ("gamma", "beta", *statistics)}

    assert set(name_variables(network.learned)) == expected | {"head/0/kernel", "head/0/bias"}


@pytest.mark.slow
def test_the_other_backend_gives_the_same_names_and_answers(bench, network, small_plugin, backend, tmp_path):
    """The weights go over as a file; seed and calibration are not relied upon."""
    np.savez(tmp_path / "weights.npz", **{k.replace("/", "|"): v for k, v in read_arrays(network.learned).items()})
    np.savez(tmp_path / "batch.npz", **bench.batch(np.arange(8)))
    other = {"jax": "torch", "torch": "jax"}[backend]
    code = f"""
import sys; sys.path[:0] = [{str(small_plugin)!r}, {os.path.dirname(__file__)!r}]
import numpy as np
from conftest import Bench
from headstart.registry import load_registry
from headstart.engine.device import forward
from headstart.engine.network.stages import assign_arrays
from headstart.engine.network.stages import assign_arrays
network = Bench(load_registry()).network(seed=7)
arrays = {{k.replace("|", "/"): v for k, v in np.load({str(tmp_path / "weights.npz")!r}).items()}}
assign_arrays(network.learned, arrays, source="the other backend")
batch = dict(np.load({str(tmp_path / "batch.npz")!r}))
np.save({str(tmp_path / "logits.npy")!r}, forward(network, 0, 5)(batch)["logits"])
"""
    environment = {**os.environ, "KERAS_BACKEND": other}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)

    assert_close(np.load(tmp_path / "logits.npy"), forward(network, 0, 5)(bench.batch(np.arange(8)))["logits"])


def test_weights_that_do_not_fit_are_listed_and_nothing_is_assigned(bench, network):
    before = read_arrays(network.learned)
    arrays = {name: array + 1 for name, array in before.items()}
    arrays["low/0/kernel"] = arrays["low/0/kernel"][:2]
    arrays["low/7/kernel"] = arrays.pop("low/1/gamma")

    with pytest.raises(WrongWeightsError, match=r"low/0/kernel has shape .*low/7/kernel.*missing low/1/gamma"):
        assign_arrays(network.learned, arrays, source="a file")

    after = read_arrays(network.learned)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_backbone_that_breaks_its_word_is_refused(bench):
    from dataclasses import replace

    from headstart.engine.network.assemble import build_backbone

    inputs = {"image": TensorSpec((16, 16, 3), "float32")}
    for broken, words in (
        (replace(bench.spec, stages=("low", "top")), "declares stages"),
        (replace(bench.spec, features=(replace(bench.spec.features[0], channels=99),)), "99 channels"),
        (replace(bench.spec, features=(replace(bench.spec.features[0], tensor="nothing"),)), "'nothing'"),
    ):
        with pytest.raises(PluginError, match=words):
            build_backbone(broken, bench.registry, options=bench.spec.options(), inputs=inputs)
