"""Random networks come alive, and are the same on both backends."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from headstart.specs import Stage

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SHAPE = (16, 16, 3)


def stages_of(depth=8, *, norm=True):
    """Two stages of `depth` blocks: convolutions, BatchNorm and dropout, then a part like a head."""
    import keras

    image = keras.Input(SHAPE, name="image")
    x = image
    for _ in range(depth):
        x = keras.layers.Conv2D(8, 3, padding="same", use_bias=not norm)(x)
        x = keras.layers.BatchNormalization(momentum=0.97)(x) if norm else x
        x = keras.layers.Activation("relu")(x)
        x = keras.layers.Dropout(0.5)(x)
    lower = keras.Model({"image": image}, {"x": x})
    inputs = keras.Input((16, 16, 8), name="x")
    y = keras.layers.SeparableConv2D(16, 3, activation="relu")(inputs)
    y = keras.layers.LayerNormalization()(y)
    gate = keras.layers.Dense(16, activation="sigmoid")(y)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Multiply()([y, gate]))
    upper = keras.Model({"x": inputs}, {"pooled": keras.layers.Dense(12)(pooled)})
    return (Stage("lower", lower), Stage("upper", upper))


def run(stages, batch, *, training=False):
    import keras

    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}
    for stage in stages:
        tensors = stage.model(tensors, training=training)
    return {name: _numpy(tensor) for name, tensor in tensors.items()}


def _numpy(tensor):
    import keras

    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(tensor))


def batch_of(seed=0, scale=1.0):
    from headstart.engine.network.lsuv_init import calibration_batch

    return {name: scale * array for name, array in calibration_batch({"image": SHAPE}, seed=seed).items()}


def close(actual, reference):
    return reference.std() > 0.01 and np.abs(actual - reference).max() <= 1e-4 * max(1.0, reference.std())


@pytest.mark.parametrize("norm", [True, False], ids=["batch norm", "plain"])
@pytest.mark.parametrize("scale", [1.0, 60.0], ids=["standardised", "pixels minus mean"])
def test_every_boundary_is_alive_after_initialise(norm, scale):
    from headstart.engine.network.lsuv_init import initialise

    stages, batch = stages_of(norm=norm), batch_of(scale=scale)
    initialise(stages, batch, seed=1)
    assert 0.05 <= run(stages[:1], batch)["x"].std() <= 20
    assert run(stages, batch)["pooled"].std() == pytest.approx(1, abs=0.05)


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_network():
    from headstart.engine.network.lsuv_init import seed_arrays
    from headstart.engine.network.stages import read_arrays

    networks = [stages_of(), stages_of(), stages_of()]
    for stages, seed in zip(networks, (1, 1, 2), strict=True):
        seed_arrays(stages, seed)
    first, again, other = (read_arrays(stages) for stages in networks)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["lower/0/kernel"], other["lower/0/kernel"])


def test_kernels_are_he_normal_and_normalisations_start_at_the_identity():
    from headstart.engine.network.lsuv_init import seed_arrays
    from headstart.engine.network.stages import read_arrays

    stages = stages_of()
    seed_arrays(stages, 5)
    arrays = read_arrays(stages)
    kernels = np.concatenate([arrays[f"lower/{2 * i}/kernel"].ravel() for i in range(1, 8)])
    assert kernels.std() == pytest.approx((2 / (3 * 3 * 8)) ** 0.5, rel=0.05)
    assert np.all(arrays["lower/1/gamma"] == 1)
    assert np.all(arrays["lower/1/moving_variance"] == 1)
    assert np.all(arrays["upper/0/bias"] == 0)


def test_statistics_are_those_of_the_batch_and_momentum_is_restored():
    import keras

    from headstart.engine.network.lsuv_init import initialise

    stages, batch = stages_of(), batch_of()
    initialise(stages, batch)
    norm = next(layer for layer in stages[0].model.layers if isinstance(layer, keras.layers.BatchNormalization))
    assert norm.momentum == 0.97
    before = _numpy(keras.Model(stages[0].model.inputs, norm.input)(batch["image"]))
    assert np.allclose(_numpy(norm.moving_mean), before.mean(axis=(0, 1, 2)), atol=1e-5)
    assert np.allclose(_numpy(norm.moving_variance), before.var(axis=(0, 1, 2)), atol=1e-4)


def test_layers_work_as_before_after_calibration():
    from headstart.engine.network.lsuv_init import initialise

    stages, batch = stages_of(), batch_of()
    initialise(stages, batch)
    assert not any("call" in vars(layer) for stage in stages for layer in stage.model.layers)
    assert not np.array_equal(run(stages, batch, training=True)["pooled"], run(stages, batch)["pooled"])


def test_a_dead_stage_is_named_with_its_deviation():
    import keras

    from headstart.engine.network.lsuv_init import calibrate

    image = keras.Input(SHAPE, name="image")
    dead = keras.Model({"image": image}, {"x": keras.layers.Rescaling(1e-11)(image)})
    with pytest.raises(ValueError, match=r"stage 'quiet' gives 'x' a standard deviation of .*e-1[12]"):
        calibrate((Stage("quiet", dead),), batch_of())


def test_calibration_batches_are_fixed_smooth_and_standard():
    first, again = batch_of()["image"], batch_of()["image"]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, batch_of(seed=1)["image"])
    assert first.shape == (8, *SHAPE)
    assert first.dtype == np.float32
    assert first.std() == pytest.approx(1, abs=0.1)
    neighbours = np.corrcoef(first[:, :, 1:].ravel(), first[:, :, :-1].ravel())[0, 1]
    assert neighbours > 0.3


def test_shapes_of_other_ranks_have_batches():
    from headstart.engine.network.lsuv_init import calibration_batch

    batch = calibration_batch({"sound": (400,), "flag": (), "one": (1, 1, 2)}, count=3)
    assert {name: array.shape for name, array in batch.items()} == {
        "sound": (3, 400),
        "flag": (3,),
        "one": (3, 1, 1, 2),
    }


@pytest.mark.slow
def test_both_backends_make_the_same_network(tmp_path):
    import keras

    from headstart.engine.network.lsuv_init import initialise

    other = {"jax": "torch", "torch": "jax"}[keras.backend.backend()]
    script = (
        "import importlib.util, json, sys\n"
        f"spec = importlib.util.spec_from_file_location('calibrate_tests', {__file__!r})\n"
        "tests = importlib.util.module_from_spec(spec); spec.loader.exec_module(tests)\n"
        "from headstart.engine.network.lsuv_init import initialise\n"
        "stages, batch = tests.stages_of(), tests.batch_of()\n"
        "initialise(stages, batch, seed=4)\n"
        "json.dump(tests.run(stages, batch)['pooled'].tolist(), open(sys.argv[1], 'w'))\n"
    )
    file = tmp_path / "pooled.json"
    environment = os.environ | {"KERAS_BACKEND": other}
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, env=environment)
    stages, batch = stages_of(), batch_of()
    initialise(stages, batch, seed=4)
    assert close(run(stages, batch)["pooled"], np.array(json.loads(file.read_text())))


def composite(filters):
    """Convolution, BatchNorm and ReLU in one composite layer, as others' networks have them."""
    import keras

    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.convolution = keras.layers.Conv2D(filters, 3, strides=2, use_bias=False)
            self.norm = keras.layers.BatchNormalization()

        def build(self, shape):
            self.convolution.build(shape)
            self.norm.build(self.convolution.compute_output_shape(shape))

        def call(self, inputs, training=None):
            return keras.ops.relu(self.norm(self.convolution(inputs), training=training))

    return Block()


