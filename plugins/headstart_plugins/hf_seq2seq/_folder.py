"""What a Hugging Face folder says of its model: the shapes of encoder and decoder, their vocabularies, and how answers
begin and end. JSON alone is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.documents import read_object
from headstart.errors import UsageError
from headstart_plugins._sequences import DecoderConfig
from headstart_plugins._stored_arrays import StoredArrays, weights_in

CONFIG, GENERATION = "config.json", "generation_config.json"
ACTIVATIONS: Mapping[str, str] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
SOURCE, TARGET, NUMBERS, TARGET_NUMBERS = "source.spm", "target.spm", "vocab.json", "target_vocab.json"
SPIECE = "spiece.model"
LARGEST_JSON = 64 * 2**20
MOST = 128
"""Pieces of a target in training where nobody says otherwise."""


@dataclass(frozen=True)
class Folder:
    """A folder as read: the kind of model, the options of its encoder, the decoder, what ids stand for (`start`, `end`,
    `pad`, and those `banned` from answers), the weights file, and the files of vocabularies by the names that
    the input kind and the task know them by."""

    kind: str
    given: Mapping[str, Any]
    decoder: DecoderConfig
    tokens: Mapping[str, Any]
    length: int
    weights: str
    vocabularies: Mapping[str, str]


def kind_of(path: Path) -> str | None:
    """The type of model that a folder's config.json names, of those that are read here, else None."""
    try:
        kind = read_object(path / CONFIG, LARGEST_JSON, UsageError).get("model_type")
    except UsageError:
        return None
    return kind if isinstance(kind, str) and kind in KINDS else None


def read_folder(path: Path) -> Folder:
    """What the folder says. Raises UsageError naming the file, and what of it is not as it should be."""
    config = read_object(path / CONFIG, LARGEST_JSON, UsageError)
    kind = str(config.get("model_type"))
    if kind not in KINDS:
        raise UsageError(
            f"{path} holds a model of type {kind!r}, which is not read",
            hint=f"types of sequence to sequence models that are: {', '.join(sorted(KINDS))}",
        )
    weights = weights_in(path)
    # A model may be tied whatever config.json says: where the file has no table for the logits, transformers ties too.
    has_own = "lm_head.weight" in StoredArrays(path / weights).names
    try:
        given, decoder = KINDS[kind]({**config, "tied": config.get("tie_word_embeddings") is not False or not has_own})
        shape = DecoderConfig(**given | decoder)
        tokens = _tokens(config, path)
    except KeyError as exc:
        raise UsageError(f"{path / CONFIG} has no {exc}", hint="get another copy of the folder") from exc
    except (AttributeError, TypeError, ValueError) as exc:
        raise UsageError(f"{path / CONFIG} cannot be used: {exc}", hint="choose another model") from exc
    length = min(int(config.get("max_position_embeddings") or 4096), 4096)
    return Folder(kind, given, shape, tokens, length, weights, _vocabularies(path, kind))


def _tokens(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What the ids of targets stand for; generation_config.json goes before config.json, as in transformers."""
    stated = read_object(path / GENERATION, LARGEST_JSON, UsageError) if (path / GENERATION).is_file() else {}
    found: dict[str, Any] = {}
    for name, key in (("start", "decoder_start_token_id"), ("end", "eos_token_id"), ("pad", "pad_token_id")):
        value = stated[key] if stated.get(key) is not None else config.get(key, T5_TOKENS.get(key))
        value = value[0] if isinstance(value, list) and value else value
        if not isinstance(value, int):
            raise ValueError(f"{key} is {value!r}, expected an id")
        found[name] = value
    banned = stated.get("bad_words_ids") or config.get("bad_words_ids") or []
    found["banned"] = sorted({found["pad"], *(each[0] for each in banned if len(each) == 1)})
    return {**found, "most": MOST}


T5_TOKENS = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
"""Of T5, where config.json leaves them out."""


def _vocabularies(path: Path, kind: str) -> dict[str, str]:
    """The folder's files by the names that the input kind and the task know them by. Raises UsageError for one that is
    not there."""
    if kind == "marian":
        found = {SOURCE: SOURCE, TARGET: TARGET, NUMBERS: NUMBERS}
        if (path / TARGET_NUMBERS).is_file():
            found[TARGET_NUMBERS] = TARGET_NUMBERS
    else:
        found = {SOURCE: SPIECE, TARGET: SPIECE}
    for name in dict.fromkeys(found.values()):
        if not (path / name).is_file():
            raise UsageError(
                f"{path} has no {name}", hint="save the tokenizer into it: tokenizer.save_pretrained(FOLDER)"
            )
    return found


def _marian(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    width = config["d_model"]
    shared = {
        "width": width,
        "embedding_scale": float(width**0.5) if config.get("scale_embedding") else 1.0,
        "activation": _activation(config.get("activation_function", "gelu")),
        "dropout": float(config.get("dropout", 0.1)),
    }
    # Not among the options of config.json, but of folders that were made by hand
    for name in ("normalize_before", "normalize_embedding", "static_position_embeddings"):
        if config.get(name) is (name != "static_position_embeddings"):
            raise ValueError(f"{name}: models as OPUS-MT has them alone are read")
    encoder = {
        "vocabulary": config["vocab_size"],
        "layers": config["encoder_layers"],
        "heads": config["encoder_attention_heads"],
        "hidden": config["encoder_ffn_dim"],
    }
    decoder = {
        "vocabulary": config.get("decoder_vocab_size") or config["vocab_size"],
        "layers": config["decoder_layers"],
        "heads": config["decoder_attention_heads"],
        "hidden": config["decoder_ffn_dim"],
        "tied": config["tied"],
        "logits_bias": True,
    }
    return shared | encoder, shared | decoder


def _t5(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    form = str(config.get("feed_forward_proj", "relu"))
    name = "gelu_new" if form == "gated-gelu" else form.removeprefix("gated-")
    width = config["d_model"]
    is_scaled = config["model_type"] == "t5" and config.get("tie_word_embeddings") is not False  # else than v1.1, mT5
    shared = {
        "vocabulary": config["vocab_size"],
        "width": width,
        "heads": config["num_heads"],
        "hidden": config["d_ff"],
        "head_size": config["d_kv"],
        "score_scale": 1.0,
        "pre_norm": True,
        "norm": "rms",
        "epsilon": config.get("layer_norm_epsilon", 1e-6),
        "positions": "relative",
        "buckets": config.get("relative_attention_num_buckets", 32),
        "farthest": config.get("relative_attention_max_distance", 128),
        "activation": _activation(name),
        "gated": form.startswith("gated-"),
        "bias": False,
        "dropout": float(config.get("dropout_rate", 0.1)),
    }
    decoder = {
        "layers": config.get("num_decoder_layers") or config["num_layers"],
        "tied": config["tied"],
        "logits_scale": float(width**-0.5) if is_scaled else 1.0,
        "hidden_dropout": shared["dropout"],
    }
    return {**shared, "layers": config["num_layers"]}, {**shared, **decoder}


KINDS: Mapping[str, Callable[[Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]] = {
    "marian": _marian,
    "t5": _t5,
    "mt5": _t5,
}
"""By `model_type`: from config.json to the options of the encoder and those of the decoder."""


def _activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(f"the activation {name!r}; known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
