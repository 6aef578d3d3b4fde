"""Programs and files of Debian packages: those that are installed, else unpacked for this once, without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headstart.errors import UsageError
from headstart.packages import download_debian_package

LIBRARIES = "usr/lib"


@dataclass(frozen=True)
class Program:
    """A command as it can be run: its path, and variables of the environment that it needs."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def output(self, arguments: Sequence[str], text: str = "") -> bytes:
        """What it writes on standard output, `text` on its input. Raises UsageError with what it said if it fails."""
        done = subprocess.run(
            (str(self.path), *arguments),
            input=text.encode(),
            capture_output=True,
            env={**os.environ, **self.environment},
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
            raise UsageError(f"{self.path.name} failed: {said[-1]}", hint=f"try `{self.path} {' '.join(arguments)}`")
        return done.stdout


@contextmanager
def unpacked(packages: Sequence[str]) -> Iterator[Path]:
    """A folder with the files of Debian `packages` as apt brings them, for as long as it is needed.

    Raises UsageError naming all of them where apt or dpkg-deb is not there, or brings one of them not.
    """
    with tempfile.TemporaryDirectory(prefix="headstart-") as name:
        folder = Path(name)
        for package in packages:
            place = folder / "packages" / package
            place.mkdir(parents=True)
            try:
                file = download_debian_package(package, place)
            except UsageError as exc:
                raise UsageError(exc.message, hint=f"apt-get install {' '.join(packages)}") from exc
            dpkg = shutil.which("dpkg-deb")
            if dpkg is None:
                hint = f"install {' and '.join(packages)} as your system does"
                raise UsageError("dpkg-deb is not on this machine, which unpacks Debian's packages", hint=hint)
            subprocess.run((dpkg, "--extract", str(file), str(folder / "files")), check=True, capture_output=True)
        yield folder / "files"


@contextmanager
def program(name: str, packages: Sequence[str], source: Path | None, data: str = "") -> Iterator[Program]:
    """The command `name`: `source` where the user names it, else the installed one, else that of `packages`, whose
    libraries, and the variable `data` for what espeak-ng reads, it is told about.

    Raises UsageError where there is none.
    """
    installed = shutil.which(name)
    if source is not None:
        path = source.expanduser()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise UsageError(f"{path} is no program", hint=f"--from takes the program {name}, such as /usr/bin/{name}")
        yield Program(path)
    elif installed:
        yield Program(Path(installed))
    else:
        with unpacked(packages) as folder:
            libraries = [str(path) for path in sorted((folder / LIBRARIES).glob("*-linux-gnu*"))]
            own = {"LD_LIBRARY_PATH": os.pathsep.join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")])}
            if data and libraries:
                own[data] = libraries[0]
            yield Program(folder / "usr/bin" / name, own)
