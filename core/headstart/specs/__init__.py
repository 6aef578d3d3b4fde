"""What a plugin can offer: frozen records that name things, and a Protocol for each thing they build.

This module imports no framework and no numpy, so that a plugin's declarations load in milliseconds. Each spec names
its build target as `"module:function"`; the target is imported only when a run needs it, and may import keras.

Shapes are written with named axes: (batch, height, width, channel). Arrays that cross this boundary are numpy; tensors
inside `keras.Model` are the backend's.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.specs.augmentations import (
    Augmentation,
    AugmentationBuild,
    AugmentationRequest,
    AugmentationSpec,
)
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
from headstart.specs.base import (
    API,
    AUTO,
    BACKENDS,
    Spec,
)
from headstart.specs.changes import (
    Box,
    Colour,
    ColourName,
    Erased,
    Matrix,
    Mix,
    Transform,
)
from headstart.specs.datasets import (
    DatasetBuild,
    DatasetRequest,
    DatasetSpec,
    Record,
    Records,
    Skipped,
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
    InputBuild,
    InputKind,
    InputRequest,
    InputSpec,
    MixesSamples,
    Preview,
    Sample,
    TensorSpec,
)
from headstart.specs.lowerings import (
    LoweringBuild,
    LoweringSpec,
    LowersItself,
)
from headstart.specs.reporters import (
    Reporter,
    ReporterBuild,
    ReporterRequest,
    ReporterSpec,
    RunView,
)
from headstart.specs.strategies import (
    HEAD,
    INPUT,
    LowRank,
    Phase,
    StrategyBuild,
    StrategyRequest,
    StrategySpec,
)
from headstart.specs.targets import (
    SEPARATOR,
    TargetForm,
)
from headstart.specs.tasks import (
    Calibrates,
    FitsTargets,
    Generates,
    Search,
    Solved,
    Task,
    TaskBuild,
    TaskRequest,
    TaskSpec,
)

AnySpec = (
    BackboneSpec
    | DatasetSpec
    | AugmentationSpec
    | ReporterSpec
    | InputSpec
    | TaskSpec
    | StrategySpec
    | LoweringSpec
    | EngineSpec
)
Specs = Iterable[AnySpec]

__all__ = [
    "API",
    "AUTO",
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
    "Box",
    "Calibrates",
    "Colour",
    "ColourName",
    "Compiled",
    "DatasetBuild",
    "DatasetRequest",
    "DatasetSpec",
    "EngineBuild",
    "EngineExport",
    "EngineExporter",
    "EngineRequest",
    "EngineSpec",
    "Erased",
    "FeatureSpec",
    "FetchedFile",
    "FitsTargets",
    "Generates",
    "HEAD",
    "HeadLoad",
    "INPUT",
    "InputBuild",
    "InputKind",
    "InputRequest",
    "InputSpec",
    "LocalFile",
    "LowRank",
    "LoweringBuild",
    "LoweringSpec",
    "LowersItself",
    "Matrix",
    "Mix",
    "MixesSamples",
    "Origin",
    "PRECISIONS",
    "PRETRAINED",
    "PackageFile",
    "Phase",
    "PretrainedHead",
    "Preview",
    "Record",
    "Records",
    "RemoteFile",
    "Reporter",
    "ReporterBuild",
    "ReporterRequest",
    "ReporterSpec",
    "RunView",
    "SEPARATOR",
    "Sample",
    "Search",
    "Skipped",
    "Solved",
    "Spec",
    "Specs",
    "Stage",
    "StrategyBuild",
    "StrategyRequest",
    "StrategySpec",
    "TargetForm",
    "Task",
    "TaskBuild",
    "TaskRequest",
    "TaskSpec",
    "TensorSpec",
    "Transform",
    "WeightsFetch",
    "WeightsLoad",
    "WeightsSpec",
]
