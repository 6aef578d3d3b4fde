"""The arrays of a Whisper model in CTranslate2's format by the names that transformers has for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from headstart.errors import WrongWeightsError
from headstart_plugins.whisper._ctranslate_file import read_ctranslate_file

KIND = "WhisperSpec"
ATTENTIONS: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]] = {
    "self_attention": (
        "self_attn",
        {"layer_norm": (), "linear_0": ("q_proj", "k_proj", "v_proj"), "linear_1": ("out_proj",)},
    ),
    "attention": (
        "encoder_attn",
        {"layer_norm": (), "linear_0": ("q_proj",), "linear_1": ("k_proj", "v_proj"), "linear_2": ("out_proj",)},
    ),
}
"""Of each kind of attention its name in transformers, and the projections that one array holds, below each other."""
FEED_FORWARD = {"layer_norm": "final_layer_norm", "linear_0": "fc1", "linear_1": "fc2"}
ROLES = {"gamma": "weight", "beta": "bias"}
OUTSIDE = {
    "conv1": "conv1",
    "conv2": "conv2",
    "layer_norm": "layer_norm",
    "embeddings": "embed_tokens",
    "position_encodings": "embed_positions",
}


def read_ctranslate_whisper(file: Path) -> dict[str, np.ndarray]:
    """Every array that holds weights, as float32, `model.encoder.conv1.weight` and so on.

    Keys have no bias in Whisper, and zeros in this format: anything else is refused. Raises WrongWeightsError naming an
    array that does not belong to such a model.
    """
    stored = read_ctranslate_file(file)
    if stored.kind != KIND:
        raise WrongWeightsError(f"{file} holds a {stored.kind}", hint=f"expected a {KIND}")
    found: dict[str, np.ndarray] = {}
    for name, array in stored.arrays.items():
        if name.startswith("decoder/projection/"):
            found["proj_out.weight"] = array.astype(np.float32)
        elif array.ndim and array.dtype.kind == "f":
            for theirs, part in _parts(file, name, array):
                if theirs.endswith("k_proj.bias"):
                    if np.any(part):
                        raise WrongWeightsError(
                            f"{file}: {name} has biases of keys, and Whisper has none", hint=f"expected a {KIND}"
                        )
                    continue
                found[theirs] = part.astype(np.float32)
    return found


def _parts(file: Path, name: str, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """(name in transformers, numbers) of each that an array holds."""
    side, *inner = name.split("/")
    role = ROLES.get(inner[-1], inner[-1])
    try:
        if inner[0] in OUTSIDE:
            yield f"model.{side}.{OUTSIDE[inner[0]]}.{'weight' if role == 'encodings' else role}", array
            return
        place = f"model.{side}.layers.{int(inner[0].removeprefix('layer_'))}"
        if inner[1] == "ffn":
            yield f"{place}.{FEED_FORWARD[inner[2]]}.{role}", array
            return
        module, layers = ATTENTIONS[inner[1]]
        joined = layers[inner[2]]
        if not joined:
            yield f"{place}.{module}_layer_norm.{role}", array
        for each, part in zip(joined, np.split(array, len(joined)) if joined else (), strict=True):
            yield f"{place}.{module}.{each}.{role}", part
    except (KeyError, ValueError, IndexError) as exc:
        raise WrongWeightsError(
            f"{file}: {name} of shape {array.shape} is no array of Whisper", hint="get another copy of the weights"
        ) from exc
