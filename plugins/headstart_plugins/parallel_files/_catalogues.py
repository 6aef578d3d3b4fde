"""The user's own catalogues."""

from __future__ import annotations

from headstart.specs import DatasetRequest, Records
from headstart_plugins._files.given import given_path
from headstart_plugins._parallel.catalogues import CatalogueOptions, read_catalogues


def build(request: DatasetRequest) -> Records:
    """See `read_catalogues`, which raises the same."""
    options: CatalogueOptions = request.options
    path = given_path(request.reference, usage="catalogues:FOLDER")
    return read_catalogues(path, options, language=options.language, labelled=request.labelled)
