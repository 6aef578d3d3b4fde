"""Folders as they are found: what is read of them, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from headstart.errors import RecipeError, UsageError, WrongWeightsError
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import bind_to, resolve_recipe
from headstart.registry import load_registry
from headstart.transfer.comparison.planning import Asked, make_design
from headstart_plugins.hf_seq2seq._folder import read_folder
from headstart_plugins.hf_seq2seq._reference import resolve


def test_a_folder_becomes_a_backbone_with_its_own_head(whole_folder):
    folder = whole_folder("marian")
    spec = resolve(str(folder))

    assert spec.name == "hf_seq2seq/marian"
    assert spec.stages == ("embeddings", "layer1", "layer2", "top")
    assert (spec.weightless, resolve(str(whole_folder("t5"))).weightless) == (("top",), ())
    (weights,) = spec.weights
    assert sorted(weights.assets) == ["source.spm", "target.spm", "vocab.json"]
    assert weights.head.task == "translation/translation"
    assert weights.head.labels["decoder"]["layers"] == 3
    assert weights.head.labels["tokens"] == {"start": 69, "end": 0, "pad": 69, "banned": [69], "most": 128}
    assert resolve(f"hf_seq2seq:{folder}") == spec
    assert sorted(resolve(str(whole_folder("t5"))).weights[0].assets) == ["source.spm", "target.spm"]


def test_its_own_decoder_is_taken_where_no_head_is_named(whole_folder, tmp_path):
    folder, data = str(whole_folder("marian")), tmp_path / "pairs.csv"
    data.write_text("text,translation\na,b\n")
    registry = load_registry()

    def head(*sets, **flags):
        given = {"data": str(data), "backbone": folder, "task": "translation/translation", **flags}
        resolved = resolve_recipe(build_recipe(flags=given, file=None, sets=sets), registry)
        task = registry.get("tasks", "translation/translation")
        return bind_to(resolved, registry, task=task, medium="text").head

    assert head() == "pretrained"
    assert head(head="decoder") == "decoder"
    assert head(weights="none", strategy="scratch") == "decoder"
    assert head("task.layers=2", head="decoder") == "decoder"
    assert head("task.layers=3", "task.beams=2") == "pretrained"  # as a recipe of such a run writes out
    with pytest.raises(RecipeError, match=r"task\.layers.*has its own vocabulary and shape \(leave it out, or --head"):
        head("task.layers=2")


def test_arms_of_a_comparison_have_a_new_decoder_unless_the_published_one_is_named(whole_folder, tmp_path):
    data = tmp_path / "pairs.csv"
    rows = [f"open the file {number},abrir o ficheiro {number}" for number in range(40)]
    data.write_text("\n".join(["text,translation", *rows]) + "\n")
    flags = {"task": "translation", "backend": "torch"}
    asked = Asked(data=str(data), backbones=(str(whole_folder("marian")),), strategies=("full",), flags=flags, epochs=1)
    asked = dataclasses.replace(asked, fractions=(1.0,), sets=("input.max_tokens=32", "task.most=32"))
    found = make_design(asked, load_registry())

    assert {arm.flags["head"] for arm in found.arms} == {"decoder"}
    assert any("every arm has a new decoder" in note for note in found.notes)
    assert found.settings == asked.document()


def test_other_folders_are_left_to_others(tmp_path):
    assert resolve(str(tmp_path)) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert resolve(str(tmp_path)) is None
    with pytest.raises(UsageError, match="type 'bert', which is not read"):
        resolve(f"hf_seq2seq:{tmp_path}")
    with pytest.raises(UsageError, match="no backbone is named 'hf_seq2seq/opus'"):
        resolve("hf_seq2seq/opus")


def test_what_is_missing_or_odd_is_named(whole_folder):
    folder = whole_folder("marian", activation_function="tanh")
    with pytest.raises(UsageError, match=r"config.json cannot be used: the activation 'tanh'; known are gelu"):
        read_folder(folder)
    folder = whole_folder("marian", d_model=18)
    with pytest.raises(UsageError, match="width 18 is no multiple of heads 4"):
        read_folder(folder)
    folder = whole_folder("t5", pad_token_id="none")
    with pytest.raises(UsageError, match="pad_token_id is 'none', expected an id"):
        read_folder(folder)
    folder = whole_folder("t5")
    (folder / "spiece.model").unlink()
    with pytest.raises(UsageError, match=r"has no spiece\.model"):
        read_folder(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"has no model.safetensors, it has pytorch_model.bin"):
        read_folder(folder)


def test_generation_config_says_what_answers_never_have(whole_folder):
    folder = whole_folder("marian")
    stated = {"bad_words_ids": [[69], [5], [7, 8]], "decoder_start_token_id": 70, "eos_token_id": [0]}
    (folder / "generation_config.json").write_text(json.dumps(stated))

    tokens = read_folder(folder).tokens
    assert (tokens["start"], tokens["end"], tokens["banned"]) == (70, 0, [5, 69])


def test_sources_begin_with_the_language_that_is_asked_for(whole_folder):
    from headstart_plugins._pieces import NumberedPieces, Pieces

    folder = whole_folder("marian")
    pieces = NumberedPieces(Pieces(folder / "source.spm"), folder / "vocab.json")
    plain, asked, other = pieces.encode(["open the file", ">>glg<< open the file", ">>xyz<< open"])

    assert asked == [2, *plain]
    assert other[0] != 2
    assert pieces.decode([69, *plain, 85, 0, 5]) == "open the file"  # 85 is no piece: tables of numbers may be shorter


@pytest.mark.backend
def test_arrays_that_do_not_fit_are_listed(whole_folder):
    from headstart.specs import BackboneRequest
    from headstart_plugins.hf_seq2seq._build import build
    from headstart_plugins.hf_seq2seq._load import load
    from headstart_plugins.hf_seq2seq._options import EncoderOptions

    folder = whole_folder("t5")
    backbone = build(BackboneRequest(EncoderOptions(**read_folder(folder).given), {}))
    file = folder / "model.safetensors"
    arrays = load_file(file)
    name = "encoder.block.1.layer.0.SelfAttention.q.weight"
    save_file({"encoder.block.9.odd": arrays.pop(name), **arrays}, file)
    with pytest.raises(WrongWeightsError, match=f"missing {name}.*unexpected encoder.block.9.odd"):
        load(file, backbone)
    save_file({name: np.zeros((3, 4), np.float32), **arrays}, file)
    with pytest.raises(WrongWeightsError, match=r"q.weight has shape \(4, 3\) in our layout, expected \(16, 12\)"):
        load(file, backbone)
    save_file({"x": np.zeros(3, np.float32)}, file)
    with pytest.raises(WrongWeightsError, match="no model that is known here: x"):
        load(file, backbone)
