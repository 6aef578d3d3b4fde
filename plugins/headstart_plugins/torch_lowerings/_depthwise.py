"""The gradient of 5 x 5 depthwise kernels. oneDNN has a fast form for 3 x 3 alone: four of those make one of these."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

SIDE, PART = 5, 3
STARTS = (0, SIDE - PART)
"""Where the parts begin; the middle row and column are in two of them."""
CHUNK = 2_400_000
"""Bytes of input that are worked on at a time, so that its shifted copies stay in the processor's cache."""


def pays(weights: Any, strides: tuple[int, int]) -> bool:
    """True for (channel, 1, 5, 5) on the CPU at stride 1."""
    return tuple(weights.shape[1:]) == (1, SIDE, SIDE) and tuple(strides) == (1, 1) and weights.device.type == "cpu"


def kernel_gradient(flow: Any, images: Any, weights: Any, padding: tuple[int, int]) -> Any:
    """(channel, 1, 5, 5), from the gradient of the outputs and the inputs, both (batch, channel, height, width)."""
    rows, columns = padding
    total = torch.zeros_like(weights)
    samples = max(1, CHUNK // (images[0].numel() * images.element_size()))
    for start in range(0, len(images), samples):
        padded = functional.pad(images[start : start + samples], (columns, columns, rows, rows))
        _add_parts(total, flow[start : start + samples], padded)
    total[:, :, PART - 1] /= 2
    total[:, :, :, PART - 1] /= 2
    return total


def _add_parts(total: Any, flow: Any, padded: Any) -> None:
    height, width = (length + PART - 1 for length in flow.shape[2:])
    for row in STARTS:
        for column in STARTS:
            seen = padded[:, :, row : row + height, column : column + width]
            part = total[:, :, row : row + PART, column : column + PART]
            part += torch.ops.aten.convolution_backward(
                flow, seen, part, None, (1, 1), (0, 0), (1, 1), False, (0, 0), len(part), (False, True, False)
            )[1]
