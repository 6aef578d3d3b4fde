"""From the path of a Hugging Face folder to a backbone with its head."""

from __future__ import annotations

from dataclasses import asdict, replace

from headstart.specs import BackboneSpec, PretrainedHead
from headstart_plugins._model_folders import backbone_of, folder_of
from headstart_plugins._sequences.stages import TOP, encoder_features, encoder_stage_names
from headstart_plugins.hf_seq2seq._folder import kind_of, read_folder
from headstart_plugins.hf_seq2seq._specs import REGISTERED

LOAD = "headstart_plugins.hf_seq2seq._load"
TASK = "translation/translation"


def resolve(ref: str) -> BackboneSpec | None:
    """The backbone that `ref`, a path or `hf_seq2seq:PATH`, means; None where it is no folder of such a model.

    Raises UsageError for a folder that cannot be used, and for a name of ours that there is not.
    """
    path = folder_of(ref, "hf_seq2seq", lambda path: kind_of(path) is not None)
    if path is None:
        return None
    folder = read_folder(path)
    spec = backbone_of(
        path,
        REGISTERED,
        f"{folder.kind}, {folder.given['layers']} and {folder.decoder.layers} layers of {folder.given['width']}",
        stages=encoder_stage_names(folder.given["layers"]),
        features=encoder_features(folder.given["width"]),
        given=folder.given,
        preprocess={"length": folder.length},
        weights=folder.weights,
        load=f"{LOAD}:load",
        assets=folder.vocabularies,
        head=PretrainedHead(
            task=TASK,
            head="decoder",
            load=f"{LOAD}:load_head",
            labels={"decoder": asdict(folder.decoder), "tokens": dict(folder.tokens)},
            default=True,
        ),
    )
    return replace(spec, weightless=() if folder.given.get("pre_norm") else (TOP,))
