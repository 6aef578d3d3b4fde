"""From the path of a Hugging Face folder to a backbone with its head."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

from headstart.errors import UsageError
from headstart.specs import BackboneSpec, LocalFile, PretrainedHead, WeightsSpec
from headstart_plugins._sequences.stages import encoder_features, encoder_stage_names
from headstart_plugins.hf_seq2seq._folder import kind_of, read_folder
from headstart_plugins.hf_seq2seq._specs import NAME, REGISTERED, UNSTATED

PREFIX = "hf_seq2seq:"
LOAD = "headstart_plugins.hf_seq2seq._load"
TASK = "translation/translation"


def resolve(ref: str) -> BackboneSpec | None:
    """The backbone that `ref`, a path or `hf_seq2seq:PATH`, means; None where it is no folder of such a model.

    Raises UsageError for a folder that cannot be used, and for a name of ours that there is not.
    """
    if ref.startswith("hf_seq2seq/") and not Path(ref).exists():
        raise UsageError(f"no backbone is named {ref!r}", hint="name the folder of a model")
    path = Path(ref.removeprefix(PREFIX)).expanduser()
    if not ref.startswith(PREFIX) and kind_of(path) is None:
        return None
    folder = read_folder(path)
    name = re.sub(r"[^\w.-]+", "-", path.absolute().name).strip("-._") or "folder"
    preprocess = {"length": folder.length}
    weights = WeightsSpec(
        name="folder",
        origin=LocalFile(str(path.absolute() / folder.weights)),
        licence=UNSTATED,
        source=str(path),
        size=None,
        algorithm="unknown",
        digest="unknown",
        load=f"{LOAD}:load",
        preprocess=preprocess,
        assets={ours: LocalFile(str(path.absolute() / theirs)) for ours, theirs in folder.vocabularies.items()},
        head=PretrainedHead(
            task=TASK,
            head="decoder",
            load=f"{LOAD}:load_head",
            labels={"decoder": asdict(folder.decoder), "tokens": dict(folder.tokens)},
        ),
    )
    return replace(
        REGISTERED,
        name=f"hf_seq2seq/{name}",
        summary=f"{folder.kind}, {folder.given['layers']} and {folder.decoder.layers} layers of "
        f"{folder.given['width']}, from {path}.",
        stages=encoder_stage_names(folder.given["layers"]),
        features=encoder_features(folder.given["width"]),
        preprocess=preprocess,
        weights=(weights,),
        builder=NAME,
        given=folder.given,
        tiny={},
        tiny_size=None,
    )
