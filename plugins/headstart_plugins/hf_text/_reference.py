"""From the path of a Hugging Face folder to a backbone."""

from __future__ import annotations

from dataclasses import replace

from headstart.specs import BackboneSpec
from headstart_plugins._model_folders import backbone_of, folder_of
from headstart_plugins.hf_text._folder import is_text_model, read_folder
from headstart_plugins.hf_text._specs import LOAD, OFFERED, REGISTERED, features
from headstart_plugins.hf_text._stages import POOL, stage_names


def resolve(ref: str) -> BackboneSpec | None:
    """The backbone that `ref`, a path or `hf_text:PATH`, means; None where it is no folder of a text model.

    Raises UsageError for a folder that cannot be used, and for a name of ours that there is not.
    """
    path = folder_of(ref, "hf_text", is_text_model, OFFERED)
    if path is None:
        return None
    folder = read_folder(path)
    has_no_norm_above = not folder.given.get("pre_norm")
    spec = backbone_of(
        path,
        REGISTERED,
        f"{folder.kind}, {folder.given['blocks']} blocks of {folder.given['width']}",
        stages=stage_names(folder.given["blocks"]),
        features=features(folder.given["width"]),
        given=folder.given,
        preprocess=folder.preprocess,
        weights=folder.weights,
        load=LOAD,
        assets={name: name for name in folder.tokenizer},
    )
    return replace(spec, weightless=(POOL,) if has_no_norm_above else ())
