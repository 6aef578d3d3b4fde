"""A third party's plugin for tests: a backbone of three stages that trains in a second."""

from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, EngineSpec, FeatureSpec, InputSpec

PREPROCESS = {
    "size": [16, 16],
    "channels": "rgb",
    "scale": [0.0078125] * 3,
    "offset": [-0.9921875] * 3,
    "resize": "pad",
    "interpolation": "bicubic",
    "background": 255,
    "range": [0, 255],
}


@hookimpl
def register_backbones():
    """Offer the one backbone."""
    return [
        BackboneSpec(
            name="small/net",
            summary="Three stages for tests.",
            build="headstart_small._build:build",
            takes="image",
            stages=("low", "middle", "top"),
            features=(FeatureSpec("pooled", "top", "pooled", ("batch", "channel"), 12),),
            preprocess=PREPROCESS,
            licence="Apache-2.0",
        )
    ]


@dataclass(frozen=True)
class WordOptions:
    """How texts are read."""

    vocabulary: str = option("", "A file of the words that are known.")


@hookimpl
def register_inputs():
    """Offer an input kind that makes pictures of texts, and needs a file for it."""
    return [
        InputSpec(
            name="small/words",
            summary="Texts as pictures of their words, for tests.",
            options=WordOptions,
            build="headstart_small._text:build",
            reads=("text",),
            produces="image",
        )
    ]


@hookimpl
def register_engines():
    """Offer an engine that answers a little wrong, and one that nobody can install; `auto` never tries either."""
    return [
        EngineSpec(
            name="small/off",
            summary="Answers what the backend does, and 0.01 more.",
            build="headstart_small._engine:build",
            startup=1e9,
        ),
        EngineSpec(
            name="small/absent",
            summary="Needs a module that does not exist.",
            build="headstart_small._engine:build",
            needs=("no_such_module",),
            extra="absent",
        ),
    ]
