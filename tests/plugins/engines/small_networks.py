"""Small networks that between them use what image backbones are made of; run as a program, it exports them all.

KERAS_BACKEND=openvino python small_networks.py FOLDER
"""

import json
import sys
import zlib
from functools import partial
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables
from headstart.specs import EngineExport, FeatureSpec, Stage

layers = keras.layers
ZEROS = {"kernel_initializer": "zeros"}  # weights are set later; JAX would compile a draw for every shape
DEPTHWISE_ZEROS = {"depthwise_initializer": "zeros"}
conv, dense = partial(layers.Conv2D, **ZEROS), partial(layers.Dense, **ZEROS)
depthwise_conv = partial(layers.DepthwiseConv2D, **DEPTHWISE_ZEROS)
SIDE = 12


def norm(x, activation="relu"):
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def plain(x):
    x = norm(conv(8, 3, strides=2, padding="same", use_bias=False)(x), "relu6")
    x = conv(6, 3, dilation_rate=2, activation="gelu")(x)
    return conv(4, 1, groups=2)(x)


def depthwise(x):
    x = conv(6, 3, activation="silu")(layers.ZeroPadding2D(((1, 0), (0, 2)))(x))
    x = norm(depthwise_conv(3, strides=2, padding="same", use_bias=False)(x), "swish")
    x = depthwise_conv(3, depth_multiplier=2, padding="valid")(x)
    return layers.SeparableConv2D(
        5, 3, padding="same", activation="hard_silu", pointwise_initializer="zeros", **DEPTHWISE_ZEROS
    )(x)


def squeezed(x):
    x = norm(conv(8, 3, padding="same")(x), "swish")
    gate = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    gate = conv(8, 1, activation="sigmoid")(conv(4, 1, activation="swish")(gate))
    x = layers.Multiply()([x, gate])
    kept = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Multiply()([x, layers.Activation("hard_sigmoid")(conv(8, 1)(kept))])


def pooled(x):
    x = conv(6, 3, padding="same", activation="tanh")(x)
    odd = layers.Cropping2D(((0, 1), (1, 0)))(
        x
    )  # 11 wide: as much padding on either side, where Keras on torch is right
    parts = [
        layers.AveragePooling2D(3, 2, padding="same")(odd),
        layers.MaxPooling2D(3, 2, padding="same")(x),
        layers.MaxPooling2D(2)(x),
        layers.AveragePooling2D(2, padding="valid")(x),
    ]
    x = layers.Concatenate()(parts)
    return layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)])


def branched(x):
    x = conv(6, 3, padding="same", activation="leaky_relu")(x)
    other = layers.Cropping2D(((2, 1), (0, 3)))(norm(conv(4, 1)(x), "elu"))
    wide = layers.UpSampling2D(2)(layers.Average()([x, layers.PReLU(shared_axes=[1, 2])(x)]))
    fine = layers.UpSampling2D(2, interpolation="bilinear")(layers.Subtract()([x, layers.Maximum()([x, -x])]))
    back = layers.Conv2DTranspose(3, 3, strides=2, padding="same", **ZEROS)(other)
    flat = [layers.Flatten()(layers.AveragePooling2D(3)(part)) for part in (wide, fine, back)]
    return dense(7, activation="softplus")(layers.Concatenate()(flat))


def normalised(x):
    x = layers.LayerNormalization(epsilon=1e-6)(conv(8, 3, strides=2)(x))
    x = dense(8)(dense(12, activation="gelu")(x))
    x = layers.GroupNormalization(4)(depthwise_conv(3, padding="same")(x))
    return dense(5)(layers.UnitNormalization()(x))


def transformer(x):
    x = layers.Reshape((9, 8))(conv(8, 4, strides=4)(x))
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4, **ZEROS)(y, y)])
    y = dense(16, activation=lambda z: keras.activations.gelu(z, approximate=True))(layers.LayerNormalization()(x))
    x = layers.Add()([x, dense(8)(y)])
    return layers.Softmax()(layers.Permute((2, 1))(layers.LayerNormalization()(x)))


def patched(x):
    """Of KerasHub 0.32, whose layer repeats its class token by a shape: Keras 3.15 cannot trace that for OpenVINO."""
    from keras_hub.src.models.vit.vit_layers import ViTPatchingAndEmbedding

    x = ViTPatchingAndEmbedding((SIDE, SIDE), (4, 4), 8)(x)
    return dense(5)(layers.LayerNormalization()(x))


BODIES = (plain, depthwise, squeezed, pooled, branched, normalised, transformer, patched)


def stage(name, shape, body, given, made):
    inputs = keras.Input(shape, name=given)
    return Stage(name, keras.Model({given: inputs}, body(inputs) if made is None else {made: body(inputs)}))


def whole(body):
    """`body` between a stage that scales pictures of bytes and a head; what it gives is a feature."""
    image = keras.Input((SIDE, SIDE, 3), name="image", dtype="uint8")
    entry = Stage("input", keras.Model({"image": image}, {"image": layers.Rescaling(1 / 64, -2.0)(image)}))
    middle = stage("body", (SIDE, SIDE, 3), body, "image", "x")
    shape = tuple(middle.model.output["x"].shape[1:])
    head = stage("head", shape, lambda x: dense(2)(layers.Flatten()(x)), "out", "logits")
    axes = ("batch", *(f"axis{place}" for place in range(len(shape))))
    return seeded(Network((entry, middle, head), (FeatureSpec("out", "body", "x", axes, shape[-1]),)))


