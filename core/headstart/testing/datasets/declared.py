"""Level A of datasets."""

from __future__ import annotations

from headstart.testing.declared import Declared


class DatasetDeclared(Declared):
    """The spec of a dataset is complete."""

    _kind = "datasets"

    def test_its_licence_is_stated(self) -> None:
        """Data that comes with a plugin has one; a user's own files are theirs."""
        self._require_licence(self.spec.licence, "the data")

    def test_its_input_kind_is_installed(self) -> None:
        """The kind reads its payloads."""
        self._input_spec()
