"""A backbone of KerasHub, cut into stages, computes what KerasHub's own model computes on the same preset."""

import json

import keras
import numpy as np
import pytest
from presets import SIDE, TINY, converted, final, pixels, write_hugging_face, write_timm

from headstart.specs import Backbone, InputRequest, TensorSpec

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

keras_hub = pytest.importorskip(
    "keras_hub", reason="pip install --no-deps keras-hub && pip install regex sentencepiece tokenizers"
)

TOKENS = ("ViTBackbone", "DeiTBackbone", "DINOV2Backbone", "DINOV3Backbone")
QUICK = {"jax": ("ViTBackbone",), "torch": ("ViTBackbone", "ResNetBackbone", "MobileNetBackbone")}[
    keras.backend.backend()
]
"""JAX compiles each operation of each shape, which takes seconds a network."""
slow_on_jax = pytest.mark.slow if keras.backend.backend() == "jax" else pytest.mark.backend
each_class = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in TINY]
)


def loaded(registry, folder, side=SIDE):
    """The spec of a folder, and its stages with the folder's weights."""
    from headstart.engine.network.assemble import build_backbone
    from headstart.engine.network.stages import assign_arrays

    spec = registry.resolve_backbone(str(folder))
    options = spec.default_options()
    stages = build_backbone(spec, registry, options=options, inputs={"image": TensorSpec((side, side, 3), "float32")})
    weights = spec.weights[0]
    arrays = registry.load_target(spec, weights.load)(folder / weights.origin.path, Backbone(stages))
    assign_arrays(stages, arrays, source=str(folder))
    return spec, stages


def run(stages, image):
    tensors = {"image": keras.ops.convert_to_tensor(image)}
    for stage in stages:
        tensors = stage.model(tensors, training=False)
    return keras.ops.convert_to_numpy(tensors["pooled"])


def reference(folder, image):
    """What KerasHub's own model, loaded by KerasHub, pools: the first token, or the mean over all places."""
    whole = keras_hub.models.Backbone.from_preset(str(folder))
    given = {name: image for name in whole.input} if isinstance(whole.input, dict) else image
    output = keras.ops.convert_to_numpy(final(whole, whole(given, training=False)))
    if type(whole).__name__ in TOKENS:
        return output[:, 0]
    return output.mean(axis=tuple(range(1, output.ndim - 1)))


def assert_close(found, expected):
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1, expected.std())


@pytest.mark.slow
@each_class
def test_each_class_of_image_backbone_equals_kerashub(name, preset, small_registry):
    _, stages = loaded(small_registry, preset(name))
    image = converted(pixels())

    assert_close(run(stages, image), reference(preset(name), image))
    assert len(stages) > 1
    assert stages[-1].name == "top"
    assert all(stage.model.trainable_weights for stage in stages)  # or a strategy would train what holds nothing


STAGES = {
    "ResNetBackbone": ["p1", "p2", "top"],
    "HGNetV2Backbone": ["p2", "top"],
    "ViTBackbone": ["embedding", "block1", "block2", "top"],
    "DINOV2Backbone": ["embedding", "block1", "block2", "top"],
    "SwinTransformerBackbone": ["stage1", "stage2", "stage3", "top"],
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in STAGES]
)
def test_stages_are_the_levels_of_a_pyramid_or_the_blocks_of_an_encoder(name, preset, small_registry):
    _, stages = loaded(small_registry, preset(name))

    assert [stage.name for stage in stages] == STAGES[name]


@each_class
def test_names_of_weights_do_not_depend_on_what_was_built_before(name, preset, small_registry):
    from headstart.engine.network.stages import name_variables

    first, second = (name_variables(loaded(small_registry, preset(name))[1]) for _ in range(2))

    assert list(first) == list(second)
    assert [tuple(variable.shape) for variable in first.values()] == [tuple(v.shape) for v in second.values()]


def test_pictures_are_prepared_as_kerashubs_converter_does(preset, small_registry):
    folder = preset("ViTBackbone")
    spec = small_registry.resolve_backbone(str(folder))
    reading = small_registry.get("inputs", "image")
    kind = small_registry.load_target(reading, reading.build)(InputRequest(spec.preprocess, reading.options()))
    images = pixels()

    prepared = np.stack([kind.prepare(kind.read(image, "a test")).tensors["image"] for image in images])
    found = keras.ops.convert_to_numpy(kind.stage()({"image": prepared})["image"])
    converter = keras_hub.layers.ImageConverter.from_preset(str(folder))

    assert tuple(converter.image_size) == (SIDE, SIDE)
    assert_close(found, keras.ops.convert_to_numpy(converter(images.astype(np.float32))))


def test_a_hugging_face_folder_equals_kerashub(tmp_path, small_registry):
    folder = write_hugging_face(tmp_path / "vit")
    spec, stages = loaded(small_registry, folder)
    image = converted(pixels())

    assert spec.preprocess["scale"] == pytest.approx([1 / 255 / deviation for deviation in (0.2, 0.25, 0.5)])
    assert spec.preprocess["offset"] == pytest.approx([-0.5 / deviation for deviation in (0.2, 0.25, 0.5)])
    assert_close(run(stages, image), reference(folder, image))


