"""Brings the arrays of Hugging Face folders to our names and layouts, family by family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.errors import WrongWeightsError
from headstart.lists import in_line
from headstart.specs import Backbone
from headstart_plugins._stored_arrays import StoredArrays
from headstart_plugins.hf_text._stages import EMBEDDINGS, POOL


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
    tied: tuple[str, ...] = ()
    """Arrays of heads that are the table of tokens, which some files hold under that name alone."""
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
    ("cls.predictions.decoder.weight", "lm_head.decoder.weight"),
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
    ("vocab_projector.weight",),
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
    ("decoder.weight",),
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
    ("lm_head.weight",),
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
    form = _form(stored)
    variables = name_variables(backbone.stages)
    wanted = dict(_sources(backbone, form, stored))
    used = {source.name for source in wanted.values()}
    problems = [f"missing {source.name}" for source in wanted.values() if source.name not in stored.names]
    problems += [f"unexpected {name}" for name in sorted(stored.names - used) if not form.leaves_out(name)]
    if problems:
        raise wrong_weights(str(file), list(dict.fromkeys(problems)))
    arrays = {name: _read(stored, source) for name, source in wanted.items()}
    problems = [
        f"{wanted[name].name} has shape {array.shape} in our layout, expected {tuple(variables[name].shape)}"
        for name, array in arrays.items()
        if array.shape != tuple(variables[name].shape)
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    return arrays


@dataclass(frozen=True)
class Form:
    """How one file calls its arrays: by a family's layout, all after a prefix."""

    layout: Layout
    prefix: str

    def leaves_out(self, name: str) -> bool:
        """Whether an array belongs to a head, or is no weight."""
        unused = self.layout.unused
        return name.removeprefix(self.prefix).startswith(unused) or name.startswith(unused) or name.endswith(BUFFERS)


def _form(stored: StoredArrays) -> Form:
    """Told by a layer that each family calls otherwise. Raises WrongWeightsError where there is none."""
    for layout in LAYOUTS:
        told = f"{layout.layers['attention_output'].format(0)}.weight"
        for prefix in layout.prefixes:
            if prefix + told in stored.names:
                return Form(layout, prefix)
    raise WrongWeightsError(
        f"{stored.file} holds the arrays of no model that is known here: {in_line(sorted(stored.names), 4)}",
        hint="known are BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT, ModernBERT and GPT-2",
    )


def _sources(backbone: Backbone, form: Form, stored: StoredArrays) -> Iterator[tuple[str, Source]]:
    """(our name, where its numbers are) of every weight, bottom first."""
    layers = form.layout.layers
    for stage in backbone.stages:
        number = int(stage.name.removeprefix("block")) - 1 if stage.name not in (EMBEDDINGS, POOL) else 0
        for index, layer in enumerate(weighted_layers(stage.model)):
            # a layer that the family does not have, such as DistilBERT's pooler, is missing under our name for it
            module = layers.get(f"{stage.name}.{layer.name}") or layers.get(layer.name, layer.name)
            module = form.prefix + module.format(number)
            part = form.layout.fused.get(layer.name, (0, 1))
            for variable in layer.weights:
                yield f"{stage.name}/{index}/{variable.name}", _source(module, str(variable.name), part, form, stored)


def _source(module: str, role: str, part: tuple[int, int], form: Form, stored: StoredArrays) -> Source:
    is_kernel, turned = role == "kernel", form.layout.turned
    name = f"{module}.{'bias' if role in ('bias', 'beta') else 'weight'}"
    if role in ("gamma", "beta") and f"{module}.{role}" in stored.names:
        name = f"{module}.{role}"  # as the first releases of BERT called them
    if module == form.prefix + form.layout.layers["token"] and name not in stored.names:
        name = next((tied for tied in form.layout.tied if tied in stored.names), name)
    return Source(name, is_kernel and turned, *part, axis=-1 if is_kernel and not turned else 0)


def _read(stored: StoredArrays, source: Source) -> np.ndarray:
    array = stored.read(source.name)
    if source.parts > 1:
        array = np.split(array, source.parts, axis=source.axis)[source.part]
    return np.ascontiguousarray(array.T if source.turned else array, dtype=np.float32)
