"""Reads the weights of Hugging Face folders: safetensors of any float type, in one file or in shards, brought to our
names and layouts as float32."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.errors import WrongWeightsError
from headstart.specs import Backbone
from headstart_plugins.hf_text._stages import EMBEDDINGS, POOL

INDEX = ".index.json"
FLOATS: Mapping[str, str] = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
LARGEST_HEADER = 100 * 2**20


@dataclass(frozen=True)
class Source:
    """Where the numbers of one weight are: the array `name` of the file, of its last axis' `part` of `parts` where
    several were made one; `turned` where it is stored (out, in)."""

    name: str
    turned: bool = False
    part: int = 0
    parts: int = 1
    axis: int = 0
    """That the parts lie along."""


@dataclass(frozen=True)
class Layout:
    """How a family of models calls its arrays.

    `prefixes` are what names may begin with; `layers` has for each layer of a stage, by our name for it, the module in
    the file, `{}` the number of its block; `unused` begin the names of arrays that belong to heads.
    """

    prefixes: tuple[str, ...]
    layers: Mapping[str, str]
    unused: tuple[str, ...] = ()
    fused: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Part and count of layers that are stored as one."""
    turned: bool = True
    """Kernels are (out, in), as torch's Linear has them; GPT-2's are (in, out)."""


BERT = Layout(
    ("", "bert.", "roberta.", "model."),
    {
        "token": "embeddings.word_embeddings",
        "type": "embeddings.token_type_embeddings",
        "position": "embeddings.position_embeddings",
        "embeddings.norm": "embeddings.LayerNorm",
        "query": "encoder.layer.{}.attention.self.query",
        "key": "encoder.layer.{}.attention.self.key",
        "value": "encoder.layer.{}.attention.self.value",
        "attention_output": "encoder.layer.{}.attention.output.dense",
        "attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
        "hidden": "encoder.layer.{}.intermediate.dense",
        "output": "encoder.layer.{}.output.dense",
        "norm": "encoder.layer.{}.output.LayerNorm",
        "pooler": "pooler.dense",
    },
    (
        "pooler.",
        "cls.",
        "lm_head.",
        "classifier.",
        "qa_outputs.",
        "embeddings.position_ids",
        "embeddings.token_type_ids",
    ),
)
DISTILBERT = Layout(
    ("", "distilbert."),
    {
        "token": "embeddings.word_embeddings",
        "position": "embeddings.position_embeddings",
        "embeddings.norm": "embeddings.LayerNorm",
        "query": "transformer.layer.{}.attention.q_lin",
        "key": "transformer.layer.{}.attention.k_lin",
        "value": "transformer.layer.{}.attention.v_lin",
        "attention_output": "transformer.layer.{}.attention.out_lin",
        "attention_norm": "transformer.layer.{}.sa_layer_norm",
        "hidden": "transformer.layer.{}.ffn.lin1",
        "output": "transformer.layer.{}.ffn.lin2",
        "norm": "transformer.layer.{}.output_layer_norm",
    },
    ("vocab_", "pre_classifier.", "classifier.", "qa_outputs.", "embeddings.position_ids"),
)
MODERNBERT = Layout(
    ("", "model."),
    {
        "token": "embeddings.tok_embeddings",
        "embeddings.norm": "embeddings.norm",
        "query": "layers.{}.attn.Wqkv",
        "key": "layers.{}.attn.Wqkv",
        "value": "layers.{}.attn.Wqkv",
        "attention_output": "layers.{}.attn.Wo",
        "attention_norm": "layers.{}.attn_norm",
        "hidden": "layers.{}.mlp.Wi",
        "gate": "layers.{}.mlp.Wi",
        "output": "layers.{}.mlp.Wo",
        "norm": "layers.{}.mlp_norm",
        "pool.norm": "final_norm",
    },
    ("head.", "decoder.", "classifier."),
    {"query": (0, 3), "key": (1, 3), "value": (2, 3), "hidden": (0, 2), "gate": (1, 2)},
)
GPT2 = Layout(
    ("", "transformer."),
    {
        "token": "wte",
        "position": "wpe",
        "query": "h.{}.attn.c_attn",
        "key": "h.{}.attn.c_attn",
        "value": "h.{}.attn.c_attn",
        "attention_output": "h.{}.attn.c_proj",
        "attention_norm": "h.{}.ln_1",
        "hidden": "h.{}.mlp.c_fc",
        "output": "h.{}.mlp.c_proj",
        "norm": "h.{}.ln_2",
        "pool.norm": "ln_f",
    },
    ("lm_head.", "score."),
    {"query": (0, 3), "key": (1, 3), "value": (2, 3)},
    turned=False,
)
LAYOUTS = (BERT, DISTILBERT, MODERNBERT, GPT2)
BUFFERS = (".attn.bias", ".attn.masked_bias", ".position_ids", ".token_type_ids", "rotary_emb.inv_freq")
"""How names of arrays end that old releases saved and that hold no weights."""


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of a folder's `file`, `model.safetensors` or the index of its shards, under our names: float32,
    kernels as Keras lays them out. Heads that the file holds are left out.

    Raises WrongWeightsError for a file that is no such one, or listing the arrays that differ.
    """
    stored = StoredArrays(file)
    first = next((layout for layout in LAYOUTS if _prefix(layout, stored) is not None), None)
    if first is None:
        raise WrongWeightsError(
            f"{file} holds the arrays of no model that is known here: {', '.join(sorted(stored.names)[:4])}, ...",
            hint="known are BERT, RoBERTa, XLM-R, DistilBERT, ModernBERT and GPT-2",
        )
    prefix = _prefix(first, stored) or ""
    variables = name_variables(backbone.stages)
    wanted = dict(_sources(backbone, first, prefix, stored))
    used = {source.name for source in wanted.values()}
    problems = [f"missing {source.name}" for source in wanted.values() if source.name not in stored.names]
    problems += [
        f"unexpected {name}" for name in sorted(stored.names - used) if not _belongs_to_a_head(name, prefix, first)
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    arrays = {name: _read(stored, source) for name, source in wanted.items()}
    problems = [
        f"{wanted[name].name} has shape {array.shape} in our layout, expected {tuple(variables[name].shape)}"
        for name, array in arrays.items()
        if array.shape != tuple(variables[name].shape)
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    return arrays


def _prefix(layout: Layout, stored: StoredArrays) -> str | None:
    """What the file's names begin with, where it is laid out so: told by a layer that each family calls otherwise."""
    told = f"{layout.layers['attention_output'].format(0)}.weight"
    return next((prefix for prefix in layout.prefixes if prefix + told in stored.names), None)


