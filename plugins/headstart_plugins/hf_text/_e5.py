"""The weights of multilingual-e5-small brought to our names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.specs import Backbone
from headstart_plugins.hf_text._e5_file import read_file

LAYERS: Mapping[str, str] = {
    "token": "emb.word",
    "type": "emb.type",
    "position": "emb.pos",
    "embeddings.norm": "emb.ln",
    "query": "q",
    "key": "k",
    "value": "v",
    "attention_output": "ao",
    "attention_norm": "aln",
    "hidden": "fi",
    "output": "fo",
    "norm": "oln",
}


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names. Raises WrongWeightsError for another file, or listing what differs."""
    stored = read_file(file)
    variables = name_variables(backbone.stages)
    wanted = dict(_sources(backbone))
    problems = [f"missing {name}" for name in wanted.values() if name not in stored.tensors]
    problems += [f"unexpected {name}" for name in sorted(stored.tensors.keys() - set(wanted.values()))]
    problems += [
        f"{wanted[name]} holds {stored.tensors[wanted[name]][1]} numbers, expected shape {tuple(variable.shape)}"
        for name, variable in variables.items()
        if wanted[name] in stored.tensors and stored.tensors[wanted[name]][1] != int(np.prod(variable.shape))
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    arrays = {}
    for name, source in wanted.items():
        shape = tuple(variables[name].shape)
        is_kernel = name.endswith("/kernel")
        array = stored.read(source).reshape(shape[::-1] if is_kernel else shape)
        arrays[name] = np.ascontiguousarray(array.T if is_kernel else array)
    return arrays


def _sources(backbone: Backbone) -> Iterator[tuple[str, str]]:
    """(our name, the file's) of every weight."""
    for stage in backbone.stages:
        for index, layer in enumerate(weighted_layers(stage.model)):
            module = LAYERS.get(f"{stage.name}.{layer.name}") or LAYERS.get(layer.name, layer.name)
            prefix = f"l{int(stage.name.removeprefix('block')) - 1}." if stage.name.startswith("block") else ""
            for variable in layer.weights:
                end = {"kernel": ".w", "gamma": ".w", "bias": ".b", "beta": ".b"}.get(str(variable.name), "")
                yield f"{stage.name}/{index}/{variable.name}", f"{prefix}{module}{end}"
