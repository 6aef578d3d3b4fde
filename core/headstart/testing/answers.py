"""In a fresh process on one backend: build a backbone, give it weights, and write what each piece of it gives.

`python -m headstart.testing.answers`, with KERAS_BACKEND set; see `backbones.agrees` for the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backend import activate, choose_backend
from headstart.errors import HeadstartError
from headstart.options import parse_options
from headstart.registry import Registry, load_registry
from headstart.specs import BackboneSpec, InputKind, Stage
from headstart.testing.fresh_process import answer
from headstart.testing.input_kinds import build_kind, input_of

if TYPE_CHECKING:
    import numpy as np

SEPARATOR = "/"
"""Between stage and tensor in the names of arrays; no stage may have it in its name."""


def answer_batch(request: Mapping[str, Any]) -> dict[str, str | None]:
    """Write what the pieces of the stages give for the batch beside it; {"error": what went wrong, or None}."""
    activate(choose_backend(None))
    registry = load_registry()
    spec = _spec(registry, request["name"])
    kind = build_kind(registry, input_of(registry, spec), spec.preprocess, request["size"])
    try:
        _write_answers(request, spec, registry, kind)
    except HeadstartError as exc:
        return {"error": str(exc)}
    return {"error": None}


def _spec(registry: Registry, name: str) -> BackboneSpec:
    registered = {spec.name: spec for spec in registry.specs("backbones")}
    return registered[name] if name in registered else registry.resolve_backbone(name)


def _write_answers(request: Mapping[str, Any], spec: BackboneSpec, registry: Registry, kind: InputKind) -> None:
    from headstart.testing.backbones.network import (
        bring_alive,
        build_stages,
        cut_finely,
        preprocessed,
        stage_by_stage,
        with_all_features,
        with_head,
    )

    folder = Path(request["folder"])
    batch = read_arrays(folder / request["batch"])
    options, _ = parse_options(spec.options, request["options"], "options")
    stages = build_stages(registry.load_target(spec, spec.build), options, kind)
    calibrate = partial(bring_alive, stages, preprocessed(kind, batch), features=spec.features)
    _give_weights(stages, request, folder, calibrate)
    headed = with_head(kind, cut_finely(stages), spec, registry)
    if headed is None:
        raise HeadstartError("no installed task takes one of its features")
    given = read_outputs(folder / request["inputs"]) if request["inputs"] else None
    found = stage_by_stage(with_all_features(headed.network, spec), batch, given)
    write_arrays(folder / request["answers"], {SEPARATOR.join(key): array for key, array in found.items()})


def write_arrays(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` by name to `file`."""
    import numpy as np

    named: Any = dict(arrays)
    with file.open("wb") as opened:
        np.savez(opened, **named)


def read_arrays(file: Path) -> dict[str, np.ndarray]:
    """The arrays of `file` by name."""
    import numpy as np

    with np.load(file) as stored:
        return dict(stored)


def read_outputs(file: Path) -> dict[tuple[str, str], np.ndarray]:
    """What each stage gave, by stage and tensor, in the order of the stages."""
    parted = ((key.partition(SEPARATOR), array) for key, array in read_arrays(file).items())
    return {(stage, name): array for (stage, _, name), array in parted}


def _give_weights(
    stages: tuple[Stage, ...], request: Mapping[str, Any], folder: Path, calibrate: Callable[[], str | None]
) -> None:
    """Those in the file, or calibrated ones that are written to it."""
    from headstart.engine.network import stages as engine
    from headstart.weights.files import read_safetensors, write_safetensors

    file = folder / request["weights"]
    if request["inputs"]:
        engine.assign_arrays(stages, read_safetensors(file), source="the weights written on the other backend")
        return
    if dead := calibrate():
        raise HeadstartError(dead)
    write_safetensors(file, engine.read_arrays(stages))


if __name__ == "__main__":
    answer(answer_batch)
