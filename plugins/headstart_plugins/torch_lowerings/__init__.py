"""Convolutions, poolings, dense layers and lookups as PyTorch does them fastest on CPUs.

`KERAS_BACKEND=torch python tests/benchmarks/lowerings.py` prints what they gain.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import LoweringSpec

CHAINS = ((), ("BatchNormalization",), ("BatchNormalization", "ReLU"), ("BatchNormalization", "Activation"))
"""What a convolution takes in of the layers after it."""
TOKENS = (
    ("dense", "Dense", "Products of many rows with a kernel by oneDNN."),
    ("embedding", "Embedding", "Looked up rows whose gradient is of these rows alone."),
)


@hookimpl
def register_lowerings() -> Iterable[LoweringSpec]:
    """Convolutions without copies, BatchNorm and ReLU in them; the largest of each window without copies; dense
    layers by oneDNN; lookups with sparse gradients."""
    pooling = LoweringSpec(
        name="torch_lowerings/maxpooling2d",
        summary="The largest of each window on the layer's own memory, without copies.",
        build="headstart_plugins.torch_lowerings._build:max_pooling",
        layer="MaxPooling2D",
        backends=("torch",),
    )
    convolutions = [
        LoweringSpec(
            name="torch_lowerings/" + "-".join(name.lower() for name in (layer, *then)),
            summary="One convolution on the layers' own memory, without copies.",
            build="headstart_plugins.torch_lowerings._build:convolution",
            layer=layer,
            then=then,
            backends=("torch",),
        )
        for layer in ("Conv2D", "DepthwiseConv2D")
        for then in CHAINS
    ]
    tokens = [
        LoweringSpec(
            name=f"torch_lowerings/{form}",
            summary=summary,
            build=f"headstart_plugins.torch_lowerings._tokens:{form}",
            layer=layer,
            backends=("torch",),
        )
        for form, layer, summary in TOKENS
    ]
    return [pooling, *convolutions, *tokens]
