"""The manifest of a directory of ours: what it is, and the size and SHA-256 of every file in it.

Neither safetensors nor JSON carries a checksum, so that a flipped bit is found here or nowhere. The manifest's last key
is its seal: the SHA-256 of all its bytes before.

The forms of what we write have one name each, which changes when an older headstart could not read it.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.documents import read_object
from headstart.errors import DataError, PluginError

ARTEFACT = "artefact/2"
"""The form of an artefact's documents."""
RUN = "run/2"
"""The form of a run folder: its recipe, split, events and result."""
CHECKPOINT = "checkpoint/7"
CACHE = "cache/1"

READ_BY: Mapping[str, str] = {"artefact/1": "0.1", "run/1": "0.1", "checkpoint/5": "0.1"}
"""The release of headstart that reads an earlier form."""

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**20
SEAL = "sha256"
"""The last key of a manifest; those of the first versions end with `files` and have none."""

_SEAL_LINE = b',\n  "%s": "' % SEAL.encode()


def how_to_read(schema: object) -> str | None:
    """What to do with something of another form; None where that is not known."""
    release = READ_BY.get(str(schema))
    return f"headstart {release} reads it; make it anew with this one" if release else None


def write_manifest(folder: Path, *, schema: str, facts: Mapping[str, Any]) -> None:
    """Write manifest.json over every file now in `folder`, with `schema` and `facts` beside them."""
    files = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    document = {"schema": schema, **facts, "files": files}
    text = json.dumps(document, indent=2, allow_nan=False).encode("utf-8")
    (folder / MANIFEST).write_bytes(_sealed(text.removesuffix(b"\n}")))


def _sealed(text: bytes) -> bytes:
    """A document that lacks its end, with its seal and its end."""
    return text + _SEAL_LINE + hashlib.sha256(text).hexdigest().encode() + b'"\n}\n'


def is_artefact(folder: Path) -> bool:
    """Whether a folder says of itself that it is an artefact, of whatever form; nothing else of it is read."""
    try:
        document = read_object(folder / MANIFEST, LARGEST_MANIFEST)
    except (DataError, OSError):
        return False
    return str(document.get("schema")).startswith(ARTEFACT.partition("/")[0] + "/")


def read_manifest(folder: Path, *, schema: str) -> dict[str, Any]:
    """Read and verify `folder`: exactly the files listed, each of the stated size and SHA-256.

    Raises DataError naming the file that is absent, unexpected, a link or altered, the manifest included, PluginError
    for another schema, and OSError where a file is there and the system does not let it be read.
    """
    path = folder / MANIFEST
    try:
        _refuse_odd_file(path)
        if path.stat().st_size > LARGEST_MANIFEST:
            raise DataError(f"{path} is larger than any manifest of ours: {path.stat().st_size} bytes")
        content = path.read_bytes()
        document = json.loads(content.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError) as exc:
        raise DataError(f"{folder} has no readable manifest.json: {exc}") from exc
    if not isinstance(document, dict) or not isinstance(document.get("files"), dict):
        raise DataError(f"{path} is not a manifest: expected an object with `files`")
    if document.get("schema") != schema:
        _verify_seal(path, content, document)  # a flipped bit makes no other version
        found = document.get("schema")
        raise PluginError(f"{folder} has schema {found!r}; this version reads {schema!r}", hint=how_to_read(found))
    listed = document["files"]
    present = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    } - {MANIFEST}
    if present != set(listed):
        odd = sorted(present ^ set(listed))
        raise DataError(f"{folder} does not match its manifest: {', '.join(odd[:5])}")
    for name, facts in listed.items():
        _verify_file(folder / name, facts)
    _verify_seal(path, content, document)
    document.pop(SEAL, None)
    return document


def _verify_seal(path: Path, content: bytes, document: Mapping[str, Any]) -> None:
    if list(document)[-1] == "files":  # no flipped bit makes that of a sealed one
        return
    if content != _sealed(content.rpartition(_SEAL_LINE)[0]):
        raise DataError(f"{path} was altered: its SHA-256 is not the one in its last line")


def _verify_file(path: Path, facts: object) -> None:
    if not isinstance(facts, dict):
        raise DataError(f"{path}: its manifest entry is not an object")
    _refuse_odd_file(path)
    size = path.stat().st_size
    if size != facts.get("size"):
        raise DataError(f"{path} has {size} bytes; its manifest says {facts.get('size')}")
    if sha256(path) != facts.get("sha256"):
        raise DataError(f"{path} was altered: its SHA-256 is not the one in its manifest")


def _refuse_odd_file(path: Path) -> None:
    """A link could lead out of the folder, and reading a pipe or a device might never end."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise DataError(f"{path} is a link or no regular file")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
