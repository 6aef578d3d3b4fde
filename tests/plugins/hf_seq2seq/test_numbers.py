"""Small random models of each family, and a trained one, against what transformers computed and answered, recorded by
tests/references/hf_seq2seq.py and trained_translator.py."""

import json
from pathlib import Path

import numpy as np
import pytest
import trained_translator
from folder_models import inputs, read_model
from seq2seq_folders import CONFIGS, SEARCHES, previous, write_folder

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="session")
def recorded():
    return np.load(Path(__file__).parent / "small.npz")


def model_of(path):
    """As it is read from a folder, with files that stand for vocabularies."""
    for file in ("source.spm", "target.spm", "vocab.json", "spiece.model"):
        (path / file).touch()
    return read_model(path)


@pytest.fixture(scope="module", params=CONFIGS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, tmp_path_factory):
    return model_of(write_folder(tmp_path_factory.mktemp("folders") / name, name))


def close(ours, theirs):
    assert theirs.std() > 0.01
    assert np.abs(ours - theirs).max() <= 1e-4 * max(1.0, theirs.std())


def test_states_and_logits_are_those_of_transformers(model, name, recorded):
    from headstart.engine.device import forward

    last = len(model.network.stages) - 1
    alive = forward(model.network, 0, last)(inputs())
    close(alive["@tokens"][inputs()["mask"]], recorded[f"{name} states"])
    given = {**alive, "@previous": previous()}
    close(forward(model.network, last, last + 1)(given)["logits"], recorded[f"{name} logits"])


@pytest.mark.parametrize("asked", SEARCHES)
def test_answers_are_those_of_transformers_token_for_token(model, name, recorded, asked):
    found = model.answers(SEARCHES[asked])

    expected = recorded[f"{name} {asked} tokens"]
    assert found["tokens"].reshape(expected.shape).tolist() == expected.tolist()
    if asked != "greedy":
        np.testing.assert_allclose(found["score"].ravel(), recorded[f"{name} {asked} score"], atol=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    stored = dict(np.load(trained_translator.FILE))
    model = model_of(trained_translator.write_folder(tmp_path_factory.mktemp("trained"), stored))
    mask = stored["ids"] != json.loads(str(stored["config"]))["pad_token_id"]
    return model, {"ids": stored["ids"], "mask": mask}, stored


def test_trained_weights_give_the_logits_of_transformers(trained):
    """Large and sure ones, which random weights do not give."""
    from headstart.engine.device import forward

    model, given, stored = trained
    last = len(model.network.stages) - 1
    start = np.full((len(given["ids"]), 1), model.tokens["start"], np.int32)
    fed = np.concatenate([start, stored["greedy tokens"][:, :-1]], axis=1)
    alive = {**forward(model.network, 0, last)(given), "@previous": fed}
    real = fed != model.tokens["start"]
    real[:, 0] = True
    possible = stored["logits"][0, 0] > -1000  # padding is never answered
    logits = stored["logits"][real][:, possible]
    close(forward(model.network, last, last + 1)(alive)["logits"][real][:, possible], logits)
    likely = np.exp(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))
    assert np.median(likely.max(-1)) > 0.5


@pytest.mark.parametrize("asked", trained_translator.SEARCHES)
def test_trained_weights_answer_as_transformers_token_for_token(trained, asked):
    model, given, stored = trained
    found = model.answers(trained_translator.SEARCHES[asked], given, trained_translator.MOST)
    expected = stored[f"{asked} tokens"]
    assert len({tuple(row) for row in expected.tolist()}) == len(expected)
    assert found["tokens"].reshape(expected.shape).tolist() == expected.tolist()
    if asked != "greedy":
        np.testing.assert_allclose(found["score"].ravel(), stored[f"{asked} score"], atol=1e-4)
