"""What is read of a folder before anything is built, and how the arrays in it may lie."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from text_folders import CONFIGS, POSITIONS, arrays_of, write_folder

from headstart.errors import UsageError, WrongWeightsError
from headstart_plugins._stored_arrays import StoredArrays
from headstart_plugins.hf_text._folder import read_folder

SLOW_ON_JAX = True


def change(folder, name="config.json", **values):
    """Set keys of a JSON file; those that are None are taken out."""
    file = folder / name
    document = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    document |= values
    file.write_text(json.dumps({key: value for key, value in document.items() if value is not None}), "utf-8")
    return folder


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_text_model_is_opened_by_its_path_once(kind, tmp_path, registry):
    folder = write_folder(tmp_path / "a model", kind)
    for ref in (str(folder), f"hf_text:{folder}"):
        spec = registry.resolve_backbone(ref)
        assert (spec.name, spec.plugin, spec.builder) == ("hf_text/a-model", "hf_text", "hf_text/transformer")
        assert spec.stages == ("embeddings", "block1", "block2", "block3", "pool")
        assert spec.preprocess["length"] == POSITIONS  # of XLM-R two more rows are there, which no token has


def test_a_name_that_is_nearly_one_of_ours_is_answered_with_it(registry):
    with pytest.raises(UsageError, match="no backbone is named 'hf_text/all_minilm_l12'") as caught:
        registry.resolve_backbone("hf_text/all_minilm_l12")
    assert "hf_text/all_minilm_l6" in caught.value.hint


def test_a_picture_model_is_left_to_others_unless_we_are_insisted_on(tmp_path, registry):
    folder = tmp_path / "vit"
    folder.mkdir()
    change(folder, model_type="vit", hidden_size=16)
    with pytest.raises(UsageError, match=r"preprocessor_config\.json") as caught:
        registry.resolve_backbone(str(folder))
    assert "hf_text" not in str(caught.value)
    with pytest.raises(UsageError, match="'vit', which is not read") as caught:
        registry.resolve_backbone(f"hf_text:{folder}")
    assert "distilbert, gpt2, modernbert, roberta" in caught.value.hint


@pytest.mark.parametrize("kind", ["electra", "deberta-v2", "mpnet", ["bert"]])
def test_a_text_model_of_another_type_is_refused_by_name(kind, tmp_path, registry):
    folder = change(write_folder(tmp_path / "model", "bert"), model_type=kind)
    with pytest.raises(UsageError) as caught:
        registry.resolve_backbone(f"hf_text:{folder}" if isinstance(kind, list) else str(folder))
    assert f"a model of type {kind!r}, which is not read".replace("'['", "") in str(caught.value).replace('"', "")
    assert "bert, camembert, distilbert" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("bert", {"position_embedding_type": "relative_key"}, "relative_key"),
        ("bert", {"is_decoder": True}, "is_decoder"),
        ("bert", {"hidden_act": "mish"}, "mish"),
        ("bert", {"hidden_size": None}, "has no 'hidden_size'"),
        ("bert", {"hidden_size": "wide"}, "width"),
        ("bert", {"hidden_size": 30, "num_attention_heads": 4}, "no multiple of heads 4"),
        ("bert", {"num_hidden_layers": -1}, "blocks"),
        ("modernbert", {"norm_bias": True}, "norm_bias"),
        ("modernbert", {"layer_types": ["sliding_attention", "full_attention", "full_attention"]}, "layer_types"),
        ("modernbert", {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "yarn"),
        ("modernbert", {"rope_parameters": ["full_attention"]}, "cannot be used"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention"),
    ],
)
def test_what_a_network_here_would_compute_otherwise_is_refused(kind, values, words, tmp_path):
    folder = change(write_folder(tmp_path / "model", kind), **values)
    with pytest.raises(UsageError, match=words) as caught:
        read_folder(folder)
    assert "config.json" in str(caught.value)


def test_modernbert_is_read_as_transformers_4_and_5_describe_it(tmp_path):
    folder = write_folder(tmp_path / "model", "modernbert")
    new = read_folder(folder)
    old = {"global_attn_every_n_layers": 2, "global_rope_theta": 500.0, "local_rope_theta": 90.0}
    change(folder, layer_types=None, rope_parameters=None, **old)
    assert read_folder(folder) == new
    assert (new.given["global_every"], new.given["rotary"], new.given["local_rotary"]) == (2, 500.0, 90.0)
    change(folder, local_rope_theta=None, global_rope_theta=None, global_attn_every_n_layers=None)
    defaults = read_folder(folder).given
    assert (defaults["global_every"], defaults["rotary"], defaults["local_rotary"]) == (3, 160000.0, 10000.0)


def test_a_folder_without_weights_or_tokenizer_says_what_to_do(tmp_path):
    folder = write_folder(tmp_path / "model", "bert")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"no tokenizer\.json"):
        read_folder(folder)
    (folder / "vocab.txt").write_text("[PAD]", "utf-8")
    assert read_folder(folder).tokenizer == ("vocab.txt",)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"no model\.safetensors, it has pytorch_model\.bin"):
        read_folder(folder)


def sentence_encoder(folder, modules, **pooling):
    """Beside a folder's own files those of sentence-transformers."""
    (folder / "1_Pooling").mkdir()
    change(folder, "1_Pooling/config.json", **pooling)
    listed = [
        {"idx": number, "path": "1_Pooling" if kind.endswith("Pooling") else "", "type": kind}
        for number, kind in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed), "utf-8")
    return folder


