"""What transformers are made of: products of many rows with a kernel, and looked up rows of a table."""

from __future__ import annotations

from typing import Any

import keras
import torch
from keras import ops
from torch.autograd.function import once_differentiable
from torch.nn import functional

from headstart.engine.lowering.applied import Lowered

LEAST = 64
"""Inputs and outputs of a layer from which its product takes longer than a call of the other library."""
LARGE = 4096
"""Rows of a table from which a gradient of all of them is most of what a lookup costs."""


def multiply(rows: Any, kernel: Any, bias: Any | None) -> Any:
    """(..., in), (in, out) and (out,) or None to (..., out), by oneDNN, which torch.compile calls in this way too."""
    return torch.ops.mkldnn._linear_pointwise(rows, kernel.t(), bias, "none", [], "")


class Product(torch.autograd.Function):  # type: ignore[misc]  # torch is not read
    """x @ kernel + bias of float32 on the CPU. oneDNN takes less time than MKL for it and for the gradient of x
    (AMD EPYC, torch 2.13; `tests/benchmarks/lowerings.py`), and as much for that of the kernel."""

    @staticmethod
    def forward(ctx: Any, inputs: Any, kernel: Any, bias: Any | None) -> Any:
        ctx.save_for_backward(inputs, kernel)
        return multiply(inputs, kernel, bias)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # the gradient of a gradient is refused, not wrong
    def backward(ctx: Any, gradient: Any) -> Any:
        inputs, kernel = ctx.saved_tensors
        for_inputs, for_kernel, for_bias = ctx.needs_input_grad
        flow = gradient.reshape(-1, gradient.shape[-1])
        return (
            multiply(gradient, kernel.t(), None) if for_inputs else None,
            inputs.reshape(-1, inputs.shape[-1]).t() @ flow if for_kernel else None,
            flow.sum(0) if for_bias else None,
        )


class TorchDense(Lowered):
    """A Dense layer whose products oneDNN computes."""

    def call(self, inputs: Any) -> Any:
        """(..., in) to (..., out)."""
        (layer,) = self.stock
        kernel = ops.convert_to_tensor(layer.kernel)
        bias = None if layer.bias is None else ops.convert_to_tensor(layer.bias)
        if {inputs.dtype, kernel.dtype} == {torch.float32}:
            outputs = Product.apply(inputs, kernel, bias)
        else:
            outputs = inputs @ kernel.to(inputs.dtype)
            outputs = outputs if bias is None else outputs + bias.to(inputs.dtype)
        return outputs if layer.activation is None else layer.activation(outputs)


class TorchEmbedding(Lowered):
    """An Embedding whose gradient holds the rows that were looked up, and no others."""

    def call(self, inputs: Any) -> Any:
        """(...) whole numbers to (..., channel)."""
        (layer,) = self.stock
        table = ops.convert_to_tensor(layer.embeddings)
        places = inputs if inputs.dtype in (torch.int32, torch.int64) else inputs.to(torch.int32)
        places = torch.where(places < 0, places + len(table), places)  # from the end, as Keras' own
        rows = functional.embedding(places, table, sparse=table.is_leaf and table.requires_grad)
        return ops.cast(rows, self.compute_dtype)


def dense(layer: keras.Layer) -> keras.Layer | None:
    """A `TorchDense`, or None where this PyTorch has no oneDNN, for small layers, and for those in another type."""
    offered = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    small = min(layer.kernel.shape) < LEAST
    plain = layer.compute_dtype == "float32" and not layer.lora_enabled and layer.quantization_mode is None
    return TorchDense(layer) if offered and plain and not small else None


def embedding(layer: keras.Layer) -> keras.Layer | None:
    """A `TorchEmbedding`, or None for small tables, and where zeros are masked or the type is another one."""
    plain = layer.compute_dtype == "float32" and not layer.lora_enabled and layer.quantization_mode is None
    return TorchEmbedding(layer) if plain and not layer.mask_zero and layer.input_dim >= LARGE else None
