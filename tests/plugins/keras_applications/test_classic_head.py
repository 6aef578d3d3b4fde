"""The classic network, whole: a VGG16 without its top, Flatten, Dense, Dropout, Dense; against Keras' own by hand."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from headstart.engine.device import forward
from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft
from headstart.engine.network.blueprint import BackboneUse
from headstart.engine.network.network import choose_features
from headstart.engine.network.saved import SavedNetwork, save_network
from headstart.engine.network.stages import name_variables
from headstart.registry import load_registry
from headstart.specs import TaskRequest, features_of_head

from .conftest import BY_NAME, assert_close, bring_alive, pixels_of

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SIDE = 64
HIDDEN = {
    "flatten:512": (keras.layers.Flatten, 512),
    "mlp:512,256": (keras.layers.GlobalAveragePooling2D, 512, 256),
}


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def base():
    """VGG16 without its top, its weights random and its features alive."""
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    bring_alive(model, preprocessed(pixels_of((SIDE, SIDE, 3))))
    return model


@pytest.fixture(scope="module")
def use(registry):
    """What `--backbone vgg16 --image-size 64` asks for."""
    reading = registry.get("inputs", "image")
    return BackboneUse(registry.get("backbones", "vgg16"), input_options=reading.options(size=SIDE))


@pytest.fixture(scope="module")
def stages(registry, use, base):
    """VGG16 as stages, with the weights of `base`, by the names of Keras' layers."""
    inputs = backbone_inputs(use.blueprint(registry).kind(registry))
    built = build_backbone(use.spec, registry, options=use.spec.options(), inputs=inputs)
    found = {layer.name: layer for stage in built for layer in stage.model.layers}
    for layer in base.layers:
        if layer.weights:
            found[layer.name].set_weights(layer.get_weights())
    return built


def preprocessed(pixels):
    return keras.applications.vgg16.preprocess_input(np.array(pixels, np.float32))


def by_hand(base, name):
    """As the tutorials write it: a Dropout after each Dense, then the answer."""
    reading, *widths = HIDDEN[name]
    hidden = [layer for width in widths for layer in (keras.layers.Dense(width, "relu"), keras.layers.Dropout(0.5))]
    return keras.Sequential([base, reading(), *hidden, keras.layers.Dense(2)])


def ours(registry, use, stages, head):
    """The blueprint and the network of `--head HEAD --set task.dropout=0.5`."""
    blueprint = use.blueprint(registry)
    task_spec = registry.get("tasks", "classification")
    options = task_spec.options(dropout=0.5)
    task = registry.load_target(task_spec, task_spec.build)(TaskRequest(options, targets=["cat", "dog"]))
    features = choose_features(use.spec.features, features_of_head(task_spec, head))
    network = graft(blueprint.kind(registry), stages, features, task=task, head=head, seed=3)
    plan = {"task": task_spec, "task_options": options, "head": head, "labels": task.labels(), "features": ()}
    return replace(blueprint, **plan), network


def copy_head(network, model):
    """The arrays of our head into the model's Dense layers, in their order."""
    arrays = [keras.ops.convert_to_numpy(each) for each in name_variables([network.stages[-1]]).values()]
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for place, layer in enumerate(dense):
        layer.set_weights(arrays[2 * place : 2 * place + 2])


@pytest.mark.slow
@pytest.mark.parametrize("head", HIDDEN)
def test_the_network_equals_the_one_that_is_built_by_hand_and_so_does_its_artefact(
    registry, base, use, stages, head, tmp_path
):
    model, (blueprint, network) = by_hand(base, head), ours(registry, use, stages, head)
    pixels = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    model.build((None, SIDE, SIDE, 3))
    copy_head(network, model)
    expected = keras.ops.convert_to_numpy(model(preprocessed(pixels), training=False))

    count = sum(int(np.prod(variable.shape)) for variable in name_variables(network.learned).values())
    assert count == model.count_params()
    answered = forward(network, 0, len(network.stages))
    samples = {name: pixels for name in blueprint.kind(registry).tensors}
    assert_close(answered(samples)["logits"], expected)

    save_network(tmp_path / "artefact", blueprint, network, facts={})
    loaded = SavedNetwork.load(tmp_path / "artefact", registry=registry)
    assert loaded.blueprint.head == head
    again = forward(loaded.network, 0, len(loaded.network.stages))
    np.testing.assert_array_equal(again(samples)["logits"], answered(samples)["logits"])


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "mobilenetv2", "resnet50", "efficientnetb0"])
def test_the_top_map_is_what_a_network_without_its_top_gives(registry, name):
    spec = registry.get("backbones", name)
    (top,) = (feature for feature in spec.features if feature.name == "map@32")
    (pooled,) = (feature for feature in spec.features if feature.name == "pooled")
    assert (top.stage, top.channels) == (pooled.stage, pooled.channels) == (spec.stages[-1], top.channels)


def test_the_top_map_of_vgg16_is_the_output_of_its_last_pooling(registry, use, stages):
    assert BY_NAME["vgg16"].cuts[-1].layers == ("block5_pool",)
    assert tuple(stages[-1].model.output["map"].shape) == (None, SIDE // 32, SIDE // 32, 512)
    _, network = ours(registry, use, stages, "flatten:512")
    assert network.taps == {"map@32": ("block5", "map")}
