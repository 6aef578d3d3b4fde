"""From the path of a folder to a backbone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from headstart.errors import UsageError
from headstart.specs import BackboneSpec, LocalFile, WeightsSpec
from headstart.suggest import suggestion
from headstart_plugins.whisper._folder import TOKENIZER, is_whisper, read_folder
from headstart_plugins.whisper._specs import LOAD, NAME, OFFERED, REGISTERED, UNSTATED
from headstart_plugins.whisper._stages import features, stage_names

PREFIX = "whisper:"


def resolve(ref: str) -> BackboneSpec | None:
    """The backbone that `ref`, a path or `whisper:PATH`, means; None where it is no folder of a Whisper model.

    Raises UsageError for a folder that cannot be used, and for a name of ours that there is not.
    """
    if ref.startswith("whisper/") and not Path(ref).exists():
        names = [spec.name for spec in OFFERED]
        raise UsageError(
            f"no backbone is named {ref!r}", hint=f"{suggestion(ref, names)}; or name the folder of a model"
        )
    path = Path(ref.removeprefix(PREFIX)).expanduser()
    if not ref.startswith(PREFIX) and not is_whisper(path):
        return None
    folder = read_folder(path)
    name = re.sub(r"[^\w.-]+", "-", path.absolute().name).strip("-._") or "folder"
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
        assets={TOKENIZER: LocalFile(str(path.absolute() / TOKENIZER))} if folder.head else {},
        head=folder.head,
    )
    return replace(
        REGISTERED,
        name=f"whisper/{name}",
        summary=f"Whisper, {folder.given['blocks']} blocks of {folder.given['width']}, from {path}.",
        stages=stage_names(folder.given["blocks"]),
        features=features(folder.given["width"]),
        preprocess=folder.preprocess,
        weights=(weights,),
        builder=NAME,
        given=folder.given,
        tiny={},
        tiny_size=None,
    )