OLD = ["sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling"]
NEW = [
    "sentence_transformers.base.modules.transformer.Transformer",
    "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "sentence_transformers.base.modules.normalize.Normalize",
]


def test_sentence_encoders_of_old_and_new_releases_say_how_they_pool_and_how_much_they_read(tmp_path):
    folder = write_folder(tmp_path / "old", "bert")
    sentence_encoder(
        folder, OLD, word_embedding_dimension=16, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False
    )
    change(folder, "sentence_bert_config.json", max_seq_length=24, do_lower_case=False)
    change(folder, "tokenizer_config.json", model_max_length=30, do_lower_case=True)
    old = read_folder(folder)
    assert (old.given["pooling"], old.given["normalise"], old.preprocess["length"]) == ("cls", False, 24)

    folder = write_folder(tmp_path / "new", "bert")
    sentence_encoder(folder, NEW, embedding_dimension=16, pooling_mode="mean", include_prompt=True)
    change(folder, "sentence_bert_config.json", transformer_task="feature-extraction")
    change(folder, "tokenizer_config.json", model_max_length=30, max_length=12)
    change(folder, "config_sentence_transformers.json", prompts={"query": "query: "}, default_prompt_name="query")
    new = read_folder(folder)
    assert (new.given["pooling"], new.given["normalise"], new.preprocess["length"]) == ("mean", True, 30)
    assert new.preprocess["prefix"] == "query: "


@pytest.mark.parametrize(
    ("modules", "pooling", "words"),
    [
        ([*OLD, "sentence_transformers.models.Dense"], {"pooling_mode": "mean"}, "the module 'Dense'"),
        (OLD, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "pools by pooling_mode_cls_token"),
        (OLD, {"pooling_mode": "weightedmean"}, "pools by weightedmean"),
        (OLD, {}, "pools by nothing"),
    ],
)
def test_a_sentence_encoder_of_another_make_is_refused(modules, pooling, words, tmp_path):
    folder = sentence_encoder(write_folder(tmp_path / "model", "bert"), modules, **pooling)
    with pytest.raises(UsageError, match=words):
        read_folder(folder)


def test_a_sentence_encoder_that_lowers_what_its_tokenizer_does_not_is_refused(tmp_path):
    folder = sentence_encoder(write_folder(tmp_path / "model", "roberta"), OLD, pooling_mode="mean")
    change(folder, "sentence_bert_config.json", max_seq_length=24, do_lower_case=True)
    with pytest.raises(UsageError, match=r"sentence_bert_config\.json has do_lower_case"):
        read_folder(folder)
    change(folder, "tokenizer_config.json", do_lower_case=True)
    assert read_folder(folder).preprocess["length"] == 24


