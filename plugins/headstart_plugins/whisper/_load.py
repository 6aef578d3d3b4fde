"""Brings the arrays of Whisper's encoder, of transformers' folders or CTranslate2's file, to our names and layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.errors import WrongWeightsError
from headstart.lists import in_line
from headstart.specs import Backbone, Stage
from headstart_plugins._stored_arrays import StoredArrays
from headstart_plugins.whisper._ctranslate import read_ctranslate_whisper
from headstart_plugins.whisper._stages import FRONT, POOL

PREFIXES = ("model.", "")
"""What names begin with: in a file of the whole model, and of the encoder with another head."""
TOLD_BY = "encoder.conv1.weight"
MODULES: Mapping[str, str] = {
    "conv1": "conv1",
    "conv2": "conv2",
    "position": "embed_positions",
    "attention_norm": "layers.{}.self_attn_layer_norm",
    "query": "layers.{}.self_attn.q_proj",
    "key": "layers.{}.self_attn.k_proj",
    "value": "layers.{}.self_attn.v_proj",
    "attention_output": "layers.{}.self_attn.out_proj",
    "norm": "layers.{}.final_layer_norm",
    "hidden": "layers.{}.fc1",
    "output": "layers.{}.fc2",
}
"""By our name of a layer; the norm of the last stage has one of its own."""
LAST_NORM = "layer_norm"
BIASES = ("bias", "beta")
OF_DECODER: Mapping[str, str] = {"embedding": "embed_tokens", "position": "embed_positions", "norm": "layer_norm"}
IN_DECODER: Mapping[str, str] = {
    "self_norm": "self_attn_layer_norm",
    "self_query": "self_attn.q_proj",
    "self_key": "self_attn.k_proj",
    "self_value": "self_attn.v_proj",
    "self_output": "self_attn.out_proj",
    "cross_norm": "encoder_attn_layer_norm",
    "cross_query": "encoder_attn.q_proj",
    "cross_key": "encoder_attn.k_proj",
    "cross_value": "encoder_attn.v_proj",
    "cross_output": "encoder_attn.out_proj",
    "norm": "final_layer_norm",
    "hidden": "fc1",
    "output": "fc2",
}
"""By our name of a layer: outside of the decoder's layers, and in each of them."""


class Arrays:
    """The arrays of one file by transformers' names without what all begin with; each is read when it is asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        if file.name.endswith(".bin"):
            read = read_ctranslate_whisper(file)
            names, self._read = frozenset(read), read.__getitem__
        else:
            stored = StoredArrays(file)
            names, self._read = stored.names, stored.read
        told = (prefix for prefix in PREFIXES if prefix + TOLD_BY in names)
        self._prefix = next(told, None)
        if self._prefix is None:
            raise WrongWeightsError(
                f"{file} holds no encoder of Whisper: {in_line(sorted(names), 4)}", hint=f"expected {TOLD_BY}"
            )
        self.names = frozenset(name.removeprefix(self._prefix) for name in names)
        self._given = names

    def read(self, name: str) -> np.ndarray:
        """As float32, of its own shape."""
        whole = f"{self._prefix}{name}"
        return self._read(whole if whole in self._given else name)


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The encoder's arrays of `file` under our names: float32, kernels as Keras lays them out; the rest is left out.

    `file` is `model.safetensors` of transformers, the index of its shards, or `model.bin` of CTranslate2. Raises
    WrongWeightsError for a file that is no such one, or listing the arrays that differ.
    """
    arrays = Arrays(file)
    wanted = {
        f"{stage.name}/{index}/{variable.name}": (f"encoder.{_module(stage, layer.name)}", str(variable.name))
        for stage in backbone.stages
        for index, layer in enumerate(weighted_layers(stage.model))
        for variable in layer.weights
    }
    return fitted(arrays, wanted, backbone.stages, lambda name: name.startswith("encoder."))


def load_head(file: Path, head: Stage) -> Mapping[str, np.ndarray]:
    """The decoder's arrays of `file` for a head as in `_sequences.decoder`. Raises WrongWeightsError as `load` does."""
    arrays = Arrays(file)
    wanted = {
        f"{head.name}/{index}/{variable.name}": (f"decoder.{module}", str(variable.name))
        for index, (module, layer) in enumerate(_decoder_layers(head.model))
        for variable in layer.weights
    }
    return fitted(arrays, wanted, (head,), lambda name: name.startswith("decoder."))


def _decoder_layers(model: keras.Model) -> Iterator[tuple[str, keras.Layer]]:
    """(their name, the layer) of those that hold weights, in the order of `weighted_layers`."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            place = f"layers.{int(layer.name.removeprefix('layer')) - 1}"
            yield from ((f"{place}.{IN_DECODER[inner.name]}", inner) for inner in weighted_layers(layer))
        elif layer.weights:
            yield OF_DECODER[layer.name], layer


def _module(stage: Stage, layer: str) -> str:
    if stage.name == POOL:
        return LAST_NORM
    return MODULES[layer] if stage.name == FRONT else MODULES[layer].format(int(stage.name.removeprefix("block")) - 1)


def fitted(
    arrays: Arrays,
    wanted: Mapping[str, tuple[str, str]],
    stages: tuple[Stage, ...],
    ours: Callable[[str], bool],
) -> dict[str, np.ndarray]:
    """The arrays of `wanted`, our name to (their module, our role), in Keras' layouts.

    Raises WrongWeightsError listing what is missing, of another shape, or there although it is `ours` and not wanted.
    """
    theirs = {name: f"{module}.{'bias' if role in BIASES else 'weight'}" for name, (module, role) in wanted.items()}
    problems = [f"missing {name}" for name in theirs.values() if name not in arrays.names]
    problems += [f"unexpected {name}" for name in sorted(arrays.names - {*theirs.values()}) if ours(name)]
    if problems:
        raise wrong_weights(str(arrays.file), list(dict.fromkeys(problems)))
    found = {name: _as_keras(arrays.read(theirs[name]), role) for name, (_, role) in wanted.items()}
    problems = list(_misfits(found, theirs, stages))
    if problems:
        raise wrong_weights(str(arrays.file), problems)
    return found


def _misfits(found: Mapping[str, np.ndarray], theirs: Mapping[str, str], stages: tuple[Stage, ...]) -> Iterator[str]:
    variables = name_variables(stages)
    for name, array in found.items():
        expected = tuple(variables[name].shape)
        if array.shape != expected:
            yield f"{theirs[name]} has shape {array.shape} in our layout, expected {expected}"


def _as_keras(array: np.ndarray, role: str) -> np.ndarray:
    """Kernels are (out, in) and (out, in, width) in torch; (in, out) and (width, in, out) here."""
    return np.ascontiguousarray(array.transpose() if role == "kernel" else array, dtype=np.float32)
