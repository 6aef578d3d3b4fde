"""In a fresh process on one backend: build a backbone, give it weights, and write what its features are.

`python -m headstart.testing.answers`, with KERAS_BACKEND set; see `backbones.agrees` for the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.backend import activate, choose_backend
from headstart.errors import HeadstartError
from headstart.options import parse_options
from headstart.registry import Registry, load_registry
from headstart.specs import BackboneSpec, InputKind, Stage
from headstart.testing.fresh_process import answer
from headstart.testing.input_kinds import build_kind


def answer_batch(request: Mapping[str, Any]) -> dict[str, str | None]:
    """Write the features of the batch beside it; {"error": what went wrong, or None}."""
    activate(choose_backend(None))
    registry = load_registry()
    spec = _spec(registry, request["name"])
    kind = build_kind(registry, registry.input_of(spec), spec.preprocess, request["size"])
    try:
        _write_answers(request, spec, registry, kind)
    except HeadstartError as exc:
        return {"error": str(exc)}
    return {"error": None}


def _spec(registry: Registry, name: str) -> BackboneSpec:
    registered = {spec.name: spec for spec in registry.specs("backbones")}
    return registered[name] if name in registered else registry.resolve_backbone(name)


def _write_answers(request: Mapping[str, Any], spec: BackboneSpec, registry: Registry, kind: InputKind) -> None:
    import numpy as np

    from headstart.testing.backbones.network import build_stages, features_of, with_head

    folder = Path(request["folder"])
    with np.load(folder / request["batch"]) as stored:
        batch = dict(stored)
    options, _ = parse_options(spec.options, request["options"], "options")
    stages = build_stages(registry.load_target(spec, spec.build), options, kind)
    _give_weights(stages, request, folder, kind, batch)
    headed = with_head(kind, stages, spec, registry)
    if headed is None:
        raise HeadstartError("no installed task takes one of its features")
    found: Any = features_of(headed.network, batch, spec)
    np.savez(folder / request["answers"], **found)


def _give_weights(
    stages: tuple[Stage, ...], request: Mapping[str, Any], folder: Path, kind: InputKind, batch: Mapping[str, Any]
) -> None:
    """Those in the file, or calibrated ones that are written to it."""
    from headstart.engine.stages import assign_arrays, read_arrays
    from headstart.testing.backbones.network import bring_alive, preprocessed
    from headstart.weights.files import read_safetensors, write_safetensors

    file = folder / request["weights"]
    if request["given"]:
        assign_arrays(stages, read_safetensors(file), source="the weights written on the other backend")
        return
    if dead := bring_alive(stages, preprocessed(kind, batch)):
        raise HeadstartError(dead)
    write_safetensors(file, read_arrays(stages))


if __name__ == "__main__":
    answer(answer_batch)
