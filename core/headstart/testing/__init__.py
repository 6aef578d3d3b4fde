"""The contract kit: what every backbone, dataset, augmentation and reporter must do, as tests for its author.

Name an offer in a class, and run pytest where the plugin is installed:

    from headstart.testing import BackboneContract, DatasetContract

    class TestSteps(BackboneContract):
        name = "mine/steps"

    class TestPhotos(DatasetContract):
        name = "mine/photos"

        def reference(self, folder):    # where it opens a path: write a small sample below `folder`, return its path
            return write_photos(folder)

A contract is made of levels that can also be used alone: `...Declared` needs no backend; `BackboneBuilt` runs on
KERAS_BACKEND, or the first backend that is installed; `BackboneAgrees` starts a process on each and compares.
Values of the option table go into `options = {...}`, modules that the offer needs into `requires = ("mlflow",)`.
What a failure says is what to change. `write_distribution` publishes a plugin for one test, without installing it.

Nothing here imports a framework or numpy before a test runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.testing.augmentations import AugmentationContract as AugmentationContract
    from headstart.testing.augmentations import AugmentationDeclared as AugmentationDeclared
    from headstart.testing.augmentations import AugmentationDrawn as AugmentationDrawn
    from headstart.testing.backbones import BackboneAgrees as BackboneAgrees
    from headstart.testing.backbones import BackboneBuilt as BackboneBuilt
    from headstart.testing.backbones import BackboneContract as BackboneContract
    from headstart.testing.backbones import BackboneDeclared as BackboneDeclared
    from headstart.testing.datasets import DatasetContract as DatasetContract
    from headstart.testing.datasets import DatasetDeclared as DatasetDeclared
    from headstart.testing.datasets import DatasetOpened as DatasetOpened
    from headstart.testing.distributions import write_distribution as write_distribution
    from headstart.testing.reporters import ReporterContract as ReporterContract
    from headstart.testing.reporters import ReporterDeclared as ReporterDeclared
    from headstart.testing.reporters import ReporterTold as ReporterTold

_HOMES = {
    "BackboneContract": "backbones",
    "BackboneDeclared": "backbones",
    "BackboneBuilt": "backbones",
    "BackboneAgrees": "backbones",
    "DatasetContract": "datasets",
    "DatasetDeclared": "datasets",
    "DatasetOpened": "datasets",
    "AugmentationContract": "augmentations",
    "AugmentationDeclared": "augmentations",
    "AugmentationDrawn": "augmentations",
    "ReporterContract": "reporters",
    "ReporterDeclared": "reporters",
    "ReporterTold": "reporters",
    "write_distribution": "distributions",
}

__all__ = [
    "BackboneContract",
    "BackboneDeclared",
    "BackboneBuilt",
    "BackboneAgrees",
    "DatasetContract",
    "DatasetDeclared",
    "DatasetOpened",
    "AugmentationContract",
    "AugmentationDeclared",
    "AugmentationDrawn",
    "ReporterContract",
    "ReporterDeclared",
    "ReporterTold",
    "write_distribution",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"headstart.testing.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
