"""From the path of a Hugging Face folder to a backbone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from headstart.errors import UsageError
from headstart.specs import BackboneSpec, LocalFile, WeightsSpec
from headstart.suggest import suggestion
from headstart_plugins.hf_text._folder import is_text_model, read_folder
from headstart_plugins.hf_text._specs import LOAD, NAME, OFFERED, REGISTERED, UNSTATED, features
from headstart_plugins.hf_text._stages import stage_names

PREFIX = "hf_text:"


def resolve(ref: str) -> BackboneSpec | None:
    """The backbone that `ref`, a path or `hf_text:PATH`, means; None where it is no folder of a text model.

    Raises UsageError for a folder that cannot be used, and for a name of ours that there is not.
    """
    if ref.startswith("hf_text/") and not Path(ref).exists():
        names = [spec.name for spec in OFFERED]
        hint = f"{suggestion(ref, names)}; or name the folder of a model"
        raise UsageError(f"no backbone is named {ref!r}", hint=hint)
    path = Path(ref.removeprefix(PREFIX)).expanduser()
    if not ref.startswith(PREFIX) and not is_text_model(path):
        return None
    folder = read_folder(path)
    name = re.sub(r"[^\w.-]+", "-", path.absolute().name).strip("-._") or "folder"
    whole = {name: LocalFile(str(path.absolute() / name)) for name in folder.tokenizer}
    weights = WeightsSpec(
        name="folder",
        origin=LocalFile(str(path.absolute() / folder.weights)),
        licence=UNSTATED,
        source=str(path),
        size=None,
        algorithm="unknown",
        digest="unknown",
        load=LOAD,
        preprocess=folder.preprocess,
        assets=whole,
    )
    return replace(
        REGISTERED,
        name=f"hf_text/{name}",
        summary=f"{folder.kind}, {folder.given['blocks']} blocks of {folder.given['width']}, from {path}.",
        stages=stage_names(folder.given["blocks"]),
        features=features(folder.given["width"]),
        preprocess=folder.preprocess,
        weights=(weights,),
        builder=NAME,
        given=folder.given,
        tiny={},
        tiny_size=None,
    )
