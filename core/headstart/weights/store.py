"""The places where weights lie on this machine, and the local store among them.

Searched in this order: the folders of HEADSTART_WEIGHTS, the store (HEADSTART_HOME), the installed package
that holds the file, and for files of a publisher's address the cache that Keras itself downloads into.
A path that the user named is that path alone. Packages are looked up by their metadata; none is imported.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from headstart.errors import MissingWeightsError, UsageError, WrongWeightsError
from headstart.specs import BackboneSpec, FetchedFile, LocalFile, PackageFile, RemoteFile, WeightsSpec
from headstart.weights.digests import verify_file
from headstart.weights.fetching import OnBytes, fetch_address, fetch_folder, fetch_package_file

if TYPE_CHECKING:
    from headstart.registry import Registry

HOME = "HEADSTART_HOME"
FOLDERS = "HEADSTART_WEIGHTS"


def store_root() -> Path:
    """The local store: HEADSTART_HOME, or the user's data folder. It need not exist yet."""
    named = os.environ.get(HOME)
    return Path(named).expanduser() if named else platformdirs.user_data_path("headstart")


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


def get_weights(spec: BackboneSpec, weights: WeightsSpec, registry: Registry, progress: OnBytes | None = None) -> Path:
    """The path of the published file: one that is here and right, or else fetched into the store now.

    `progress` hears the bytes so far and in all, but for those that a plugin's own client fetches. Any number of
    processes may do this at once. Raises MissingWeightsError where it cannot be fetched, WrongWeightsError where
    what came is not the published file.
    """
    found = find(spec, weights)
    if found is not None and _is_right(found, weights):
        return found
    origin, target = weights.origin, stored_path(spec, weights)
    if isinstance(origin, LocalFile):
        raise MissingWeightsError(f"there is no weights file {origin.path}", hint="was the folder moved, or cut short?")
    if isinstance(origin, FetchedFile):
        fetch_folder(registry.load_target(spec, origin.fetch), origin, target)
    elif isinstance(origin, PackageFile):
        fetch_package_file(weights, origin, target, progress)
    else:
        fetch_address(weights, origin, target, progress)
    return target


def _is_right(path: Path, weights: WeightsSpec) -> bool:
    try:
        verify_file(path, weights)
    except WrongWeightsError:
        return False
    return True


def _places(spec: BackboneSpec, weights: WeightsSpec) -> Iterator[Path]:
    """Every place where the file may lie, in order of precedence."""
    if isinstance(weights.origin, LocalFile):
        yield Path(weights.origin.path)
        return
    for folder in _named_folders():
        yield folder / filename(weights)
        yield folder.joinpath(*spec.name.split("/"), filename(weights))
    yield stored_path(spec, weights)
    if isinstance(weights.origin, PackageFile):
        yield from _installed(weights.origin)
    elif isinstance(weights.origin, RemoteFile):
        keras_home = os.environ.get("KERAS_HOME") or "~/.keras"
        yield Path(keras_home).expanduser() / "models" / weights.origin.filename


def _named_folders() -> Iterator[Path]:
    for entry in os.environ.get(FOLDERS, "").split(os.pathsep):
        if not entry:
            continue
        folder = Path(entry).expanduser()
        if not folder.is_dir():
            raise UsageError(f"{FOLDERS} names {entry}, which is no folder", hint="correct or unset it")
        yield folder


def _installed(origin: PackageFile) -> Iterator[Path]:
    try:
        distribution = importlib.metadata.distribution(origin.distribution)
    except importlib.metadata.PackageNotFoundError:
        return
    yield Path(str(distribution.locate_file(origin.path)))
