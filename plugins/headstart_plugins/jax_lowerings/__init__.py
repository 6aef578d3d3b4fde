"""Convolutions in a form that XLA compiles well on CPUs.

`KERAS_BACKEND=jax python tests/benchmarks/lowerings.py` prints what they gain.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import LoweringSpec


@hookimpl
def register_lowerings() -> Iterable[LoweringSpec]:
    """Depthwise convolutions as shifted multiply-adds, 1x1 convolutions as matrix products."""
    return (
        LoweringSpec(
            name="jax_lowerings/depthwise",
            summary="Depthwise convolution as a sum of shifted inputs.",
            build="headstart_plugins.jax_lowerings._build:depthwise",
            layer="DepthwiseConv2D",
            backends=("jax",),
        ),
        LoweringSpec(
            name="jax_lowerings/pointwise",
            summary="1x1 convolution as a matrix product.",
            build="headstart_plugins.jax_lowerings._build:pointwise",
            layer="Conv2D",
            backends=("jax",),
        ),
    )
