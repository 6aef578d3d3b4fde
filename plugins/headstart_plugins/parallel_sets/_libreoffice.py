"""Messages of LibreOffice with their translations, from the compiled catalogues of a Debian package."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from headstart.errors import UsageError
from headstart.packages import download_debian_package
from headstart.specs import DatasetRequest, MakeRequest, Records
from headstart_plugins._debian_package import files_of
from headstart_plugins._parallel.catalogues import read_catalogues
from headstart_plugins.parallel_sets import LibreOfficeOptions

CATALOGUE = re.compile(r"usr/lib/libreoffice/program/resource/([A-Za-z_@-]+)/LC_MESSAGES/([a-z]+\.mo)", re.ASCII)
FOLDER = "catalogues"


def make(request: MakeRequest) -> None:
    """Put the catalogues of the language into the folder as the package has them. Raises UsageError where the package
    cannot be had, or the file given is none."""
    name = f"libreoffice-l10n-{request.code.lower().replace('_', '-')}"
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        package = request.source or download_debian_package(name, Path(place))
        if not package.is_file():
            raise UsageError(f"there is no file {package}", hint=f"expected the .deb of {name}")
        found = dict(files_of(package, name, lambda path: CATALOGUE.fullmatch(path) is not None))
    if not found:
        raise UsageError(f"{package.name} holds no catalogues", hint=f"expected the .deb of {name}")
    for path, content in found.items():
        match = CATALOGUE.fullmatch(path)
        assert match is not None  # as was wanted
        target = request.folder / FOLDER / match[1] / "LC_MESSAGES" / match[2]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def build(request: DatasetRequest) -> Records:
    """Pairs of messages; see `read_catalogues`, which raises the same."""
    assert request.made is not None  # the spec names what makes it
    options: LibreOfficeOptions = request.options
    return read_catalogues(request.made / FOLDER, options, labelled=request.labelled)
