"""The contract of datasets, in two levels: declared, opened."""

from __future__ import annotations

from headstart.testing.datasets.declared import DatasetDeclared
from headstart.testing.datasets.opened import DatasetOpened

__all__ = ["DatasetContract", "DatasetDeclared", "DatasetOpened"]


class DatasetContract(DatasetDeclared, DatasetOpened):
    """All that a dataset must do. Set `name`, and write a `reference` where it opens a path."""
