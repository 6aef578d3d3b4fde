"""Convolutions, poolings, dense layers and lookups as PyTorch does them fastest on CPUs.

`KERAS_BACKEND=torch python tests/benchmarks/lowerings.py` prints what they gain.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import LoweringSpec

CHAINS = (
    *((), ("BatchNormalization",), ("BatchNormalization", "ReLU"), ("BatchNormalization", "Activation")),
    ("LeakyReLU",),
)
"""What a convolution takes in of the layers after it."""
BEFORE: tuple[tuple[str, ...], ...] = ((), ("ZeroPadding2D",))
"""And before it."""
TOKENS = (
    ("_tokens:dense", "Dense", "Products of many rows with a kernel by oneDNN."),
    ("_tokens:embedding", "Embedding", "Looked up rows whose gradient is of these rows alone."),
    ("_recurrent:lstm", "LSTM", "All steps of a sequence in PyTorch's own loop."),
)


@hookimpl
def register_lowerings() -> Iterable[LoweringSpec]:
    """Convolutions without copies, zeros around, BatchNorm and ReLU in them; poolings without copies; dense layers by
    oneDNN; lookups with sparse gradients; LSTMs without a loop in Python."""
    poolings = [
        LoweringSpec(
            name=f"torch_lowerings/{layer.lower()}",
            summary="A pooling on the layer's own memory, without copies.",
            build="headstart_plugins.torch_lowerings._build:pooling",
            layer=layer,
            backends=("torch",),
        )
        for layer in ("MaxPooling2D", "AveragePooling2D")
    ]
    convolutions = [
        LoweringSpec(
            name="torch_lowerings/" + "-".join(name.lower() for name in chain),
            summary="One convolution on the layers' own memory, without copies.",
            build="headstart_plugins.torch_lowerings._build:convolution",
            layer=chain[0],
            then=chain[1:],
            backends=("torch",),
        )
        for before in BEFORE
        for layer in ("Conv2D", "DepthwiseConv2D")
        for then in CHAINS
        for chain in [(*before, layer, *then)]
    ]
    tokens = [
        LoweringSpec(
            name=f"torch_lowerings/{form.partition(':')[2]}",
            summary=summary,
            build=f"headstart_plugins.torch_lowerings.{form}",
            layer=layer,
            backends=("torch",),
        )
        for form, layer, summary in TOKENS
    ]
    return [*poolings, *convolutions, *tokens]
