"""What a Hugging Face folder says of its model: the network's shape, how texts are read, how tokens are pooled. JSON
alone is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.documents import read_object
from headstart.errors import UsageError
from headstart.options import parse_options
from headstart_plugins._stored_arrays import weights_in
from headstart_plugins.hf_text._options import TransformerOptions

CONFIG = "config.json"
TOKENIZERS: tuple[tuple[str, ...], ...] = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))
"""The files of a tokenizer, in each of the forms that are read; the first that is there is taken."""
TOKENIZER_CONFIG = "tokenizer_config.json"
SIGNS_OF_TEXT = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "spm.model")
"""Files of tokenizers, of kinds that are not read here too."""
ACTIVATIONS: Mapping[str, str] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
POOLINGS: Mapping[str, str] = {
    "mean": "mean",
    "cls": "cls",
    "max": "max",
    "lasttoken": "last",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}
LARGEST_JSON = 64 * 2**20


@dataclass(frozen=True)
class Folder:
    """A folder as read: the kind of model, the options that its files fix, the preprocessing of its texts, the weights
    file, and the tokenizer's files."""

    kind: str
    given: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    weights: str
    tokenizer: tuple[str, ...]


def is_text_model(path: Path) -> bool:
    """Whether a folder's config.json names a kind of model that is read here, or another one that has a tokenizer; not
    those of an encoder and a decoder, such as T5 and Whisper, which others read."""
    try:
        config = read_object(path / CONFIG, LARGEST_JSON, UsageError)
    except UsageError:
        return False
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind in KINDS:
        return isinstance(kind, str)
    return not config.get("is_encoder_decoder") and any((path / name).is_file() for name in SIGNS_OF_TEXT)


def read_folder(path: Path) -> Folder:
    """What the folder says. Raises UsageError naming the file, and what of it is not as it should be."""
    config = _object(path / CONFIG)
    kind = str(config.get("model_type"))
    if kind not in KINDS:
        raise UsageError(
            f"{path} holds a model of type {kind!r}, which is not read",
            hint=f"types of text models that are: {', '.join(sorted(KINDS))}",
        )
    weights = weights_in(path)
    tokenizer = next((files for files in TOKENIZERS if all((path / name).is_file() for name in files)), None)
    if tokenizer is None:
        raise UsageError(
            f"{path} has no tokenizer.json", hint="save the tokenizer into it: tokenizer.save_pretrained(FOLDER)"
        )
    try:
        given = KINDS[kind](config)
    except KeyError as exc:
        raise UsageError(f"{path / CONFIG} has no {exc}", hint="get another copy of the folder") from exc
    except (AttributeError, TypeError, ValueError) as exc:
        raise UsageError(f"{path / CONFIG} cannot be used: {exc}", hint="choose another model") from exc
    _, wrong = parse_options(TransformerOptions, given, CONFIG, kind)
    if wrong:
        raise UsageError(f"{path}: {wrong[0].where}: {wrong[0].message}", hint="get another copy of the folder")
    words = _optional(path / TOKENIZER_CONFIG)
    lowercase, prefix = bool(words.get("do_lower_case", kind in ("bert", "distilbert"))), _prompt(path)
    sentences = _sentences(path, lowercase=lowercase, prefix=prefix)
    preprocess = {
        "family": kind,
        "length": _length(path, sentences, words, given["positions"]),
        "lowercase": lowercase,
        "prefix": prefix,
        "vocabulary": given["vocabulary"],
    }
    pooling: dict[str, Any] = {name: sentences[name] for name in ("pooling", "normalise") if name in sentences}
    files = (*tokenizer, *([TOKENIZER_CONFIG] if (path / TOKENIZER_CONFIG).is_file() else []))
    return Folder(kind, {**given, **pooling}, preprocess, weights, files)


