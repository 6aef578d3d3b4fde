"""A plugin for the benchmark of dense outputs: 224 x 224 pixels of 21 classes a sample, from pictures of 56 x 56.

Pictures and masks are drawn from a number as they are read, so that a data set costs no memory of its own.
"""

from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, DatasetSpec, FeatureSpec, InputSpec, TargetSpec, TaskSpec


@dataclass(frozen=True)
class Count:
    """How many samples there are."""

    count: int = option(60, "Samples in all.", low=10, high=1_000_000)


@hookimpl
def register_inputs():
    return [
        InputSpec(
            name="dense/squares",
            summary="Pictures drawn from a number.",
            build="headstart_dense._build:Squares",
            reads=("number",),
            produces="squares",
        )
    ]


@hookimpl
def register_targets():
    return [
        TargetSpec(
            name="dense/mask",
            summary="A mask drawn from a number.",
            build="headstart_dense._build:Mask",
            means="a mask",
        )
    ]


@hookimpl
def register_datasets():
    return [
        DatasetSpec(
            name="dense/squares",
            summary="Squares of 20 kinds.",
            build="headstart_dense._build:squares",
            options=Count,
            medium="number",
            targets=("dense/mask",),
            takes_path=False,
            licence="none needed",
        )
    ]


@hookimpl
def register_backbones():
    return [
        BackboneSpec(
            name="dense/net",
            summary="One convolution.",
            build="headstart_dense._build:net",
            takes="squares",
            stages=("only",),
            features=(FeatureSpec("map@1", "only", "x", ("batch", "height", "width", "channel"), 8, stride=1),),
            preprocess={},
            licence="Apache-2.0",
            default_for="number",
        )
    ]


@hookimpl
def register_tasks():
    return [
        TaskSpec(
            name="dense/pixels",
            summary="A class for every pixel.",
            build="headstart_dense._build:build_task",
            features=("map@1",),
            heads=("pixels",),
            targets="dense/mask",
            default=True,
        )
    ]
