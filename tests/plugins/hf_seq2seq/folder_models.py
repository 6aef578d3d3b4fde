"""Models as they are read from folders, and what they answer."""

from dataclasses import dataclass

from seq2seq_folders import MOST, sources_of

from headstart.specs import BackboneRequest, FeatureSpec, Search, Stage
from headstart_plugins._sequences import DecoderConfig
from headstart_plugins.hf_seq2seq._folder import read_folder
from headstart_plugins.hf_seq2seq._options import EncoderOptions

FEATURE = FeatureSpec("tokens", "top", "x", ("batch", "time", "channel"), None, stride=1, mask="mask")
UNTIL = {True: "filled", False: "judged", "never": "certain"}


@dataclass(frozen=True)
class Continues:
    config: DecoderConfig
    search: Search

    def start(self, head, features):
        from headstart_plugins._sequences import decoding

        return decoding.start(self.config, head, features, most=self.search.most, beams=self.search.beams)

    def step(self, head, state, last, position):
        from headstart_plugins._sequences import decoding

        return decoding.step(self.config, state, last, position)


@dataclass(frozen=True)
class Model:
    network: object
    config: DecoderConfig
    tokens: dict

    def answers(self, asked, given=None, most=MOST):
        from headstart.engine.generation import generator

        search = Search(
            **{name: self.tokens[name] for name in ("start", "end", "pad", "banned")},
            most=most,
            beams=asked.get("num_beams", 1),
            length_penalty=asked.get("length_penalty", 1.0),
            until=UNTIL[asked.get("early_stopping", False)],
            answers=asked.get("num_return_sequences", 1),
            least=asked.get("min_new_tokens", 0),
        )
        return generator(self.network, Continues(self.config, search))(given or inputs())


def inputs():
    ids, mask = sources_of()
    return {"ids": ids, "mask": mask}


def read_model(path):
    """As it is read from a folder."""
    import keras

    from headstart.engine.network.network import Network
    from headstart.engine.network.stages import assign_arrays
    from headstart_plugins._sequences.decoder import decoder
    from headstart_plugins.hf_seq2seq._build import build
    from headstart_plugins.hf_seq2seq._load import load, load_head

    read, name = read_folder(path), str(path)
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