def test_layers_inside_composite_ones_are_brought_to_life_too():
    import keras

    from headstart.engine.network.lsuv_init import calibration_batch, initialise

    entry = keras.Input((64, 64, 3), name="x")
    tensor = entry
    for filters in (8, 8, 8, 8):
        tensor = composite(filters)(tensor)
    stage = Stage("only", keras.Model({"x": entry}, {"y": tensor}))
    batch = calibration_batch({"x": (64, 64, 3)})
    initialise([stage], batch)

    momenta = [layer.norm.momentum for layer in stage.model.layers[1:]]
    assert momenta == [0.99] * 4
    assert 0.05 < float(keras.ops.convert_to_numpy(stage.model(batch, training=False)["y"]).std()) < 20


@pytest.mark.parametrize("norm", [None, "LayerNormalization", "RMSNormalization"])
def test_projections_and_embeddings_of_a_transformer_stay_small(norm):
    """What is added to a stream that norms bring to a deviation of 1 would else be as large as the stream.

    0.02 is the `initializer_range` of `transformers` 5.24's BertConfig, GPT2Config and ViTConfig.
    """
    import keras

    from headstart.engine.network.lsuv_init import initialise

    ids = keras.Input((None,), dtype="int32", name="ids")
    words = keras.layers.Embedding(500, 64)
    key = keras.layers.EinsumDense("abc,cde->abde", (None, 2, 32), bias_axes="de")
    dense = keras.layers.Dense(64)
    stages = [Stage("embeddings", keras.Model({"ids": ids}, {"x": words(ids)}))]
    entry = keras.Input((None, 64), name="x")
    inner = keras.layers.Reshape((-1, 64))(key(entry))
    x = keras.layers.Add()([entry, dense(inner)])
    x = getattr(keras.layers, norm)()(x) if norm else x
    stages.append(Stage("layer", keras.Model({"x": entry}, {"x": x})))
    batch = {"ids": np.random.default_rng(0).integers(0, 500, (8, 40)).astype("int32")}
    initialise(stages, batch)
    embedded = stages[0].model(batch)["x"]
    if norm:
        for weight in (words.embeddings, key.kernel, dense.kernel):
            assert _numpy(weight).std() == pytest.approx(0.02, rel=0.05)
    else:
        for answer in (embedded, key(embedded), dense(keras.ops.reshape(key(embedded), (8, 40, 64)))):
            assert _numpy(answer).std() == pytest.approx(1.0, rel=0.1)


def test_a_deep_transformer_keeps_what_tells_samples_apart():
    """Six layers with norms behind the sum: of two samples that differ in all tokens, pooled answers differ."""
    import keras

    from headstart.engine.network.lsuv_init import initialise

    ids = keras.Input((12,), dtype="int32", name="ids")
    x = keras.layers.LayerNormalization()(keras.layers.Embedding(500, 64)(ids))
    for _ in range(6):
        attended = keras.layers.MultiHeadAttention(2, 32)(x, x)
        x = keras.layers.LayerNormalization()(x + attended)
        inner = keras.layers.Dense(64)(keras.layers.Dense(128, activation="gelu")(x))
        x = keras.layers.LayerNormalization()(x + inner)
    pooled = keras.layers.GlobalAveragePooling1D()(x)
    stage = Stage("only", keras.Model({"ids": ids}, {"pooled": pooled}))
    batch = {"ids": np.random.default_rng(0).integers(0, 500, (64, 12)).astype("int32")}
    initialise([stage], batch)
    answers = run([stage], batch)["pooled"]
    # Means of twelve independent tokens differ by 1 / sqrt(12) of a token's deviation of 1.
    assert answers.std(axis=0).mean() == pytest.approx(12**-0.5, rel=0.3)