def cut():
    """Two stages above the input: a cut between them leaves a tensor for the upper one and a feature of the lower."""
    image = keras.Input((SIDE, SIDE, 3), name="image", dtype="uint8")
    entry = Stage("input", keras.Model({"image": image}, {"image": layers.Rescaling(1 / 64, -2.0)(image)}))

    def lower(x):
        x = norm(conv(6, 3, padding="same")(x))
        return {"x": layers.MaxPooling2D(2)(x), "map": norm(conv(4, 3)(x), "sigmoid")}

    axes = ("batch", "height", "width", "channel")
    stages = (
        entry,
        stage("lower", (SIDE, SIDE, 3), lower, "image", None),
        stage("upper", (SIDE // 2, SIDE // 2, 6), conv(5, 3), "x", "map"),
        stage("head", (10, 10, 4), lambda x: dense(2)(layers.Flatten()(x)), "low", "logits"),
    )
    return seeded(Network(stages, (FeatureSpec("low", "lower", "map", axes, 4),)))


LENGTH, WORDS = 6, 11


def masked():
    """Whole numbers and a mask: those that came, which upper stages take, and one of each that is computed."""
    ids = keras.Input((LENGTH,), name="ids", dtype="int32")
    mask = keras.Input((LENGTH,), name="mask", dtype="bool")
    entry = Stage("input", keras.Model({"ids": ids, "mask": mask}, {"ids": ids, "mask": mask}))
    below = {"ids": keras.Input((LENGTH,), name="ids", dtype="int32")}
    below["mask"] = keras.Input((LENGTH,), name="mask", dtype="bool")
    weights = keras.ops.cast(below["mask"], "float32")[:, :, None]
    embedded = layers.Embedding(WORDS, 4, embeddings_initializer="zeros")(below["ids"]) * weights
    made = {
        "x": dense(5)(embedded),
        "mask": below["mask"],
        "high": below["ids"] > 5,
        "next": below["ids"] + 2**24,  # float32 has no odd numbers beyond
    }
    above = {"x": keras.Input((LENGTH, 5), name="x")}
    above |= {name: keras.Input((LENGTH,), name=name, dtype="bool") for name in ("mask", "high")}
    above["next"] = keras.Input((LENGTH,), name="next", dtype="int32")
    kept = keras.ops.cast(keras.ops.logical_and(above["mask"], above["high"]), "float32")
    odd = keras.ops.cast(above["next"] % 2, "float32")
    upper = keras.Model(above, {"y": keras.ops.sum(above["x"] * (kept + odd)[:, :, None], axis=1)})
    stages = (
        entry,
        Stage("lower", keras.Model(below, made)),
        Stage("upper", upper),
        stage("head", (5,), dense(2), "out", "logits"),
    )
    return seeded(Network(stages, (FeatureSpec("out", "upper", "y", ("batch", "channel"), 5),)))


def masked_batch(rows):
    """Ids and masks of `rows` sentences."""
    generator = np.random.default_rng(5)
    ids = generator.integers(0, WORDS, (rows, LENGTH), dtype="int32")
    return {"ids": ids, "mask": np.arange(LENGTH) < generator.integers(1, LENGTH + 1, (rows, 1))}


def assert_same_types_and_values(given, expected):
    """Masks and whole numbers to the bit, floats nearly."""
    assert {name: array.dtype for name, array in given.items()} == {name: a.dtype for name, a in expected.items()}
    for name, reference in expected.items():
        assert len(np.unique(reference)) > 1
        if reference.dtype.kind == "f":
            np.testing.assert_allclose(given[name], reference, atol=1e-4)
        else:
            np.testing.assert_array_equal(given[name], reference)


def seeded(network):
    """Set every weight from its name: the same in every process, and such that no number dies."""
    for name, variable in name_variables(network.learned).items():
        draws = np.random.default_rng(zlib.crc32(name.encode())).normal(size=tuple(variable.shape))
        if len(variable.shape) == 1:
            draws = 1 + 0.2 * np.tanh(draws) if name.endswith(("gamma", "variance")) else 0.3 * draws
        else:
            draws = draws * 1.4 / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(draws.astype("float32"))
    return network


def networks():
    """Every network by name, with the stage where its prefix ends."""
    return {body.__name__: (whole(body), 2) for body in BODIES} | {
        "cut": (cut(), 2),
        "head": (whole(plain), 3),
        "masked": (masked(), 2),
    }


def refused():
    """A network with an operation that Keras' OpenVINO backend lacks."""
    return whole(lambda x: keras.ops.svd(conv(4, 1)(x), compute_uv=False))


def main(folder):
    from headstart.errors import EngineRefusal
    from headstart_plugins.engines._openvino_export import export

    for name, (network, stop) in networks().items():
        (folder / name).mkdir()
        export(EngineExport(network, stop, folder / name))
    try:
        export(EngineExport(refused(), 2, folder))
    except EngineRefusal as exc:
        (folder / "refusal.json").write_text(json.dumps({"message": exc.message, "hint": exc.hint}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
