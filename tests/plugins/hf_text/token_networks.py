"""Small transformers of every form; run as a program, it exports them all to folders of their names.

KERAS_BACKEND=openvino python token_networks.py FOLDER
"""

import sys
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.lsuv_init import seed_arrays
from headstart.engine.network.network import Network
from headstart.specs import BackboneRequest, EngineExport, Stage
from headstart_plugins.hf_text._build import build
from headstart_plugins.hf_text._options import TransformerOptions
from headstart_plugins.hf_text._specs import TINY, features

FORMS = {
    "bert": {"normalise": True},
    "pooler": {"pooling": "pooler", "activation": "relu", "first_position": 2},
    "modernbert": {
        "pre_norm": True,
        "bias": False,
        "gated": True,
        "types": 0,
        "pooling": "max",
        "rotary": 500.0,
        "local_rotary": 90.0,
        "local_window": 6,
        "global_every": 2,
    },
    "gpt2": {"pre_norm": True, "causal": True, "types": 0, "pooling": "last", "activation": "gelu_tanh"},
}
ENTRIES = {"ids": "int32", "types": "int32", "mask": "bool"}


def networks():
    """Of each form the network, its length left open, and how many of its stages an engine runs."""
    found = {}
    for name, form in FORMS.items():
        stages = build(BackboneRequest(TransformerOptions(**{**TINY, **form}), {})).stages
        seed_arrays(stages, seed=3)
        entries = {entry: keras.Input((None,), dtype=dtype, name=entry) for entry, dtype in ENTRIES.items()}
        first = keras.Model(entries, {entry: keras.layers.Identity()(tensor) for entry, tensor in entries.items()})
        pooled = keras.Input((16,), name="pooled")
        head = keras.Model({"pooled": pooled}, {"out": keras.layers.Dense(2)(pooled)})
        network = Network((Stage("input", first), *stages, Stage("head", head)), features(16))
        found[name] = network, len(stages) + 1
    return found


def batch(time):
    """Five samples of so many tokens at most, the others padded."""
    generator = np.random.default_rng(time)
    mask = np.arange(time) < np.maximum(1, time // np.array([1, 1, 2, 3, time]))[:, None]
    ids = np.where(mask, generator.integers(5, 200, mask.shape), 0).astype("int32")
    return {"ids": ids, "types": (ids % 2).astype("int32"), "mask": mask}


def main():
    if keras.backend.backend() == "openvino":
        from headstart_plugins.engines._openvino_export import export
    else:
        from headstart_plugins.engines._onnx_export import export
    for name, (network, stop) in networks().items():
        folder = Path(sys.argv[1]) / name
        folder.mkdir()
        export(EngineExport(network, stop, folder))


if __name__ == "__main__":
    main()
