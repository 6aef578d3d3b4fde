"""The small networks and a few more, as a program that exports them for ONNX Runtime.

KERAS_BACKEND=torch python onnx_networks.py FOLDER
"""

import importlib.util
import json
import sys
from pathlib import Path

import keras

from headstart.engine.network.network import Network
from headstart.specs import EngineExport, FeatureSpec, Stage

SPEC = importlib.util.spec_from_file_location("small_networks", Path(__file__).with_name("small_networks.py"))
small = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(small)
layers = keras.layers


def scaled():
    """Bytes scaled by channel, in the other order of colours, as the image stage does."""
    image = keras.Input((small.SIDE, small.SIDE, 3), name="image", dtype="uint8")
    values = keras.ops.flip(keras.ops.cast(image, "float32"), axis=-1)
    values = layers.Rescaling([1 / 64, 1 / 50, 1 / 70], offset=[-2.0, -2.5, -1.8])(values)
    entry = Stage("input", keras.Model({"image": image}, {"image": values}))
    return small.seeded(Network((entry, *small.whole(small.plain).stages[1:]), small.whole(small.plain).features))


def norms(x):
    """BatchNorm over another axis, without scale or centre, and over features."""
    x = layers.BatchNormalization(axis=1, scale=False)(layers.Conv2D(6, 3, strides=2, activation="tanh")(x))
    x = layers.BatchNormalization(axis=2, center=False)(x)
    return layers.BatchNormalization()(layers.Dense(5)(layers.Flatten()(x)))


def two_inputs():
    """Inputs whose order by name is not that of the stage, of two types; and two outputs."""
    given = {"zeta": keras.Input((4,), name="zeta", dtype="int32"), "alpha": keras.Input((3,), name="alpha")}
    mixed = layers.Concatenate()([keras.ops.cast(given["zeta"], "float32"), given["alpha"]])
    entry = Stage("input", keras.Model(given, {"b": mixed, "a": given["alpha"] * 2}))
    pair = {"b": keras.Input((7,), name="b"), "a": keras.Input((3,), name="a")}
    body = keras.Model(pair, {"x": layers.Dense(5)(pair["b"]), "y": layers.Dense(2)(pair["a"])})
    head = keras.Input((5,), name="second")
    stages = (entry, Stage("body", body), Stage("head", keras.Model({"second": head}, {"logits": head * 1})))
    axes = ("batch", "channel")
    features = (FeatureSpec("second", "body", "x", axes, 5), FeatureSpec("first", "body", "y", axes, 2))
    return small.seeded(Network(stages, features))


def networks():
    """Every network by name, with the stage where its prefix ends."""
    more = {"scaled": (scaled(), 2), "norms": (small.whole(norms), 2), "two_inputs": (two_inputs(), 2)}
    return small.networks() | more


def main(folder):
    from headstart.errors import EngineRefusal
    from headstart_plugins.engines._onnx_export import export

    for name, (network, stop) in networks().items():
        (folder / name).mkdir()
        export(EngineExport(network, stop, folder / name))
    try:
        export(EngineExport(small.refused(), 2, folder))
    except EngineRefusal as exc:
        (folder / "refusal.json").write_text(json.dumps({"message": exc.message, "hint": exc.hint}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
