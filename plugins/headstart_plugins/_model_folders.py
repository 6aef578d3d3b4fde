"""Folders of models as backbones: which folder a reference means, and the spec of what was read there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.errors import UsageError
from headstart.specs import BackboneSpec, FeatureSpec, LocalFile, PretrainedHead, WeightsSpec

UNSTATED = "not stated in the folder: see the page of its publisher"


def folder_of(
    ref: str, plugin: str, is_read: Callable[[Path], bool], offered: Sequence[BackboneSpec] = ()
) -> Path | None:
    """The folder that `ref`, a path or `PLUGIN:PATH`, means; None where it is a path that the plugin does not read.

    Raises UsageError for a name of the plugin's, `PLUGIN/...`, which `ref` is where no such path exists: those of
    `offered` are known before.
    """
    if ref.startswith(f"{plugin}/") and not Path(ref).exists():
        from headstart.suggest import suggestion  # not where a backbone is declared

        known = suggestion(ref, [spec.name for spec in offered]) if offered else ""
        hint = f"{known}; or name the folder of a model" if known else "name the folder of a model"
        raise UsageError(f"no backbone is named {ref!r}", hint=hint)
    path = Path(ref.removeprefix(f"{plugin}:")).expanduser()
    return path if ref.startswith(f"{plugin}:") or is_read(path) else None


def backbone_of(
    path: Path,
    registered: BackboneSpec,
    summary: str,
    *,
    stages: tuple[str, ...],
    features: tuple[FeatureSpec, ...],
    given: Mapping[str, Any],
    preprocess: Mapping[str, Any],
    weights: str,
    load: str,
    assets: Mapping[str, str],
    head: PretrainedHead | None = None,
) -> BackboneSpec:
    """`registered`, which builds any folder of its plugin, as the one of this folder, called by the folder's name.

    `weights` and `assets` (name: file) are names of files in it, `given` the options that its files fix.
    """
    name = re.sub(r"[^\w.-]+", "-", path.absolute().name).strip("-._") or "folder"
    plugin = registered.name.partition("/")[0]
    return replace(
        registered,
        name=f"{plugin}/{name}",
        summary=f"{summary}, from {path}.",
        stages=stages,
        features=features,
        preprocess=preprocess,
        weights=(
            WeightsSpec(
                name="folder",
                origin=LocalFile(str(path.absolute() / weights)),
                licence=UNSTATED,
                source=str(path),
                size=None,
                algorithm="unknown",
                digest="unknown",
                load=load,
                preprocess=preprocess,
                assets={asset: LocalFile(str(path.absolute() / file)) for asset, file in assets.items()},
                head=head,
            ),
        ),
        builder=registered.name,
        given=given,
        tiny={},
        tiny_size=None,
    )
