"""Convolutions and dense layers in a form that XLA compiles well on CPUs.

`KERAS_BACKEND=jax python tests/benchmarks/lowerings.py` prints what they gain.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import LoweringSpec

FORMS = (
    ("_build:depthwise", "DepthwiseConv2D", "Depthwise convolution as a sum of shifted inputs."),
    ("_build:convolution", "Conv2D", "1x1 convolution as a matrix product; gradients of others as of images."),
    ("_tokens:dense", "Dense", "A dense layer over rows of tokens as a product of two matrices."),
)


@hookimpl
def register_lowerings() -> Iterable[LoweringSpec]:
    """Depthwise convolutions as shifted multiply-adds, 1x1 convolutions and dense layers as matrix products, gradients
    of other kernels as convolutions of images.

    BatchNorm stays apart: XLA merges it into its neighbours, and scaling kernels instead is slower.
    """
    return [
        LoweringSpec(
            name=f"jax_lowerings/{form.partition(':')[2]}",
            summary=summary,
            build=f"headstart_plugins.jax_lowerings.{form}",
            layer=layer,
            backends=("jax",),
        )
        for form, layer, summary in FORMS
    ]
