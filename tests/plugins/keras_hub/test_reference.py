"""What a user can write for a KerasHub backbone, and what is said where it cannot be used; JSON only, no framework."""

import json
import shutil

import pytest
from presets import CONVERTER, write_hugging_face, write_timm

from headstart.errors import UsageError
from headstart.registry import load_registry
from headstart_cli.main import run_arguments

for _needed in ("regex", "sentencepiece", "tokenizers"):
    pytest.importorskip(_needed, reason="KerasHub is not installed with what it imports")

CONFIG = {
    "module": "keras_hub.src.models.vgg.vgg_backbone",
    "class_name": "VGGBackbone",
    "config": {
        "name": "vgg_backbone",
        "trainable": True,
        "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "bfloat16"}},
        "stackwise_num_repeats": [1, 1],
        "stackwise_num_filters": [8, 8],
        "image_shape": [None, None, 3],
    },
    "registered_name": "keras_hub>VGGBackbone",
}


@pytest.fixture
def registry():
    return load_registry()


@pytest.fixture
def folder(tmp_path):
    """Writes a preset's folder from JSON documents; None leaves a file out."""

    def write(config=CONFIG, converter=CONVERTER, name="my vgg"):
        place = tmp_path / name
        place.mkdir()
        if config is not None:
            (place / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        if converter is not None:
            document = {"class_name": "VGGImageConverter", "config": converter}
            (place / "image_converter.json").write_text(json.dumps(document))
        (place / "model.weights.h5").touch()
        return place

    return write


def refused(registry, ref):
    with pytest.raises(UsageError) as caught:
        registry.resolve_backbone(str(ref))
    return caught.value


def test_a_presets_folder_is_a_backbone_named_after_it(registry, folder):
    place = folder()
    spec = registry.resolve_backbone(str(place))

    assert (spec.name, spec.builder, spec.stages) == ("keras_hub/my-vgg", "keras_hub/preset", None)
    assert spec.weights[0].origin.path == str(place / "model.weights.h5")
    assert spec.preprocess["scale"] == CONVERTER["scale"]
    assert registry.builder_of(spec).name == "keras_hub/preset"
    assert registry.resolve_backbone(f"keras_hub:{place}") == spec


def test_what_is_kept_of_a_preset_names_no_code_and_no_precision(registry, folder):
    kept = json.loads(registry.resolve_backbone(str(folder())).given["config"])

    assert kept == {
        "class_name": "VGGBackbone",
        "config": {"stackwise_num_filters": [8, 8], "stackwise_num_repeats": [1, 1]},
    }


def test_a_preset_by_name_is_described_by_the_installed_keras_hub(registry):
    spec = registry.resolve_backbone("keras_hub/resnet_50_imagenet")

    assert spec.parameters == 23_561_152
    assert "50-layer ResNet" in spec.summary
    assert spec.weights[0].origin.handle.startswith("kaggle://keras/resnetv1/keras/resnet_50_imagenet/")
    assert spec.weights[0].digest == "unknown"


def test_a_misspelt_preset_gets_near_misses(registry):
    error = refused(registry, "keras_hub/resnet_50_imagnet")

    assert "KerasHub has no image preset 'resnet_50_imagnet'" in error.message
    assert "resnet_50_imagenet" in error.hint


def test_a_preset_that_is_not_here_is_exit_2_with_the_line_that_fetches_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path))

    assert run_arguments(["fit", "digits", "--backbone", "keras_hub/vgg_11_imagenet"]) == 2
    assert "`headstart weights get keras_hub/vgg_11_imagenet` fetches it" in capsys.readouterr().err