def test_a_sentence_encoder_that_pools_without_its_prompt_is_refused_where_it_has_one(tmp_path):
    folder = write_folder(tmp_path / "model", "bert")
    sentence_encoder(folder, NEW, pooling_mode="mean", include_prompt=False)
    assert read_folder(folder).given["pooling"] == "mean"
    change(folder, "config_sentence_transformers.json", prompts={"query": "query: "}, default_prompt_name="query")
    with pytest.raises(UsageError, match=r"include_prompt false: tokens of the prompt 'query: '"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("stated", "length"),
    [(10**30, POSITIONS), (None, POSITIONS), (512, POSITIONS), (20, 20), (-1, POSITIONS), ("20", POSITIONS)],
)
def test_texts_are_cut_to_what_is_stated_and_never_beyond_the_positions(stated, length, tmp_path):
    folder = change(write_folder(tmp_path / "model", "roberta"), "tokenizer_config.json", model_max_length=stated)
    found = read_folder(folder)
    assert found.preprocess["length"] == length
    assert (found.given["positions"], found.given["first_position"]) == (POSITIONS, 2)


FAMILIES = {
    "bert": "bert.",
    "roberta": "roberta.",
    "xlm-roberta": "roberta.",
    "camembert": "roberta.",
    "distilbert": "distilbert.",
    "modernbert": "model.",
    "gpt2": "transformer.",
}
HEADS = {
    "bert": ("cls.predictions.bias", "cls.predictions.decoder.weight", "bert.embeddings.position_ids"),
    "roberta": ("lm_head.dense.weight", "lm_head.decoder.weight", "classifier.dense.weight"),
    "xlm-roberta": ("qa_outputs.weight",),
    "camembert": ("lm_head.layer_norm.weight",),
    "distilbert": ("vocab_projector.weight", "vocab_transform.weight", "pre_classifier.weight"),
    "modernbert": ("head.dense.weight", "decoder.weight"),
    "gpt2": ("lm_head.weight", "transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias"),
}
TIED = {
    "bert": ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
    "roberta": ("roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"),
    "distilbert": ("distilbert.embeddings.word_embeddings.weight", "vocab_projector.weight"),
    "modernbert": ("model.embeddings.tok_embeddings.weight", "decoder.weight"),
    "gpt2": ("transformer.wte.weight", "lm_head.weight"),
}


@pytest.fixture
def loaded(registry):
    """The arrays of a folder under our names."""
    from headstart.engine.network.assemble import build_backbone
    from headstart.specs import Backbone, TensorSpec
    from headstart.weights.source import load_arrays

    def load(folder):
        spec = registry.resolve_backbone(str(folder))
        inputs = {
            name: TensorSpec((8,), dtype) for name, dtype in (("ids", "int32"), ("types", "int32"), ("mask", "bool"))
        }
        stages = build_backbone(spec, registry, options=spec.default_options(), inputs=inputs)
        return load_arrays(spec.weights[0], spec, backbone=Backbone(stages), registry=registry)

    return load


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.backend
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_model_below_a_head_is_read_as_the_model_alone(kind, tmp_path, loaded):
    plain = loaded(write_folder(tmp_path / "plain", kind))
    arrays = {FAMILIES[kind] + name: array for name, array in arrays_of(kind).items()}
    heads = {name: np.zeros((2, 3), np.float32) for name in HEADS[kind]}
    assert_same(loaded(write_folder(tmp_path / "headed", kind, {**arrays, **heads})), plain)
    if kind in TIED:  # the table under the name of the head alone
        own, head = TIED[kind]
        arrays[head] = arrays.pop(own)
        assert_same(loaded(write_folder(tmp_path / "tied", kind, arrays)), plain)


