"""Convolutions in a form that XLA compiles well on CPUs.

`KERAS_BACKEND=jax python tests/benchmarks/lowerings.py` prints what they gain.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import LoweringSpec

CHAINS = ((), ("BatchNormalization",), ("BatchNormalization", "ReLU"), ("BatchNormalization", "Activation"))
"""What a convolution takes in of the layers after it."""
FORMS = (
    ("depthwise", "DepthwiseConv2D", "Depthwise convolution as a sum of shifted inputs."),
    ("pointwise", "Conv2D", "1x1 convolution as a matrix product."),
)


@hookimpl
def register_lowerings() -> Iterable[LoweringSpec]:
    """Depthwise convolutions as shifted multiply-adds, 1x1 convolutions as matrix products, BatchNorm in them."""
    return [
        LoweringSpec(
            name="jax_lowerings/" + "-".join((form, *(each.lower() for each in then))),
            summary=summary,
            build=f"headstart_plugins.jax_lowerings._build:{form}",
            layer=layer,
            then=then,
            backends=("jax",),
        )
        for form, layer, summary in FORMS
        for then in CHAINS
    ]
