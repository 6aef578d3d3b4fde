"""What a plugin can offer: frozen records that name things, and a Protocol for each thing they build.

This module imports no framework and no numpy, so that a plugin's declarations load in milliseconds. Each spec names
its build target as `"module:function"`; the target is imported only when a run needs it, and may import keras.

Shapes are written with named axes: (batch, height, width, channel). Arrays that cross this boundary are numpy; tensors
inside `keras.Model` are the backend's.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.specs.augmentations import Augmentation, AugmentationBuild, AugmentationRequest, AugmentationSpec
from headstart.specs.backbones import (
    PRETRAINED,
    Backbone,
    BackboneBuild,
    BackboneRequest,
    BackboneSpec,
    FeatureSpec,
    FetchedFile,
    HeadLoad,
    LocalFile,
    Origin,
    PackageFile,
    PretrainedHead,
    RemoteFile,
    Stage,
    WeightsFetch,
    WeightsLoad,
    WeightsSpec,
)
from headstart.specs.base import API, AUTO, BACKENDS, Batch, Spec
from headstart.specs.datasets import (
    DatasetBuild,
    DatasetRequest,
    DatasetSpec,
    Finding,
    Record,
    Records,
    Skipped,
    Stored,
    Tolerances,
)
from headstart.specs.engines import (
    PRECISIONS,
    Compiled,
    EngineBuild,
    EngineExport,
    EngineExporter,
    EngineRequest,
    EngineSpec,
)
from headstart.specs.inputs import (
    Change,
    Drawn,
    DrawsSheets,
    Facts,
    HasAssets,
    InputBuild,
    InputKind,
    InputRequest,
    InputSpec,
    JudgesChanges,
    JudgesNotes,
    Mix,
    MixesSamples,
    Prepared,
    PreparesSeveral,
    Preview,
    Sample,
    Shown,
    TensorSpec,
    Trims,
)
from headstart.specs.lowerings import LoweringBuild, LoweringSpec, LowersItself
from headstart.specs.reporters import Reporter, ReporterBuild, ReporterRequest, ReporterSpec, RunView
from headstart.specs.strategies import (
    HEAD,
    INPUT,
    LowRank,
    Phase,
    RateSetting,
    StrategyBuild,
    StrategyRequest,
    StrategySpec,
)
from headstart.specs.targets import (
    AdvisesOnFew,
    GivesExamples,
    HasScale,
    Recognised,
    TargetBuild,
    TargetKind,
    TargetRequest,
    TargetSpec,
)
from headstart.specs.tasks import (
    Calibrates,
    Calibrator,
    Evaluation,
    Evaluator,
    FeedsTargets,
    FitsTargets,
    Generates,
    MixesTargets,
    PoolsRows,
    RunningEvaluator,
    Search,
    Solved,
    SolvesHead,
    Task,
    TaskBuild,
    TaskRequest,
    TaskSpec,
    WritesFiles,
    read_head,
)

AnySpec = (
    AugmentationSpec
    | BackboneSpec
    | DatasetSpec
    | EngineSpec
    | InputSpec
    | LoweringSpec
    | ReporterSpec
    | StrategySpec
    | TargetSpec
    | TaskSpec
)
Specs = Iterable[AnySpec]

__all__ = [
    "API",
    "AUTO",
    "AdvisesOnFew",
    "AnySpec",
    "Augmentation",
    "AugmentationBuild",
    "AugmentationRequest",
    "AugmentationSpec",
    "BACKENDS",
    "Backbone",
    "BackboneBuild",
    "BackboneRequest",
    "BackboneSpec",
    "Batch",
    "Calibrates",
    "Calibrator",
    "Change",
    "Compiled",
    "DatasetBuild",
    "DatasetRequest",
    "DatasetSpec",
    "Drawn",
    "DrawsSheets",
    "EngineBuild",
    "EngineExport",
    "EngineExporter",
    "EngineRequest",
    "EngineSpec",
    "Evaluation",
    "Evaluator",
    "Facts",
    "FeatureSpec",
    "FeedsTargets",
    "FetchedFile",
    "Finding",
    "FitsTargets",
    "Generates",
    "GivesExamples",
    "HEAD",
    "HasAssets",
    "HasScale",
    "HeadLoad",
    "INPUT",
    "InputBuild",
    "InputKind",
    "InputRequest",
    "InputSpec",
    "JudgesChanges",
    "JudgesNotes",
    "LocalFile",
    "LowRank",
    "LoweringBuild",
    "LoweringSpec",
    "LowersItself",
    "Mix",
    "MixesSamples",
    "MixesTargets",
    "Origin",
    "PRECISIONS",
    "PRETRAINED",
    "PackageFile",
    "Phase",
    "PoolsRows",
    "Prepared",
    "PreparesSeveral",
    "PretrainedHead",
    "Preview",
    "RateSetting",
    "Recognised",
    "Record",
    "Records",
    "RemoteFile",
    "Reporter",
    "ReporterBuild",
    "ReporterRequest",
    "ReporterSpec",
    "RunView",
    "RunningEvaluator",
    "Sample",
    "Search",
    "Shown",
    "Skipped",
    "Solved",
    "SolvesHead",
    "Spec",
    "Specs",
    "Stage",
    "Stored",
    "StrategyBuild",
    "StrategyRequest",
    "StrategySpec",
    "TargetBuild",
    "TargetKind",
    "TargetRequest",
    "TargetSpec",
    "Task",
    "TaskBuild",
    "TaskRequest",
    "TaskSpec",
    "TensorSpec",
    "Tolerances",
    "Trims",
    "WeightsFetch",
    "WeightsLoad",
    "WeightsSpec",
    "WritesFiles",
    "read_head",
]