def _belongs_to_a_head(name: str, prefix: str, layout: Layout) -> bool:
    inside = name.removeprefix(prefix)
    return inside.startswith(layout.unused) or name.startswith(layout.unused) or name.endswith(BUFFERS)


def _sources(backbone: Backbone, layout: Layout, prefix: str, stored: StoredArrays) -> Iterator[tuple[str, Source]]:
    """(our name, where its numbers are) of every weight, bottom first."""
    for stage in backbone.stages:
        number = int(stage.name.removeprefix("block")) - 1 if stage.name not in (EMBEDDINGS, POOL) else 0
        for index, layer in enumerate(weighted_layers(stage.model)):
            module = layout.layers.get(f"{stage.name}.{layer.name}") or layout.layers[layer.name]
            module = prefix + module.format(number)
            part, parts = layout.fused.get(layer.name, (0, 1))
            for variable in layer.weights:
                role = str(variable.name)
                yield f"{stage.name}/{index}/{role}", _source(module, role, part, parts, layout, stored)


def _source(module: str, role: str, part: int, parts: int, layout: Layout, stored: StoredArrays) -> Source:
    is_kernel, end = role == "kernel", "bias" if role in ("bias", "beta") else "weight"
    if role in ("gamma", "beta") and f"{module}.{role}" in stored.names:
        end = role  # as the first releases of BERT called them
    axis = -1 if is_kernel and not layout.turned else 0
    return Source(f"{module}.{end}", is_kernel and layout.turned, part, parts, axis)


def _read(stored: StoredArrays, source: Source) -> np.ndarray:
    array = stored.read(source.name)
    if source.parts > 1:
        array = np.split(array, source.parts, axis=source.axis)[source.part]
    return np.ascontiguousarray(array.T if source.turned else array, dtype=np.float32)


class StoredArrays:
    """The arrays of a safetensors file, or of the shards that an index lists: read one at a time, memory-mapped.

    Written out here since `safetensors.numpy` 0.8 knows bfloat16 only where `ml_dtypes` was imported before. Raises
    WrongWeightsError for what is no such file.
    """

    def __init__(self, file: Path) -> None:
        self._places: dict[str, tuple[Path, int, Mapping[str, Any]]] = {}
        shards = [file]
        if file.name.endswith(INDEX):
            listed = json.loads(file.read_text("utf-8")).get("weight_map")
            if not isinstance(listed, dict) or any("/" in str(name) or "\\" in str(name) for name in listed.values()):
                raise WrongWeightsError(f"{file} is no index of shards", hint="expected an object with `weight_map`")
            shards = [file.parent / str(name) for name in sorted(set(listed.values()))]
        for shard in shards:
            begin, header = _header(shard)
            self._places |= {name: (shard, begin, facts) for name, facts in header.items()}

    @property
    def names(self) -> frozenset[str]:
        """Of all arrays."""
        return frozenset(self._places)

    def read(self, name: str) -> np.ndarray:
        """One array as float32, of its own shape. Raises WrongWeightsError for one that holds no floats."""
        file, begin, facts = self._places[name]
        kind, shape, (start, stop) = facts["dtype"], tuple(facts["shape"]), facts["data_offsets"]
        dtype = "<u2" if kind == "BF16" else FLOATS.get(kind)
        if dtype is None:
            raise WrongWeightsError(f"{file}: {name} holds {kind}", hint=f"expected BF16, {', '.join(FLOATS)}")
        count = int(np.prod(shape, dtype=np.int64))
        if stop - start != count * np.dtype(dtype).itemsize or begin + stop > file.stat().st_size:
            raise WrongWeightsError(f"{file}: {name} is cut short", hint="get another copy of the weights")
        raw = np.fromfile(file, dtype, count, offset=begin + start).reshape(shape)
        if kind == "BF16":  # the upper half of a float32
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32, copy=False)


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Where the data of a file begins, and what its header says of each array."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > min(LARGEST_HEADER, file.stat().st_size):
                raise ValueError(f"its header claims {length} bytes")
            header = json.loads(stream.read(length).decode("utf-8"))
        header.pop("__metadata__", None)
        for facts in header.values():
            _ = facts["dtype"], facts["shape"], facts["data_offsets"]
    except FileNotFoundError as exc:
        raise WrongWeightsError(f"there is no {file}", hint="the folder is not whole: get it again") from exc
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise WrongWeightsError(f"{file} cannot be read as safetensors: {exc}", hint="get another copy") from exc
    return 8 + length, header
