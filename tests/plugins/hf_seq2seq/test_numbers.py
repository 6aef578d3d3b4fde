"""Small random models of each family against what transformers computed and answered, recorded by
tests/references/hf_seq2seq.py."""

from pathlib import Path

import numpy as np
import pytest
from folder_models import inputs, read_model
from seq2seq_folders import CONFIGS, SEARCHES, previous, write_folder

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="session")
def recorded():
    return np.load(Path(__file__).parent / "small.npz")


def model_of(name, folder):
    """As it is written to a folder, with files that stand for vocabularies."""
    path = write_folder(folder / name, name)
    for file in ("source.spm", "target.spm", "vocab.json", "spiece.model"):
        (path / file).touch()
    return read_model(path)


@pytest.fixture(scope="module", params=CONFIGS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, tmp_path_factory):
    return model_of(name, tmp_path_factory.mktemp("folders"))


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
