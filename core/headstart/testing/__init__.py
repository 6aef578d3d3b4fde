"""The contract kit: what every offer of a plugin must do, as tests for its author.

Name an offer in a class, and run pytest where the plugin is installed:

    from headstart.testing import BackboneContract, DatasetContract

    class TestSteps(BackboneContract):
        name = "mine/steps"

    class TestPhotos(DatasetContract):
        name = "mine/photos"

        def reference(self, folder):    # where it opens a path: write a small sample below `folder`, return its path
            return write_photos(folder)

There are contracts for backbones, datasets, augmentations, reporters, input kinds, target kinds, tasks and transfer
scores. Each is made of levels that can also be used alone: `...Declared` needs no backend; `BackboneBuilt`,
`InputKindStaged` and `TaskAnswered` run on KERAS_BACKEND, or the first backend that is installed; `BackboneAgrees`
starts a process on each and compares.
Values of the option table go into `options = {...}`, modules that the offer needs into `requires = ("mlflow",)`.
What a failure says is what to change. `write_distribution` publishes a plugin for one test, without installing it.

Nothing here imports a framework or numpy before a test runs.
"""

from __future__ import annotations

from headstart.testing.augmentations import AugmentationContract, AugmentationDeclared, AugmentationDrawn
from headstart.testing.backbones import BackboneAgrees, BackboneBuilt, BackboneContract, BackboneDeclared
from headstart.testing.datasets import DatasetContract, DatasetDeclared, DatasetOpened
from headstart.testing.distributions import write_distribution
from headstart.testing.inputs import InputKindContract, InputKindDeclared, InputKindPrepared, InputKindStaged
from headstart.testing.reporters import ReporterContract, ReporterDeclared, ReporterTold
from headstart.testing.scores import ScoreContract, ScoreDeclared, ScoreMeasured
from headstart.testing.target_kinds import TargetKindContract, TargetKindDeclared, TargetKindRead
from headstart.testing.tasks import TaskAnswered, TaskContract, TaskDeclared, TaskEncoded

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
    "InputKindContract",
    "InputKindDeclared",
    "InputKindPrepared",
    "InputKindStaged",
    "TargetKindContract",
    "TargetKindDeclared",
    "TargetKindRead",
    "ScoreContract",
    "ScoreDeclared",
    "ScoreMeasured",
    "TaskContract",
    "TaskDeclared",
    "TaskEncoded",
    "TaskAnswered",
    "write_distribution",
]
