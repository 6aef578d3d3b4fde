"""A head that takes several features gets their masks too, whole or behind a cut; masks are not judged as values."""

import numpy as np
import pytest

from headstart.errors import DataError, PluginError
from headstart.specs import FeatureSpec, Stage, TensorSpec

pytestmark = pytest.mark.backend

TOKENS, VOCABULARY, WIDTH = 6, 11, 4
AXES = ("batch", "token", "channel")


def text_stages():
    """Ids and a mask to vectors; the upper stage takes and gives both."""
    import keras

    ids = keras.Input((TOKENS,), dtype="int32", name="ids")
    mask = keras.Input((TOKENS,), dtype="bool", name="mask")
    entry = keras.Model({"ids": ids, "mask": mask}, {"ids": ids, "mask": mask})
    low = {"ids": keras.Input((TOKENS,), dtype="int32", name="ids")}
    low["mask"] = keras.Input((TOKENS,), dtype="bool", name="mask")
    vectors = keras.layers.LayerNormalization()(keras.layers.Embedding(VOCABULARY, WIDTH)(low["ids"]))
    embed = keras.Model(low, {"x": vectors, "mask": low["mask"]})
    high = {"x": keras.Input((TOKENS, WIDTH), name="x"), "mask": keras.Input((TOKENS,), dtype="bool", name="mask")}
    tokens = keras.layers.Dense(WIDTH, activation="tanh")(high["x"])
    pooled = keras.layers.Dense(3)(keras.layers.Flatten()(tokens))
    top = keras.Model(high, {"tokens": tokens, "pooled": pooled, "mask": high["mask"]})
    return Stage("input", entry), Stage("embed", embed), Stage("top", top)


FEATURES = (
    FeatureSpec("tokens", "top", "tokens", AXES, WIDTH, mask="mask"),
    FeatureSpec("pooled", "top", "pooled", ("batch", "channel"), 3),
)


class MaskedMean:
    """A head of two features: the mean over real tokens, beside what is pooled."""

    features = ("tokens", "pooled")

    def head(self, name, features, seed):
        import keras
        from keras import ops

        assert features == {"tokens": (None, TOKENS, WIDTH), "tokens.mask": (None, TOKENS), "pooled": (None, 3)}
        tokens = keras.Input(features["tokens"][1:], name="tokens")
        mask = keras.Input(features["tokens.mask"][1:], dtype="bool", name="tokens.mask")
        pooled = keras.Input(features["pooled"][1:], name="pooled")
        weights = ops.cast(mask, "float32")[..., None]
        mean = ops.sum(tokens * weights, axis=1) / ops.sum(weights, axis=1)
        inputs = {"tokens": tokens, "tokens.mask": mask, "pooled": pooled}
        return keras.Model(inputs, {"answer": ops.concatenate([mean, pooled], axis=-1)})


@pytest.fixture(scope="module")
def network():
    from headstart.engine.network.assemble import graft
    from headstart.engine.network.lsuv_init import seed_arrays

    class Kind:
        def stage(self):
            return stages[0].model

    stages = text_stages()
    made = graft(Kind(), stages[1:], FEATURES, task=MaskedMean(), head="", seed=0)
    seed_arrays(made.backbone, 3)
    return made


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, TOKENS + 1, 8)
    return {
        "ids": rng.integers(0, VOCABULARY, (8, TOKENS)).astype(np.int32),
        "mask": np.arange(TOKENS) < lengths[:, None],
    }


def test_a_masked_mean_over_tokens_is_numpys(network, batch):
    from headstart.engine.device import forward

    top = forward(network, 0, 3)(batch)
    answer = forward(network, 0, 4)(batch)["answer"]

    assert set(top) == {"@tokens", "@tokens.mask", "@pooled"}
    assert np.array_equal(top["@tokens.mask"], batch["mask"])
    expected = [row[mask].mean(axis=0) for row, mask in zip(top["@tokens"], batch["mask"], strict=True)]
    np.testing.assert_allclose(answer, np.concatenate([np.stack(expected), top["@pooled"]], axis=1), atol=1e-6)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_cut_keeps_the_mask_and_the_answer(network, batch, cut):
    from headstart.engine.device import forward
    from headstart.engine.features.source import alive_shapes

    lower = forward(network, 0, cut)(batch)

    assert {name.strip("@"): array.shape[1:] for name, array in lower.items()} == alive_shapes(network, cut)
    assert {array.dtype for name, array in lower.items() if name.endswith("mask")} == {np.dtype(bool)}
    np.testing.assert_allclose(
        forward(network, cut, 4)(lower)["answer"], forward(network, 0, 4)(batch)["answer"], atol=1e-6
    )


