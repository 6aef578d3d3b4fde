"""The weights of MarianMT, T5 and mT5 brought to our names."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from headstart.documents import read_object
from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.errors import WrongWeightsError
from headstart.lists import in_line
from headstart.specs import Backbone, Stage
from headstart_plugins._stored_arrays import StoredArrays

LARGEST_JSON = 64 * 2**20


@dataclass(frozen=True)
class Side:
    """How a family calls the layers of its encoder or its decoder: by our name where they stand, `{}` for the number of
    a layer. `tables` are names of the table of tokens, of which the first that is there is taken."""

    layers: Mapping[str, str]
    tables: tuple[str, ...]
    unused: tuple[str, ...] = ()


def _marian(side: str, *attentions: tuple[str, str]) -> dict[str, str]:
    stem = f"model.{side}.layers.{{}}."
    found = {"hidden": f"{stem}fc1", "output": f"{stem}fc2", "norm": f"{stem}final_layer_norm"}
    for ours, theirs in attentions:
        found |= {f"{ours}_{part}": f"{stem}{theirs}.{part[0]}_proj" for part in ("query", "key", "value")}
        found |= {f"{ours}_output": f"{stem}{theirs}.out_proj", f"{ours}_norm": f"{stem}{theirs}_layer_norm"}
    return found


def _t5(side: str, *attentions: tuple[str, str]) -> dict[str, str]:
    stem = f"{side}.block.{{}}.layer"
    last = len(attentions)
    found = {"norm": f"{stem}.{last}.layer_norm", "top.norm": f"{side}.final_layer_norm"}
    found |= {"hidden": f"{stem}.{last}.DenseReluDense.wi", "output": f"{stem}.{last}.DenseReluDense.wo"}
    found["gate"] = f"{stem}.{last}.DenseReluDense.wi_1"
    found["relative"] = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias"
    for number, (ours, theirs) in enumerate(attentions):
        found |= {f"{ours}_{part}": f"{stem}.{number}.{theirs}.{part[0]}" for part in ("query", "key", "value")}
        found |= {f"{ours}_output": f"{stem}.{number}.{theirs}.o", f"{ours}_norm": f"{stem}.{number}.layer_norm"}
    return found


DECODER_POSITIONS = "model.decoder.embed_positions.weight"
UNUSED = (
    *("model.encoder.embed_positions.weight", DECODER_POSITIONS),
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
)
"""Sines that old releases of transformers saved, and a table that no T5 reads."""
MARIAN = {
    "encoder": Side(
        _marian("encoder", ("self", "self_attn")), ("model.encoder.embed_tokens.weight", "model.shared.weight")
    ),
    "decoder": Side(
        {
            **_marian("decoder", ("self", "self_attn"), ("cross", "encoder_attn")),
            "unembedding": "lm_head",
            "logits_bias": "final_logits_bias",
        },
        ("model.decoder.embed_tokens.weight", "model.shared.weight", "lm_head.weight"),
    ),
}
T5 = {
    "encoder": Side(_t5("encoder", ("self", "SelfAttention")), ("shared.weight", "encoder.embed_tokens.weight")),
    "decoder": Side(
        {**_t5("decoder", ("self", "SelfAttention"), ("cross", "EncDecAttention")), "unembedding": "lm_head"},
        ("shared.weight", "decoder.embed_tokens.weight", "lm_head.weight"),
    ),
}
FAMILIES = (MARIAN, T5)
ROLES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "scale": "weight"}
ROLES |= {"embeddings": "weight"}


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of the encoder in a folder's `file`, `model.safetensors` or the index of its shards, under our names:
    float32, kernels as Keras lays them out.

    Raises WrongWeightsError for a file that is no such one, or listing the arrays that differ.
    """
    return _read(file, "encoder", backbone.stages)


def load_head(file: Path, head: Stage) -> Mapping[str, np.ndarray]:
    """The same of the decoder."""
    return _read(file, "decoder", [head])


