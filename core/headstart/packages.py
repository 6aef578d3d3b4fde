"""Packages as files, brought by the clients of their registries: pip's download, npm's pack and apt's download.

Nothing of a package is installed. A file is kept only where it is the published one, to the digest.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import UsageError

NPM_CODES = ("code ", "syscall ", "errno ")
"""Begin the lines that npm writes before its reason."""


@dataclass(frozen=True)
class PublishedFile:
    """A package's file in a registry: the client that brings it, "pip" for a source distribution, "wheel" for pip's
    wheel or "npm", the name, the version, and the digest of the file in hex: SHA-256 for pip, SHA-512, which npm calls
    integrity, for npm.

    `tags` are those of the wheel where there is one for each platform, such as "cp311-cp311-manylinux_2_28_x86_64": for
    what is only read in it, every machine brings the same.
    """

    client: str
    name: str
    version: str
    digest: str
    tags: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.client == "npm" else f"{self.name}=={self.version}"

    @property
    def algorithm(self) -> str:
        """The digest's algorithm, as hashlib calls it."""
        return "sha512" if self.client == "npm" else "sha256"


def bring(published: PublishedFile, folder: Path, *, here: Path | None = None) -> Path:
    """The published file: the one that is `here` already, or else brought into `folder`, which is empty.

    Raises UsageError where there is no such file or client, with the client's own reason where it brings none, and
    naming both digests where a file is not the published one.
    """
    path = here or (_packed(published, folder) if published.client == "npm" else _pinned(published, folder))
    if not path.is_file():
        raise UsageError(f"there is no file {path}", hint=f"expected the file of {published} as its registry serves it")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, published.algorithm).hexdigest()
    if found != published.digest:
        raise UsageError(
            f"{path.name} is not the published file of {published}: {published.algorithm} {found}, "
            f"expected {published.digest}",
            hint="fetch it again; it is another version, damaged, or altered on its way",
        )
    return path


def download_wheel(requirement: str, folder: Path) -> Path:
    """The wheel of `NAME==VERSION`, brought into `folder`, which is empty. Raises UsageError with pip's own reason."""
    return _by_pip(requirement, ("--only-binary", ":all:", requirement), folder, suffix=".whl")


def download_debian_package(name: str, folder: Path) -> Path:
    """The .deb of the package `name` in the version that apt offers here, brought into `folder`, which is empty; apt
    compares its digest. Raises UsageError with apt's own reason, and where there is no apt."""
    apt, elsewhere = shutil.which("apt-get"), "bring the file from a machine that has it: --from FILE"
    if apt is None:
        raise UsageError(f"apt-get is not on this machine, which brings {name}", hint=elsewhere)
    done = subprocess.run(
        (apt, "--quiet", "download", name), cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    files = sorted(folder.glob("*.deb"))
    if done.returncode != 0 or len(files) != 1:
        said = [line.removeprefix("E: ") for line in done.stderr.splitlines() if line.startswith("E: ")]
        reason = said[0] if said else f"exit status {done.returncode}"
        raise UsageError(f"apt-get could not download {name}: {reason}", hint=f"run `apt-get update`, or {elsewhere}")
    return files[0]


def _pinned(published: PublishedFile, folder: Path) -> Path:
    """A source distribution or a wheel. pip runs the build script of the former to learn what it is called, so that pip
    has to compare the digest before it opens the file."""
    stated = folder / "requirements.txt"
    stated.write_text(f"{published} --hash=sha256:{published.digest}\n", encoding="utf-8")
    form, suffix = ("--only-binary", ".whl") if published.client == "wheel" else ("--no-binary", ".tar.gz")
    arguments = (form, published.name, *_of_platform(published.tags), "--require-hashes", "--requirement", str(stated))
    return _by_pip(str(published), arguments, folder, suffix=suffix)


def _of_platform(tags: str) -> tuple[str, ...]:
    """How pip is asked for the wheel of these tags, on whatever machine."""
    if not tags:
        return ()
    python, abi, platform = tags.split("-")
    return ("--implementation", python[:2], "--python-version", python[2:], "--abi", abi, "--platform", platform)


def _by_pip(requirement: str, arguments: Sequence[str], folder: Path, *, suffix: str) -> Path:
    pip = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", "download")
    options = ("--quiet", "--retries", "2", "--no-deps", "--dest", str(folder))
    return _brought((*pip, *options, *arguments), requirement, folder, suffix=suffix)


def _packed(published: PublishedFile, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise UsageError(
            f"npm is not on this machine, which brings {published}",
            hint=f"install npm; or run `npm pack {published}` elsewhere, and name the file that it writes: --from FILE",
        )
    quietly = ("--ignore-scripts", "--loglevel", "error", "--fetch-retries", "1")
    command = (npm, "pack", str(published), *quietly, "--pack-destination", str(folder))
    return _brought(command, str(published), folder, suffix=".tgz")


def _brought(command: Sequence[str], wanted: str, folder: Path, *, suffix: str) -> Path:
    """The one file that a client writes into `folder`. Raises UsageError with the reason that it gave."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    files = sorted(folder.glob(f"*{suffix}"))
    if done.returncode != 0 or len(files) != 1:
        client = "npm" if suffix == ".tgz" else "pip"
        lines = [line.removeprefix("ERROR: ").removeprefix("npm error ") for line in done.stderr.splitlines()]
        said = [line for line in lines if line.strip() and not line.startswith(NPM_CODES)]
        reason = said[0 if client == "npm" else -1] if said else f"exit status {done.returncode}"
        raise UsageError(
            f"{client} could not download {wanted}: {reason}",
            hint="it needs a connection to the registry; or bring the file from a machine that has one: --from FILE",
        )
    return files[0]
