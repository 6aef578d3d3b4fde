"""The decoder of a Whisper model as a head of transcripts: its shape, what its ids mean, and its arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.errors import UsageError
from headstart.specs import PretrainedHead
from headstart_plugins._sequences import DecoderConfig

TASK, HEAD = "transcription/transcription", "decoder"
LOAD = "headstart_plugins.whisper._load:load_head"
TINY_EN: Mapping[str, Any] = {
    "start": 50257,
    "end": 50256,
    "pad": 50256,
    "no_times": 50362,
    "suppressed": [
        *(1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93, 357, 366, 438, 532),
        *(685, 705, 796, 930, 1058, 1220, 1267, 1279, 1303, 1343, 1377, 1391, 1635, 1782, 1875, 2162, 2361, 2488),
        *(3467, 4008, 4211, 4600, 4808, 5299, 5855, 6329, 7203, 9609, 9959, 10563, 10786, 11420, 11709, 11907, 13163),
        *(13697, 13700, 14808, 15306, 16410, 16791, 17992, 19203, 19510, 20724, 22305, 22935, 27007, 30109, 30420),
        *(33409, 34949, 40283, 40493, 40549, 47282, 49146, 50257, 50357, 50358, 50359, 50360, 50361),
    ],
    "first_suppressed": [220, 50256],
}
"""Of tiny.en, as its config.json has them: `suppress_ids` and `suppress_ids_begin`."""


def decoder_of(*, vocabulary: int, width: int, layers: int, heads: int, hidden: int, positions: int) -> DecoderConfig:
    """Whisper's form of a decoder: norms before, a table of positions, no bias of keys, logits by the embeddings."""
    return DecoderConfig(
        vocabulary=vocabulary,
        width=width,
        layers=layers,
        heads=heads,
        hidden=hidden,
        pre_norm=True,
        positions="table",
        most_positions=positions,
        activation="gelu",
        key_bias=False,
    )


def head_of(config: DecoderConfig, tokens: Mapping[str, Any]) -> PretrainedHead:
    """As the task `transcription` takes it."""
    return PretrainedHead(task=TASK, head=HEAD, load=LOAD, labels={"decoder": asdict(config), "tokens": tokens})


def folder_head(path: Path, config: Mapping[str, Any], generation: Mapping[str, Any]) -> PretrainedHead:
    """Of a folder's config.json and generation_config.json. Raises UsageError naming what is not as it should be."""
    try:
        shape = decoder_of(
            vocabulary=config["vocab_size"],
            width=config["d_model"],
            layers=config["decoder_layers"],
            heads=config["decoder_attention_heads"],
            hidden=config["decoder_ffn_dim"],
            positions=config["max_target_positions"],
        )
        stated = {**config, **{name: value for name, value in generation.items() if value is not None}}
        tokens = {
            "start": stated["decoder_start_token_id"],
            "end": stated["eos_token_id"],
            "pad": stated["pad_token_id"],
            "no_times": stated["no_timestamps_token_id"],
            "suppressed": list(stated.get("suppress_tokens") or ()),
            "first_suppressed": list(stated.get("begin_suppress_tokens") or ()),
        }
        if stated.get("is_multilingual", bool(stated.get("lang_to_id"))):
            tokens["languages"] = {name.strip("<|>"): place for name, place in stated["lang_to_id"].items()}
            tokens["transcribe"] = stated["task_to_id"]["transcribe"]
        wrong = [name for name, ids in _ids(tokens) if not isinstance(ids, int) or not 0 <= ids < shape.vocabulary]
    except KeyError as exc:
        raise UsageError(
            f"{path}: neither config.json nor generation_config.json has {exc}",
            hint="save the model again with transformers, its generation_config too",
        ) from exc
    except (TypeError, AttributeError, ValueError) as exc:
        raise UsageError(f"{path}: its decoder cannot be read: {exc}", hint="get another copy of the folder") from exc
    if wrong:
        raise UsageError(
            f"{path}: {wrong[0]} is no token of its {shape.vocabulary}", hint="get another copy of the folder"
        )
    return head_of(shape, tokens)


def _ids(tokens: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tokens.items():
        values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        yield from ((name, each) for each in values)