def _prompt(path: Path) -> str:
    """What a sentence encoder puts before each text where nothing else is asked for."""
    stated = _optional(path / "config_sentence_transformers.json")
    prompts, name = stated.get("prompts"), stated.get("default_prompt_name")
    prompt = prompts.get(name) if isinstance(prompts, dict) and isinstance(name, str) else None
    return prompt if isinstance(prompt, str) else ""


def _bert(config: Mapping[str, Any]) -> dict[str, Any]:
    first = int(config.get("pad_token_id", 1)) + 1 if config["model_type"] in FROM_PADDING else 0
    kind = config.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise ValueError(f"position_embedding_type {kind!r}: absolute positions alone are read")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise ValueError("is_decoder: encoders alone are read")
    return {
        "vocabulary": config["vocab_size"],
        "width": config["hidden_size"],
        "blocks": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "hidden": config["intermediate_size"],
        "positions": config["max_position_embeddings"] - first,
        "first_position": first,
        "types": config["type_vocab_size"],
        "activation": _activation(config.get("hidden_act", "gelu")),
        "epsilon": config.get("layer_norm_eps", 1e-12),
    }


FROM_PADDING = ("roberta", "xlm-roberta", "camembert")
"""Kinds whose first position is the one after the padding token's id."""


def _distilbert(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "vocabulary": config["vocab_size"],
        "width": config["dim"],
        "blocks": config["n_layers"],
        "heads": config["n_heads"],
        "hidden": config["hidden_dim"],
        "positions": config["max_position_embeddings"],
        "types": 0,
        "activation": _activation(config.get("activation", "gelu")),
        "epsilon": 1e-12,
    }


def _modernbert(config: Mapping[str, Any]) -> dict[str, Any]:
    if any(config.get(name) for name in ("norm_bias", "attention_bias", "mlp_bias")):
        raise ValueError("norm_bias, attention_bias or mlp_bias: layers without biases alone are read")
    full, local = _rotary_bases(config)
    every = config.get("global_attn_every_n_layers", 3)
    stated = config.get("layer_types")
    if stated is not None:  # since transformers 5, in place of the number
        every = next((number for number, kind in enumerate(stated) if number and kind == FULL), len(stated))
        if stated != [LOCAL if number % every else FULL for number in range(config["num_hidden_layers"])]:
            raise ValueError(f"layer_types {stated}: every so many layers a {FULL} alone is read")
    return {
        "vocabulary": config["vocab_size"],
        "width": config["hidden_size"],
        "blocks": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "hidden": config["intermediate_size"],
        "positions": config["max_position_embeddings"],
        "types": 0,
        "activation": _activation(config.get("hidden_activation", "gelu")),
        "epsilon": config.get("norm_eps", 1e-5),
        "pre_norm": True,
        "bias": False,
        "gated": True,
        "rotary": full,
        "local_rotary": local,
        "local_window": config.get("local_attention", 128),
        "global_every": every,
    }


FULL, LOCAL = "full_attention", "sliding_attention"


def _rotary_bases(config: Mapping[str, Any]) -> tuple[float, float]:
    """Of global and of local attention: their keys in config.json changed with transformers 5."""
    found = config.get("rope_parameters") or {}
    full, local = found.get(FULL) or {}, found.get(LOCAL) or {}
    if scaled := [form for form in (full.get("rope_type"), local.get("rope_type")) if form not in (None, "default")]:
        raise ValueError(f"rope_type {scaled[0]!r}: rotary positions that are not scaled alone are read")
    base = float(full.get("rope_theta", config.get("global_rope_theta", 160000.0)))
    return base, float(local.get("rope_theta", config.get("local_rope_theta", 10000.0)) or base)