@pytest.mark.backend
def test_shards_and_the_names_of_the_first_release_are_read(tmp_path, loaded):
    plain = loaded(write_folder(tmp_path / "plain", "bert"))
    arrays = arrays_of("bert")
    old = {
        (name.replace(".weight", ".gamma").replace(".bias", ".beta") if "LayerNorm" in name else name): array
        for name, array in arrays.items()
    }
    assert_same(loaded(write_folder(tmp_path / "old", "bert", old)), plain)

    folder = write_folder(tmp_path / "shards", "bert")
    (folder / "model.safetensors").unlink()
    names = sorted(arrays)
    files = {f"model-{number}-of-2.safetensors": names[number::2] for number in (0, 1)}
    for file, part in files.items():
        save_file({name: arrays[name] for name in part}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in files.items() for name in part}}
    change(folder, "model.safetensors.index.json", **index)
    assert_same(loaded(folder), plain)
    (folder / "model-1-of-2.safetensors").unlink()
    with pytest.raises(WrongWeightsError, match=r"no \S*model-1-of-2"):
        loaded(folder)
    change(folder, "model.safetensors.index.json", weight_map={"a": "../model.safetensors"})
    with pytest.raises(WrongWeightsError, match="no index of shards"):
        loaded(folder)


@pytest.mark.backend
def test_missing_unexpected_and_misshapen_arrays_are_named(tmp_path, loaded):
    arrays = arrays_of("bert")
    wrong = {**arrays, "encoder.layer.3.output.dense.bias": np.zeros(16, np.float32)}
    del wrong["encoder.layer.1.attention.self.key.bias"]
    with pytest.raises(WrongWeightsError) as caught:
        loaded(write_folder(tmp_path / "wrong", "bert", wrong))
    assert "missing encoder.layer.1.attention.self.key.bias" in str(caught.value)
    assert "unexpected encoder.layer.3.output.dense.bias" in str(caught.value)
    wrong = {**arrays, "encoder.layer.0.output.dense.weight": np.zeros((16, 7), np.float32)}
    with pytest.raises(WrongWeightsError, match=r"encoder\.layer\.0\.output\.dense\.weight has shape \(7, 16\)"):
        loaded(write_folder(tmp_path / "misshapen", "bert", wrong))
    with pytest.raises(WrongWeightsError, match="no model that is known here"):
        loaded(write_folder(tmp_path / "other", "bert", {"conv.weight": np.zeros((2, 2), np.float32)}))


def test_half_precision_is_read_as_float32(tmp_path):
    values = np.array([1.0, -0.333251953125, 65280.0, 1e-3], np.float32)
    save_file({"half": values.astype(np.float16), "double": values.astype(np.float64)}, tmp_path / "a.safetensors")
    stored = StoredArrays(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(stored.read("half"), values.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(stored.read("double"), values)
    # bfloat16 by its definition: the upper two bytes of a float32
    upper = np.ascontiguousarray(values.view(np.uint16).reshape(-1, 2)[:, 1])
    header = json.dumps({"b": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + upper.tobytes())
    found = StoredArrays(tmp_path / "b.safetensors").read("b")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values.reshape(2, 2), rtol=2**-7)
    assert found[0, 0] == 1.0


def test_a_file_that_is_cut_short_or_no_such_file_is_refused(tmp_path):
    file = tmp_path / "a.safetensors"
    save_file({"a": np.ones((4, 4), np.float32)}, file)
    whole = file.read_bytes()
    for kept in (0, 5, 20, len(whole) - 1):
        file.write_bytes(whole[:kept])
        with pytest.raises(WrongWeightsError, match=r"a\.safetensors"):
            StoredArrays(file).read("a")
    facts = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for odd in (
        [],
        {"a": []},
        {"a": {**facts, "shape": [-2]}},
        {"a": {**facts, "data_offsets": [8, 0]}},
        {"a": {**facts, "data_offsets": "08"}},
        {"a": {**facts, "dtype": None}},
        {"a": {"dtype": "F32"}},
    ):
        header = json.dumps(odd).encode()
        file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
        with pytest.raises(WrongWeightsError, match="cannot be read as safetensors"):
            StoredArrays(file)
    header = json.dumps({"a": {**facts, "dtype": "I64", "data_offsets": [0, 16]}}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(WrongWeightsError, match="a holds I64"):
        StoredArrays(file).read("a")