def _read(file: Path, part: str, stages: Sequence[Stage]) -> dict[str, np.ndarray]:
    stored = StoredArrays(file)
    told = {each["encoder"].layers["self_query"].format(0) + ".weight": each for each in FAMILIES}
    family = next((each for name, each in told.items() if name in stored.names), None)
    if family is None:
        raise WrongWeightsError(
            f"{file} holds the arrays of no model that is known here: {in_line(sorted(stored.names), 4)}",
            hint="known are MarianMT, T5 and mT5",
        )
    side, variables = family[part], name_variables(stages)
    wanted = dict(sources(stages, side, stored.names))
    expected = {*wanted.values(), *side.tables}
    problems = [f"missing {name}" for name in wanted.values() if name not in stored.names]
    left = sorted(stored.names - expected - {*UNUSED})
    problems += [f"unexpected {name}" for name in left if name.removeprefix("model.").startswith(f"{part}.")]
    if problems:
        raise wrong_weights(str(file), list(dict.fromkeys(problems)))
    arrays = {}
    for ours, theirs in wanted.items():
        array = stored.read(theirs)
        if ours.endswith("/kernel"):
            array = array.T
        if theirs == "final_logits_bias":
            array = array.reshape(-1)
        arrays[ours] = np.ascontiguousarray(array)
    if part == "decoder" and DECODER_POSITIONS in stored.names:
        _fold_first_position(file, stored, arrays, wanted)
    problems = [
        f"{wanted[name]} has shape {array.shape} in our layout, expected {tuple(variables[name].shape)}"
        for name, array in arrays.items()
        if array.shape != tuple(variables[name].shape)
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    return arrays


def _fold_first_position(
    file: Path, stored: StoredArrays, arrays: dict[str, np.ndarray], names: Mapping[str, str]
) -> None:
    """Positions are sines, but for the first one of a folder that `export` wrote: what the start is told by beside its
    sines, since others begin with zeros there. Raises WrongWeightsError for other positions."""
    config = read_object(file.parent / "config.json", LARGEST_JSON, WrongWeightsError)
    positions, width = stored.read(DECODER_POSITIONS), int(config["d_model"])
    apart = positions - positions_of(len(positions), width)
    if np.abs(apart[1:]).max(initial=0.0) > 1e-4:
        raise WrongWeightsError(f"{file}: {DECODER_POSITIONS} holds no sines", hint="learned positions are not read")
    if np.abs(apart[0]).max() > 1e-6:
        ours = next(name for name, theirs in names.items() if theirs in MARIAN["decoder"].tables)
        scale = width**0.5 if config.get("scale_embedding") else 1.0
        arrays[ours][int(config["decoder_start_token_id"])] += apart[0] / scale


def positions_of(count: int, width: int) -> np.ndarray:
    """Sines in the first half and cosines in the second, (count, width) float32."""
    place = np.arange(width)
    half = width // 2 + width % 2
    angle = np.arange(count)[:, None] / np.power(10000.0, 2 * (place % half) / width)
    return np.where(place < half, np.sin(angle), np.cos(angle)).astype(np.float32)


def sources(stages: Sequence[Stage], side: Side, names: Container[str]) -> Iterator[tuple[str, str]]:
    """(our name, theirs) of every weight, bottom first; `names` are those of the arrays that there are."""
    for stage in stages:
        for index, (number, layer) in enumerate(_numbered(stage)):
            known = side.layers.get(f"top.{layer.name}") if number is None else None
            module = (known or side.layers.get(layer.name, layer.name)).format(number)
            for variable in layer.weights:
                role = str(variable.name)
                if layer.name == "embedding":
                    theirs = next((name for name in side.tables if name in names), side.tables[0])
                elif layer.name == "logits_bias":
                    theirs = module
                else:
                    theirs = f"{module}.{ROLES[role]}"
                    if layer.name == "hidden" and theirs not in names and f"{module}_0.weight" in names:
                        theirs = f"{module}_0.weight"  # T5's gated units
                yield f"{stage.name}/{index}/{role}", theirs


def _numbered(stage: Stage) -> Iterator[tuple[int | None, keras.layers.Layer]]:
    """The layers that hold weights, with the number of the transformer's layer that they are in, None outside."""
    inside = {id(layer): stage.name for layer in weighted_layers(stage.model)}
    for model in stage.model.layers:
        if isinstance(model, keras.Model):
            inside |= {id(layer): model.name for layer in weighted_layers(model)}
    for layer in weighted_layers(stage.model):
        found = re.fullmatch(r"layer(\d+)", inside[id(layer)])
        yield (int(found[1]) - 1 if found else None), layer
