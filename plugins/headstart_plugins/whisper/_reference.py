"""From the path of a folder to a backbone."""

from __future__ import annotations

from headstart.specs import BackboneSpec
from headstart_plugins._model_folders import backbone_of, folder_of
from headstart_plugins.whisper._folder import TOKENIZER, is_whisper, read_folder
from headstart_plugins.whisper._specs import LOAD, OFFERED, REGISTERED
from headstart_plugins.whisper._stages import features, stage_names


def resolve(ref: str) -> BackboneSpec | None:
    """The backbone that `ref`, a path or `whisper:PATH`, means; None where it is no folder of a Whisper model.

    Raises UsageError for a folder that cannot be used, and for a name of ours that there is not.
    """
    path = folder_of(ref, "whisper", is_whisper, OFFERED)
    if path is None:
        return None
    folder = read_folder(path)
    return backbone_of(
        path,
        REGISTERED,
        f"Whisper, {folder.given['blocks']} blocks of {folder.given['width']}",
        stages=stage_names(folder.given["blocks"]),
        features=features(folder.given["width"]),
        given=folder.given,
        preprocess=folder.preprocess,
        weights=folder.weights,
        load=LOAD,
        assets={TOKENIZER: TOKENIZER} if folder.head else {},
        head=folder.head,
    )
