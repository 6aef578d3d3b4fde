"""What a folder of transformers says, and what is refused of it."""

import json

import pytest
from whisper_folders import arrays_of, write_folder

from headstart.errors import UsageError


@pytest.fixture(scope="module")
def spec_of(registry):
    return lambda folder: registry.resolve_backbone(str(folder))


def test_a_folder_of_another_size_is_read_as_it_says(tmp_path, spec_of):
    spec = spec_of(write_folder(tmp_path / "my whisper", "large"))
    assert spec.name == "whisper/my-whisper"
    assert spec.stages == ("front", "block1", "block2", "block3", "pool")
    assert spec.weights[0].preprocess == {"rate": 16_000, "window": 400, "hop": 160, "bands": 128, "seconds": 1.0}


def test_a_tokenizer_in_the_folder_does_not_make_it_one_of_texts(tmp_path, spec_of):
    folder = write_folder(tmp_path / "model", "english")
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    assert spec_of(folder).takes == "whisper_mel"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"activation_function": "relu"}, "gelu"),
        ("config.json", {"d_model": "many"}, "width"),
        ("config.json", {"encoder_attention_heads": 3}, "heads"),
        ("preprocessor_config.json", {"feature_size": 40}, "40 bands"),
        ("preprocessor_config.json", {"hop_length": 0}, "hop is 0"),
    ],
)
def test_what_cannot_be_is_refused_by_file_and_name(file, change, message, tmp_path, spec_of):
    folder = write_folder(tmp_path / "model", "english")
    content = json.loads((folder / file).read_text("utf-8"))
    (folder / file).write_text(json.dumps({**content, **change}), "utf-8")
    with pytest.raises(UsageError, match=message):
        spec_of(folder)


def test_a_folder_without_weights_says_how_to_save_them(tmp_path, spec_of):
    folder = write_folder(tmp_path / "model", "english")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"no model\.safetensors") as caught:
        spec_of(folder)
    assert "save_pretrained" in caught.value.hint


@pytest.mark.backend
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("model.encoder.layers.1.fc1.bias"), r"missing encoder\.layers\.1\.fc1\.bias"),
        (
            lambda arrays: arrays.update({"model.encoder.layers.9.fc1.bias": arrays["model.encoder.layer_norm.bias"]}),
            r"unexpected encoder\.layers\.9\.fc1\.bias",
        ),
        (
            lambda arrays: arrays.update({"model.encoder.conv1.bias": arrays["model.encoder.conv1.bias"][:3]}),
            r"conv1\.bias has shape \(3,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_listed(change, message, tmp_path, sound_network):
    from headstart.errors import WrongWeightsError

    arrays = arrays_of("english")
    change(arrays)
    with pytest.raises(WrongWeightsError, match=message):
        sound_network(str(write_folder(tmp_path / "model", "english", arrays)))
