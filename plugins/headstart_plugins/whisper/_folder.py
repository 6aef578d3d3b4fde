"""What a folder says of its Whisper model: the network's shape, and how sounds are read. JSON alone is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.documents import read_object
from headstart.errors import UsageError
from headstart.options import parse_options
from headstart.specs import PretrainedHead
from headstart_plugins._stored_arrays import weights_in
from headstart_plugins.whisper._decoder import folder_head
from headstart_plugins.whisper._options import EncoderOptions
from headstart_plugins.whisper._specs import PREPROCESS

CONFIG, EXTRACTOR, GENERATION = "config.json", "preprocessor_config.json", "generation_config.json"
TOKENIZER = "tokenizer.json"
KIND = "whisper"
LARGEST_JSON = 64 * 2**20
OTHER_COPY = "get another copy of the folder"


@dataclass(frozen=True)
class Folder:
    """A folder as read: the options that its files fix, the preprocessing of its sounds, the weights file, and its
    decoder where it has a tokenizer for that."""

    given: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    weights: str
    head: PretrainedHead | None


def is_whisper(path: Path) -> bool:
    """Whether a folder's config.json names a Whisper model."""
    try:
        return read_object(path / CONFIG, LARGEST_JSON, UsageError).get("model_type") == KIND
    except UsageError:
        return False


def read_folder(path: Path) -> Folder:
    """What the folder says. Raises UsageError naming the file, and what of it is not as it should be."""
    config = read_object(path / CONFIG, LARGEST_JSON, UsageError)
    if config.get("model_type") != KIND:
        raise UsageError(f"{path} holds a model of type {config.get('model_type')!r}", hint=f"expected {KIND!r}")
    weights = weights_in(path)
    try:
        if config.get("activation_function", "gelu") != "gelu" or config.get("scale_embedding"):
            raise ValueError("activation_function or scale_embedding: gelu and unscaled embeddings alone are read")
        given = {
            "width": config["d_model"],
            "blocks": config["encoder_layers"],
            "heads": config["encoder_attention_heads"],
            "hidden": config["encoder_ffn_dim"],
            "positions": config["max_source_positions"],
        }
    except KeyError as exc:
        raise UsageError(f"{path / CONFIG} has no {exc}", hint=OTHER_COPY) from exc
    except ValueError as exc:
        raise UsageError(f"{path / CONFIG} cannot be used: {exc}", hint="choose another model") from exc
    _, wrong = parse_options(EncoderOptions, given, CONFIG, KIND)
    if wrong:
        raise UsageError(f"{path}: {wrong[0].where}: {wrong[0].message}", hint=OTHER_COPY)
    head = None
    if (path / TOKENIZER).is_file():
        generation = path / GENERATION
        stated = read_object(generation, LARGEST_JSON, UsageError) if generation.is_file() else {}
        head = folder_head(path, config, stated)
    return Folder(given, _preprocess(path, config), weights, head)


def _preprocess(path: Path, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of preprocessor_config.json where it is there. A window is never longer than the network has positions for."""
    file = path / EXTRACTOR
    stated = read_object(file, LARGEST_JSON, UsageError) if file.is_file() else {}
    bands = config.get("num_mel_bins", PREPROCESS["bands"])
    found = {
        "rate": stated.get("sampling_rate", PREPROCESS["rate"]),
        "window": stated.get("n_fft", PREPROCESS["window"]),
        "hop": stated.get("hop_length", PREPROCESS["hop"]),
        "bands": stated.get("feature_size", bands),
    }
    if wrong := [name for name, value in found.items() if not isinstance(value, int) or value < 1]:
        raise UsageError(f"{file}: {wrong[0]} is {found[wrong[0]]!r}", hint=OTHER_COPY)
    if found["bands"] != bands:
        raise UsageError(f"{file} states {found['bands']} bands, {CONFIG} {bands}", hint=OTHER_COPY)
    return {**found, "seconds": 2 * config["max_source_positions"] * found["hop"] / found["rate"]}