BAD = {
    "a text model": ({**CONFIG, "class_name": "BertBackbone"}, CONVERTER, "holds a BertBackbone; expected one of"),
    "another object inside": (
        {**CONFIG, "config": {"image_encoder": {"module": "os", "class_name": "system", "config": {}}}},
        CONVERTER,
        "image_encoder describes another object",
    ),
    "no preprocessing": (CONFIG, None, "has no image_converter.json"),
    "an unknown resampling": (CONFIG, {**CONVERTER, "interpolation": "lanczos5"}, "interpolation 'lanczos5'"),
    "no size": (CONFIG, {**CONVERTER, "image_size": None}, "size of its pictures"),
    "a scale in words": (CONFIG, {**CONVERTER, "scale": "big"}, "'big' should be a number"),
    "damaged JSON": ('{"registered_name": ', CONVERTER, "config.json is not readable JSON"),
    "a list": ("[]", CONVERTER, "should hold an object, holds list"),
    "too much JSON": ('{"registered_name": "' + "x" * 2**20 + '"}', CONVERTER, "is too large"),
    "another Hugging Face model": ({"model_type": "wav2vec2"}, None, "a Hugging Face model of type 'wav2vec2'"),
    "a Hugging Face model without its preprocessing": ({"model_type": "vit"}, None, "has no preprocessor_config.json"),
    "a timm model without its preprocessing": ({"architecture": "resnet18"}, None, "has no pretrained_cfg"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_folder_that_cannot_be_used_says_why(kind, registry, folder):
    config, converter, message = BAD[kind]

    assert message in refused(registry, folder(config, converter)).message


def test_a_folder_that_is_something_else_is_nobodys(registry, folder):
    assert "no plugin opens" in refused(registry, folder({"pictures": 12})).message
    assert "no plugin opens" in refused(registry, folder(None, name="empty")).message


def test_asking_for_a_kerashub_folder_by_kind_says_what_is_missing(registry, folder):
    assert "has no config.json" in refused(registry, f"keras_hub:{folder(None)}").message
    assert "is not the description" in refused(registry, f"keras_hub:{folder({'x': 1}, name='other')}").message


def test_older_converters_with_means_and_variances_are_read(registry, folder):
    old = {"height": 32, "width": 48, "scale": 1 / 255, "mean": [0.5, 0.4, 0.3], "variance": [0.04, 0.09, 0.16]}
    preprocess = registry.resolve_backbone(str(folder(converter=old))).preprocess

    assert preprocess["size"] == [32, 48]
    assert preprocess["scale"] == pytest.approx([1 / 255 / 0.2, 1 / 255 / 0.3, 1 / 255 / 0.4])
    assert preprocess["offset"] == pytest.approx([-0.5 / 0.2, -0.4 / 0.3, -0.3 / 0.4])


def test_hugging_face_and_timm_folders_are_recognised(registry, tmp_path):
    vit = registry.resolve_backbone(str(write_hugging_face(tmp_path / "vit")))
    resnet = registry.resolve_backbone(str(write_timm(tmp_path / "resnet")))

    assert (vit.summary, resnet.summary) == ("Hugging Face vit, 32 px.", "timm resnet18, 64 px.")
    assert {spec.weights[0].origin.path.rpartition("/")[2] for spec in (vit, resnet)} == {"model.safetensors"}


def test_without_keras_hub_the_pip_lines_that_avoid_tensorflow_are_told(registry, folder, monkeypatch, capsys):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "keras_hub" else find(name))
    place = folder()

    assert "pip install --no-deps keras-hub" in refused(registry, "keras_hub/resnet_50_imagenet").hint
    assert run_arguments(["fit", "digits", "--backbone", str(place)]) == 2
    assert "pip install --no-deps keras-hub" in capsys.readouterr().err


def test_doctor_prints_the_same_pip_line():
    from headstart_cli.doctor import OPTIONAL
    from headstart_plugins.keras_hub._needs import INSTALL, INSTALL_CLIENT

    assert OPTIONAL["keras-hub"].startswith(INSTALL)
    assert INSTALL_CLIENT in OPTIONAL["keras-hub"]


def test_what_a_preset_fixes_cannot_be_set_to_something_else(folder, capsys):
    place = folder()

    assert run_arguments(["fit", "digits", "--backbone", str(place), "--set", "backbone.config=x"]) == 2
    assert "differs from what keras_hub/my-vgg fixes" in capsys.readouterr().err


def test_a_preset_that_moved_away_is_told_as_a_path(registry, folder):
    place = folder()
    shutil.rmtree(place)

    assert "no such path" in refused(registry, place).message