def test_a_backbone_that_was_saved_alone_is_read_as_that_of_a_classifier(tmp_path, small_registry):
    # transformers 5.24 writes a ViTModel without "vit." before its tensors' names, which KerasHub 0.32 does not read.
    whole, alone = write_hugging_face(tmp_path / "whole"), write_hugging_face(tmp_path / "alone", alone=True)
    image = converted(pixels())

    np.testing.assert_array_equal(
        run(loaded(small_registry, alone)[1], image), run(loaded(small_registry, whole)[1], image)
    )


@pytest.mark.slow
def test_a_timm_folder_equals_kerashub(tmp_path, small_registry):
    folder = write_timm(tmp_path / "resnet")
    spec, stages = loaded(small_registry, folder, side=64)
    image = converted(pixels(side=64))

    assert spec.preprocess["size"] == [64, 64]
    assert_close(run(stages, image), reference(folder, image))


def test_weights_that_do_not_fit_the_configuration_are_refused(preset, small_registry, tmp_path):
    import shutil

    from headstart.errors import WrongWeightsError

    folder = tmp_path / "other"
    shutil.copytree(preset("ViTBackbone"), folder)
    document = json.loads((folder / "config.json").read_text())
    document["config"]["hidden_dim"] = 16
    (folder / "config.json").write_text(json.dumps(document))

    with pytest.raises(WrongWeightsError, match=r"model\.weights\.h5 does not fit the ViTBackbone"):
        loaded(small_registry, folder)


def test_weights_that_lack_a_layer_are_refused_and_not_left_random(preset, small_registry, tmp_path):
    """Keras itself only warns, and keeps what the layer was drawn with."""
    import shutil

    import h5py

    from headstart.errors import WrongWeightsError

    folder = tmp_path / "lacking"
    shutil.copytree(preset("ViTBackbone"), folder)
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        layers = file["layers"]
        del layers[max(layers, key=lambda name: len(str(name)))]

    with pytest.raises(WrongWeightsError, match="does not fit the ViTBackbone"):
        loaded(small_registry, folder)


@slow_on_jax
def test_a_run_from_a_preset_needs_the_preset_no_more(preset, small_registry, tmp_path):
    import shutil

    from PIL import Image

    from headstart.run import Run
    from headstart.runs.fitting import fit

    folder = tmp_path / "tiny"
    shutil.copytree(preset("ViTBackbone"), folder)
    chosen = {"limit": 60, "backbone": str(folder), "strategy": "probe", "reporters": ("json",)}
    made = fit("digits", out=str(tmp_path / "run"), registry=small_registry, **chosen)
    before = made.evaluate(split="test").document["metrics"]
    shutil.rmtree(folder)
    again = Run.load(made.path, registry=small_registry)
    for digit in "01":
        (tmp_path / "other" / digit).mkdir(parents=True)
        Image.fromarray(pixels(1)[0]).save(tmp_path / "other" / digit / "one.png")

    assert made.result["backbone"] == "keras_hub/tiny"
    assert again.evaluate(split="test").document["metrics"] == before
    assert again.evaluate(f"image_folder:{tmp_path / 'other'}").document["samples"] == {"test": 2}
    assert again.report(["json"]) == []
    described = json.loads((made.folder.artefact / "model.json").read_text())["backbone"]
    assert described["builder"] == "keras_hub/preset"
    assert "module" not in described["options"]["config"]


HOSTILE = {"module": "antigravity", "class_name": "fly", "config": {}, "registered_name": None}


@pytest.mark.parametrize("where", [HOSTILE, [HOSTILE], {"deep": [HOSTILE]}], ids=["plain", "in a list", "deep"])
def test_a_configuration_that_names_code_is_refused_where_networks_are_built_and_imports_nothing(where, small_registry):
    """As in an artefact of a stranger, whose options go straight to the build target."""
    import sys

    from headstart.engine.network.assemble import build_backbone
    from headstart.errors import UsageError

    spec = small_registry.get("backbones", "keras_hub/preset")
    settings = {**TINY["HGNetV2Backbone"], "hidden_act": where}
    options = spec.options(config=json.dumps({"class_name": "HGNetV2Backbone", "config": settings}))
    with pytest.raises(UsageError, match="hidden_act describes another object"):
        build_backbone(spec, small_registry, options=options, inputs={"image": TensorSpec((SIDE, SIDE, 3), "float32")})
    assert "antigravity" not in sys.modules


def test_the_presets_listed_are_those_that_keras_hub_itself_lists():
    """They are read from its source without running it."""
    from headstart_plugins.keras_hub._families import POOLING
    from headstart_plugins.keras_hub._reference import presets

    assert set(presets()) == {name for kind in POOLING for name in getattr(keras_hub.models, kind).presets}


def test_tensorflow_was_never_needed():
    import sys

    assert "keras_hub" in sys.modules
    assert not any(name.partition(".")[0] == "tensorflow" for name in sys.modules)