def test_a_mask_is_stored_and_trained_on_as_bools(network, batch, tmp_path):
    from headstart.data.array_store import ArrayStore
    from headstart.engine.device import forward
    from headstart.engine.features.extract import Passing, extract, flattened
    from headstart.engine.features.extractor import Opened

    stored = ArrayStore().keep(
        lambda append: extract(
            Opened(forward(network, 0, 3), {}, {}, 4),
            Passing(lambda rows: {name: array[rows] for name, array in batch.items()}, 8, {}),
            append,
            lambda done, total: None,
        )
    )

    assert np.array_equal(stored["@tokens.mask"], batch["mask"])
    together = flattened(stored, network.features)
    assert np.array_equal(together[:, : TOKENS * WIDTH], stored["@tokens"].reshape(8, -1))
    assert np.array_equal(together[:, TOKENS * WIDTH :], stored["@pooled"])


def test_what_is_merged_in_for_the_head_reaches_it_untouched(network, batch):
    import keras

    names = [*network.stages[-1].model.input, "last"]
    entries = {name: keras.Input((1,) if name == "last" else (None,), name=name) for name in names}
    seen = {}

    class Head:
        input = entries
        output = None

        def __call__(self, inputs, training):
            seen.update(inputs)
            return {"answer": inputs["last"]}

    from headstart.engine.network.network import Network

    with_more = Network((*network.stages[:-1], Stage("head", Head())), network.features)
    last = keras.ops.convert_to_tensor(np.arange(8, dtype=np.int32)[:, None])
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}
    outputs = with_more.run({**tensors, "@last": last}, 0, 4)

    assert outputs["answer"] is last
    assert set(seen) == {"tokens", "tokens.mask", "pooled", "last"}


def test_a_network_whose_mask_never_varies_is_calibrated(batch):
    from headstart.engine.network.lsuv_init import initialise

    stages = text_stages()[1:]
    full = {**batch, "mask": np.ones_like(batch["mask"])}
    initialise(stages, full, features=FEATURES)
    known = _values(stages, full)
    initialise(stages, full)  # nobody says which output is a mask: it is known by its type

    for values in (known, _values(stages, full)):
        assert all(0.05 <= array.std() <= 20 for name, array in values.items() if name != "mask")
        assert np.array_equal(values["mask"], full["mask"])


def _values(stages, batch):
    """What the last stage gives."""
    import keras

    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}
    for stage in stages:
        tensors = stage.model(tensors, training=False)
    return {name: keras.ops.convert_to_numpy(tensor) for name, tensor in tensors.items()}


def test_a_float_mask_is_named_by_the_feature_and_a_dead_value_is_still_found():
    import keras

    from headstart.engine.network.lsuv_init import calibrate

    entry = keras.Input((3,), name="x")
    lower = keras.Model({"x": entry}, {"x": entry, "mask": entry * 0 + 1, "spare": entry * 0})
    stages = (Stage("lower", lower),)
    feature = FeatureSpec("tokens", "lower", "x", ("batch", "channel"), 3, mask="mask")
    batch = {"x": np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)}

    calibrate(stages, batch, features=(feature,))
    with pytest.raises(ValueError, match="'lower' gives 'mask'"):
        calibrate(stages, batch)
    dead = FeatureSpec("dead", "lower", "spare", ("batch", "channel"), 3)
    with pytest.raises(ValueError, match="'lower' gives 'spare'"):
        calibrate(stages, batch, features=(feature, dead))


def test_ranges_are_judged_for_values_with_the_advice_of_the_input_kind():
    from headstart.engine.network.assemble import verify_ranges

    ranges = {"x": (0.0, 1.0), "mask": (0.0, 1.0)}
    varied = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    verify_ranges({"x": varied, "mask": np.ones((3, 4), bool)}, ranges, hint="look at the sound")
    with pytest.raises(DataError, match="'x' hardly varies") as caught:
        verify_ranges({"x": varied * 0, "mask": np.ones((3, 4), bool)}, ranges, hint="look at the sound")
    assert caught.value.hint == "look at the sound"


def test_axes_mask_and_stride_must_be_what_is_built(bench):
    from dataclasses import replace

    from headstart.engine.network.assemble import build_backbone

    inputs = {"image": TensorSpec((16, 16, 3), "float32")}
    (declared,) = (each for each in bench.spec.features if each.name == "pooled")
    hidden = FeatureSpec("map@2", "low", "hidden", ("batch", "height", "width", "channel"), None, stride=2)
    for broken, words in (
        (replace(declared, axes=("batch", "height", "channel")), "declares the axes"),
        (replace(declared, mask="nothing"), "'nothing' does not exist"),
        (replace(hidden, stride=16), "declares the stride 16"),
    ):
        spec = replace(bench.spec, features=(broken,))
        with pytest.raises(PluginError, match=words):
            build_backbone(spec, bench.registry, options=spec.options(), inputs=inputs)