def _gpt2(config: Mapping[str, Any]) -> dict[str, Any]:
    if config.get("scale_attn_by_inverse_layer_idx") or not config.get("scale_attn_weights", True):
        raise ValueError("scale_attn_by_inverse_layer_idx or scale_attn_weights: the usual scale alone is read")
    if config.get("add_cross_attention"):
        raise ValueError("add_cross_attention: models that read one text alone are read")
    return {
        "vocabulary": config["vocab_size"],
        "width": config["n_embd"],
        "blocks": config["n_layer"],
        "heads": config["n_head"],
        "hidden": config.get("n_inner") or 4 * config["n_embd"],
        "positions": config["n_positions"],
        "types": 0,
        "activation": _activation(config.get("activation_function", "gelu_new")),
        "epsilon": config.get("layer_norm_epsilon", 1e-5),
        "pre_norm": True,
        "causal": True,
        "pooling": "last",
    }


KINDS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "bert": _bert,
    "roberta": _bert,
    "xlm-roberta": _bert,
    "camembert": _bert,
    "distilbert": _distilbert,
    "modernbert": _modernbert,
    "gpt2": _gpt2,
}
"""By `model_type`: from config.json to the options of the network."""


def _activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(f"the activation {name!r}; known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _sentences(path: Path, *, lowercase: bool, prefix: str) -> dict[str, Any]:
    """How a sentence encoder pools and normalises, from modules.json and the folders that it lists; empty for none.

    Raises UsageError for a module that is not known, for texts in lower case where the tokenizer's are not, and where
    tokens of the `prefix` are not pooled: without that, features would be others.
    """
    file = path / "modules.json"
    if not file.is_file():
        return {}
    found: dict[str, Any] = {"normalise": False}
    try:
        modules = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise UsageError(f"{file} cannot be read: {exc}", hint="get another copy of the folder") from exc
    if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
        raise UsageError(f"{file} holds no list of modules", hint="get another copy of the folder")
    for module in modules:
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind == "Pooling":
            found["pooling"] = _pooling(path / str(module.get("path", "")) / CONFIG, prefix)
        elif kind == "Normalize":
            found["normalise"] = True
        elif kind != "Transformer":
            raise UsageError(f"{file} lists the module {kind!r}", hint="known are Transformer, Pooling and Normalize")
    file = path / "sentence_bert_config.json"
    limits = _optional(file)
    if limits.get("do_lower_case") and not lowercase:
        message = f"{file} has do_lower_case: texts are put in lower case before the tokenizer, which is not done here"
        raise UsageError(message, hint="choose another model")
    if isinstance(limits.get("max_seq_length"), int):
        found["length"] = limits["max_seq_length"]
    return found


def _pooling(file: Path, prefix: str) -> str:
    """Of 1_Pooling/config.json: booleans, or since sentence-transformers 6 one `pooling_mode`."""
    config = _object(file)
    if prefix and config.get("include_prompt") is False:
        message = f"{file} has include_prompt false: tokens of the prompt {prefix!r} are left out of the pooling"
        raise UsageError(f"{message}, which is not done here", hint="choose another model")
    stated = config.get("pooling_mode")
    chosen = [stated] if isinstance(stated, str) else [key for key, value in config.items() if value is True]
    known = [POOLINGS[key] for key in chosen if key in POOLINGS]
    unknown = [key for key in chosen if key.startswith("pooling_mode") and key not in POOLINGS]
    if len(known) != 1 or unknown:
        raise UsageError(
            f"{file} pools by {', '.join(map(str, chosen)) or 'nothing'}", hint=f"known is one of {', '.join(POOLINGS)}"
        )
    return known[0]


def _length(path: Path, sentences: Mapping[str, Any], words: Mapping[str, Any], positions: int) -> int:
    """The tokens that texts are cut to: what a sentence encoder was meant for, else what its tokenizer states, at most
    as many as there are positions. What tokenizer.json pads and cuts to is that of some call, and not looked at."""
    stated = sentences.get("length") or words.get("model_max_length")
    return min(stated, positions) if isinstance(stated, int) and 0 < stated < 10**9 else positions


def _object(file: Path) -> dict[str, Any]:
    return read_object(file, LARGEST_JSON, UsageError)


def _optional(file: Path) -> dict[str, Any]:
    return _object(file) if file.is_file() else {}
