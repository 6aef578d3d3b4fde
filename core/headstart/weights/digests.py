"""Whether a weights file is the published one: its size and its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import MissingWeightsError, UsageError, WrongWeightsError

if TYPE_CHECKING:
    from hashlib import _Hash

    from headstart.specs import WeightsSpec

UNKNOWN = "unknown"
ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b")
"""What publishers use. Old ones find damage; only sha256 and later prove origin."""


def verify_file(path: Path, weights: WeightsSpec) -> None:
    """Check the size and digest of `path` against what `weights` states; an unknown digest leaves the size.

    Raises WrongWeightsError naming expected and found values, MissingWeightsError where there is no such
    file.
    """
    try:
        size = path.stat().st_size
        found = file_digest(path, weights)
    except FileNotFoundError as exc:
        raise MissingWeightsError(f"there is no weights file {path}", hint="check the path") from exc
    except OSError as exc:
        raise WrongWeightsError(f"{path} cannot be read: {exc.strerror}", hint="check the path") from exc
    if problems := differences(weights, size=size, digest=found):
        raise WrongWeightsError(
            f"{path} is not the published file {weights.name!r} of {weights.source}: " + "; ".join(problems),
            hint="remove it and fetch it again: `headstart weights get NAME`",
        )


def differences(weights: WeightsSpec, *, size: int, digest: str) -> list[str]:
    """How a size in bytes and a digest in hex differ from what `weights` states; empty where they agree."""
    problems = []
    if weights.size is not None and size != weights.size:
        problems.append(f"{size} bytes, expected {weights.size}")
    if weights.digest != UNKNOWN and digest != weights.digest.lower():
        problems.append(f"{weights.algorithm} {digest}, expected {weights.digest}")
    return problems


def file_digest(path: Path, weights: WeightsSpec) -> str:
    """The digest of a file in hex, by the algorithm of `weights`; memory does not grow with the file."""
    running = new_digest(weights)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            running.update(chunk)
    return running.hexdigest()


def new_digest(weights: WeightsSpec) -> _Hash:
    """An empty digest of the algorithm that `weights` names. Raises UsageError for one we do not know."""
    algorithm = weights.algorithm if weights.digest != UNKNOWN else "sha256"
    if algorithm not in ALGORITHMS:
        raise UsageError(
            f"weights {weights.name!r} name the digest algorithm {algorithm!r}",
            hint=f"known are {', '.join(ALGORITHMS)}",
        )
    return hashlib.new(algorithm, usedforsecurity=False)
