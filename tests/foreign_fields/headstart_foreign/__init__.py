"""A third party's plugin for tests: five small fields that no built-in has, on synthetic data.

    marks      sequences of symbols of very different lengths, with masks; one class a sequence
    scenes     rectangles on a ground, 0 to 40 boxes a picture; average precision over the whole set
    regions    the same pictures with a class for every pixel
    phrases    a sequence answered with a sequence: its symbols backwards
    waves      recordings of any length, several windows a record; one class a recording

It imports `headstart` and nothing of the built-in plugins.
"""

from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import (
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    FeatureSpec,
    InputSpec,
    TargetSpec,
    TaskSpec,
)


@dataclass(frozen=True)
class Count:
    """How much is drawn."""

    count: int = option(120, "Samples in all.", low=10, high=100_000)
    seed: int = option(0, "What they are drawn from.", low=0, high=2**31)


@hookimpl
def register_inputs():
    return [
        InputSpec(
            name="foreign/marks",
            summary="Symbols as whole numbers, padded, with a mask.",
            build="headstart_foreign._inputs:Marks",
            reads=("marks",),
            produces="marks",
        ),
        InputSpec(
            name="foreign/scene",
            summary="Grey pictures of any size as arrays, brought to 32 x 32.",
            build="headstart_foreign._inputs:Scenes",
            reads=("scene",),
            produces="scene",
            changes={"mirror": "Left and right exchanged; no value."},
        ),
        InputSpec(
            name="foreign/wave",
            summary="A recording of any length as windows of 64 samples.",
            build="headstart_foreign._inputs:Waves",
            reads=("wave",),
            produces="wave",
        ),
    ]


@hookimpl
def register_targets():
    return [
        TargetSpec(
            name="foreign/boxes",
            summary="Boxes in pixels, 0 to 40.",
            build="headstart_foreign._targets:Boxes",
            means="boxes",
            columns={"boxes": "text"},
        ),
        TargetSpec(
            name="foreign/mask",
            summary="A class a pixel, in a file.",
            build="headstart_foreign._targets:Mask",
            means="a mask",
            columns={"mask": "file"},
        ),
        TargetSpec(
            name="foreign/phrase",
            summary="A text of symbols.",
            build="headstart_foreign._targets:Phrase",
            means="a text",
            columns={"phrase": "text"},
        ),
    ]


@hookimpl
def register_datasets():
    drawn = {"options": Count, "takes_path": False, "licence": "none needed"}
    return [
        DatasetSpec(
            name="foreign/marks",
            summary="Which of two symbols comes more often?",
            build="headstart_foreign._data:marks",
            medium="marks",
            **drawn,
        ),
        DatasetSpec(
            name="foreign/scenes",
            summary="Rectangles of two kinds.",
            build="headstart_foreign._data:scenes",
            medium="scene",
            targets=("foreign/boxes",),
            **drawn,
        ),
        DatasetSpec(
            name="foreign/regions",
            summary="A folder of NAME.npy pictures, each with NAME.mask.npy beside it.",
            build="headstart_foreign._data:regions",
            medium="scene",
            targets=("foreign/mask",),
            takes_path=True,
        ),
        DatasetSpec(
            name="foreign/phrases",
            summary="Symbols, and the same backwards.",
            build="headstart_foreign._data:phrases",
            medium="marks",
            targets=("foreign/phrase",),
            **drawn,
        ),
        DatasetSpec(
            name="foreign/waves",
            summary="Slow and fast waves.",
            build="headstart_foreign._data:waves",
            medium="wave",
            **drawn,
        ),
    ]


@hookimpl
def register_augmentations():
    return [
        AugmentationSpec(
            name="foreign/mirror",
            summary="Left and right exchanged, for half of all samples.",
            build="headstart_foreign._data:mirror",
            draws=frozenset({"mirror"}),
        )
    ]


@hookimpl
def register_backbones():
    shared = {"preprocess": {}, "licence": "Apache-2.0", "family": "small"}
    return [
        BackboneSpec(
            name="foreign/words",
            summary="Embedding, one block of attention, a masked mean.",
            build="headstart_foreign._networks:words",
            takes="marks",
            stages=("embed", "mix", "pool"),
            features=(
                FeatureSpec("tokens", "mix", "x", ("batch", "time", "channel"), 16, stride=1, mask="mask"),
                FeatureSpec("pooled", "pool", "pooled", ("batch", "channel"), 16),
            ),
            default_for="marks",
            **shared,
        ),
        BackboneSpec(
            name="foreign/sights",
            summary="Three convolutions.",
            build="headstart_foreign._networks:sights",
            takes="scene",
            stages=("low", "middle", "high"),
            features=(
                FeatureSpec("map@4", "high", "x", ("batch", "height", "width", "channel"), 16, stride=4),
                FeatureSpec("pooled", "high", "pooled", ("batch", "channel"), 16),
            ),
            default_for="scene",
            **shared,
        ),
        BackboneSpec(
            name="foreign/sounds",
            summary="Two convolutions in time.",
            build="headstart_foreign._networks:sounds",
            takes="wave",
            stages=("low", "high"),
            features=(FeatureSpec("pooled", "high", "pooled", ("batch", "channel"), 16),),
            default_for="wave",
            **shared,
        ),
    ]


@hookimpl
def register_tasks():
    return [
        TaskSpec(
            name="foreign/detect",
            summary="Boxes and their kinds, on a grid.",
            build="headstart_foreign._detect:build",
            features=("map@4",),
            heads=("grid",),
            targets="foreign/boxes",
            default=True,
        ),
        TaskSpec(
            name="foreign/segment",
            summary="A class for every pixel.",
            build="headstart_foreign._segment:build",
            features=("map@4",),
            heads=("pixels",),
            targets="foreign/mask",
            default=True,
        ),
        TaskSpec(
            name="foreign/translate",
            summary="A sequence answered with a sequence.",
            build="headstart_foreign._translate:build",
            features=("tokens",),
            heads=("decoder",),
            targets="foreign/phrase",
            default=True,
        ),
    ]
