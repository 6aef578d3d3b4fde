"""Convolutions on views: (batch, height, width, channel) in memory is what PyTorch calls channels last."""

from __future__ import annotations

from typing import Any

import keras
from torch.nn import functional

from headstart.engine.lowering.applied import Extent, LoweredConvolution, read_convolution
from headstart_plugins.torch_lowerings._convolve import Shape, convolve


class TorchConvolution(LoweredConvolution):
    """A convolution, BatchNorm and ReLU in one step forward and one back; the scale goes into the kernel.

    Keras copies the input of each k x k convolution into the padded one, and computes BatchNorm as three more passes.
    """

    def convolve(self, inputs: Any, kernel: Any, scale: Any | None, shift: Any | None) -> Any:
        """See `LoweredConvolution`."""
        layer = self.form.layer
        lengths = zip(inputs.shape[1:3], layer.kernel_size, layer.strides, strict=True)
        rows, columns = (Extent.of(*each, layer.padding) for each in lengths)
        if rows.before == rows.after and columns.before == columns.after:
            padding = (rows.before, columns.before)
        else:
            inputs = functional.pad(inputs, (0, 0, columns.before, columns.after, rows.before, rows.after))
            padding = (0, 0)
        depthwise = self.form.is_depthwise
        groups = kernel.shape[2] if depthwise else layer.groups
        shape = Shape(tuple(layer.strides), padding, groups, depthwise, self.form.ceiling)
        return convolve(inputs, kernel, scale, shift, shape)


def convolution(layer: keras.Layer, *then: keras.Layer) -> keras.Layer | None:
    """A `TorchConvolution`, or None where the layers do something that it does not."""
    form = read_convolution(layer, *then)
    return None if form is None else TorchConvolution(form)
