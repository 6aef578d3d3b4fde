"""Small random models of each family against what transformers computed and answered, recorded by
tests/references/hf_seq2seq.py."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from seq2seq_folders import CONFIGS, MOST, SEARCHES, previous, sources_of, write_folder

from headstart.specs import BackboneRequest, FeatureSpec, Search, Stage
from headstart_plugins._sequences import DecoderConfig
from headstart_plugins.hf_seq2seq._folder import read_folder
from headstart_plugins.hf_seq2seq._options import EncoderOptions

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

FEATURE = FeatureSpec("tokens", "top", "x", ("batch", "time", "channel"), None, stride=1, mask="mask")
UNTIL = {True: "filled", False: "judged", "never": "certain"}


@dataclass(frozen=True)
class Continues:
    config: DecoderConfig
    search: Search

    def start(self, head, features):
        from headstart_plugins._sequences import decoding

        return decoding.start(self.config, head, features, most=self.search.most)

    def step(self, head, state, last, position):
        from headstart_plugins._sequences import decoding

        return decoding.step(self.config, state, last, position)


@dataclass(frozen=True)
class Model:
    network: object
    config: DecoderConfig
    tokens: dict

    def answers(self, asked):
        from headstart.engine.generation import generator

        search = Search(
            **{name: self.tokens[name] for name in ("start", "end", "pad", "banned")},
            most=MOST,
            beams=asked.get("num_beams", 1),
            length_penalty=asked.get("length_penalty", 1.0),
            until=UNTIL[asked.get("early_stopping", False)],
            answers=asked.get("num_return_sequences", 1),
            least=asked.get("min_new_tokens", 0),
        )
        return generator(self.network, Continues(self.config, search))(inputs())


def inputs():
    ids, mask = sources_of()
    return {"ids": ids, "mask": mask}


@pytest.fixture(scope="session")
def recorded():
    return np.load(Path(__file__).parent / "small.npz")


def model_of(name, folder):
    """As it is read from a folder."""
    import keras

    from headstart.engine.network.network import Network
    from headstart.engine.network.stages import assign_arrays
    from headstart_plugins._sequences.decoder import decoder
    from headstart_plugins.hf_seq2seq._build import build
    from headstart_plugins.hf_seq2seq._load import load, load_head

    path = write_folder(folder / name, name)
    for file in ("source.spm", "target.spm", "vocab.json", "spiece.model"):
        (path / file).touch()
    read = read_folder(path)
    backbone = build(BackboneRequest(EncoderOptions(**read.given), {}))
    assign_arrays(backbone.stages, load(path / read.weights, backbone), source=name)
    shapes = {"tokens": (None, None, read.given["width"]), "tokens.mask": (None, None)}
    head = Stage("head", decoder(read.decoder, shapes, seed=0))
    assign_arrays([head], load_head(path / read.weights, head), source=name)
    entries = {
        "ids": keras.Input((None,), dtype="int32", name="ids"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    below = Stage("input", keras.Model(entries, {n: keras.layers.Identity()(each) for n, each in entries.items()}))
    return Model(Network((below, *backbone.stages, head), (FEATURE,)), read.decoder, read.tokens)


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
