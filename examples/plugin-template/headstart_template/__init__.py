"""What this plugin offers, as data: no numpy and no framework here, so that every command starts at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import AugmentationSpec, BackboneSpec, DatasetSpec, FeatureSpec, ReporterSpec, TargetSpec

MAP_AXES = ("batch", "height", "width", "channel")


@dataclass(frozen=True)
class StepsOptions:
    """How large the network is."""

    width: int = option(16, "Channels of the first stage; the others have two and four times as many.", low=4, high=256)


@dataclass(frozen=True)
class ArraysOptions:
    """Where things stand in the file."""

    pictures: str = option("pictures", "Name of the array of pixels.")
    labels: str = option("labels", "Name of the array of labels.")
    horizontal_flip: bool = option(False, "A mirrored picture still has its label.")


@dataclass(frozen=True)
class TurnOptions:
    """How far pictures are turned."""

    degrees: float = option(10.0, "Largest turn to either side, in degrees.", low=0.0, high=180.0)
    flip: bool = option(True, "Mirror every other picture, where the dataset's labels survive it.")


@dataclass(frozen=True)
class TableOptions:
    """How the table is written."""

    separator: str = option(",", "What stands between two columns.", choices=(",", ";", "\t"))


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The network `steps`."""
    return [
        BackboneSpec(
            name="template/steps",
            api=2,
            summary="A small residual network of three stages, 32 px, without published weights.",
            options=StepsOptions,
            build="headstart_template._backbone:build",
            takes="image",
            stages=("stem", "middle", "top"),
            features=(
                FeatureSpec("pooled", stage="top", tensor="pooled", axes=("batch", "channel"), channels=64),
                FeatureSpec("map@8", stage="top", tensor="hidden", axes=MAP_AXES, channels=64, stride=8),
            ),
            preprocess={"size": [32, 32], "scale": [1 / 127.5] * 3, "offset": [-1.0] * 3},
            licence="Apache-2.0",
            tiny={"width": 8},
            tiny_size=16,
        )
    ]


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """The dataset `arrays`."""
    return [
        DatasetSpec(
            name="template/arrays",
            api=2,
            summary="Pictures and labels in one file of numpy.savez: `arrays:FILE.npz`.",
            options=ArraysOptions,
            build="headstart_template._dataset:build",
            medium="image",
            targets=("targets/class",),
            takes_path=True,
        )
    ]


@hookimpl
def register_augmentations() -> Iterable[AugmentationSpec]:
    """The augmentation `turn`."""
    return [
        AugmentationSpec(
            name="template/turn",
            api=2,
            summary="Small turns, and mirroring where the labels survive it.",
            options=TurnOptions,
            build="headstart_template._augmentation:build",
            draws=frozenset({"matrix"}),
            uses=frozenset({"horizontal_flip"}),
        )
    ]


@hookimpl
def register_targets() -> Iterable[TargetSpec]:
    """The kind of targets `point`."""
    return [
        TargetSpec(
            name="template/point",
            api=2,
            summary='A point of a picture, as shares of width and height: "0.25 0.5".',
            build="headstart_template._point:build",
            means="a point",
        )
    ]


@hookimpl
def register_reporters() -> Iterable[ReporterSpec]:
    """The reporter `table`."""
    return [
        ReporterSpec(
            name="template/table",
            api=2,
            summary="One row for each epoch, for spreadsheets.",
            options=TableOptions,
            build="headstart_template._reporter:build",
            writes=("report/epochs.csv",),
        )
    ]
