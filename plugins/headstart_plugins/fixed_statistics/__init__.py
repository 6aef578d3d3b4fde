"""BatchNorm with fixed statistics, for norms that no convolution takes in: one scale and one shift a channel."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import BACKENDS, LoweringSpec


@hookimpl
def register_lowerings() -> Iterable[LoweringSpec]:
    """The one form, the same on both backends and on every device."""
    return [
        LoweringSpec(
            name="fixed_statistics/batchnormalization",
            summary="BatchNorm as a scale and a shift that learn, its statistics fixed.",
            build=f"{__name__}._build:fixed_statistics",
            layer="BatchNormalization",
            backends=BACKENDS,
            devices=("cpu", "gpu", "tpu"),
        )
    ]
